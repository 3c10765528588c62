"""A comparison, end to end at the smallest size: equal arms, results that are kept, what is refused."""

import json
from dataclasses import asdict, replace
from functools import partialmethod

import pytest
import tiny
import torch

from superlens.cli import main
from superlens.evaluate import compare, report
from superlens.evaluate.compare import Arm, Budget, Comparison, LanguageSteps, fingerprint, plan_of, trained_globs
from superlens.model import Superlens
from superlens.recipes.build import build

BUDGET = Budget(steps=2, batch=2, row_tokens=400, base_steps=1, points=2, curve_limit=1, limit=1)


@pytest.fixture(scope="module", autouse=True)
def _short_answers():
    """Models that have hardly been trained talk to the longest answer allowed, each time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Superlens, "ask", partialmethod(Superlens.ask, max_new_tokens=16))
        yield


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    out = tmp_path_factory.mktemp("compared")
    told = []
    return out, Comparison(["lisa", "gsva"], ["world"], str(out), "masks", BUDGET).run(1, told.append), told


def test_every_arm_is_trained_and_measured(compared):
    out, arms, told = compared
    assert [(arm.recipe, arm.seed, arm.steps) for arm in arms] == [("lisa", 0, 2), ("gsva", 0, 2)]
    for arm in arms:
        assert 0 <= arm.leading <= 1 and [step for step, _ in arm.curve] == [0, 1] and arm.samples_per_second > 0
        assert set(arm.quality) == {"mIoU", "per_class", "N-acc", "T-acc"} and arm.base == arms[0].base != ""
        assert arm.language_steps >= 1 and arm.seconds_per_answer > 0 and arm.trained_parameters > 1e6
    assert any("lisa, seed 0" in line for line in told) and any("step 1" in line for line in told)
    assert (out / "base-merge" / "model").is_dir() and list((out / "features").rglob("*.npz"))


def test_arms_begin_alike_but_for_how_they_answer(compared):
    out, _, _ = compared
    comparison = Comparison(["lisa", "gsva"], ["world"], str(out), "masks", BUDGET)
    one, two = (comparison._fresh(plan, 0).state_dict() for plan in comparison.plans.values())
    shared = [name for name in one if name.startswith(("eye.", "language.", "projector."))]
    assert shared and all(torch.equal(one[name], two[name]) for name in shared)
    from superlens.recipes.build import load

    nano = load("nano", device="cpu").state_dict()
    assert all(torch.equal(one[name], nano[name]) for name in shared if name.startswith("eye."))
    assert not torch.equal(one["projector.layers.0.weight"], nano["projector.layers.0.weight"])


def test_what_is_done_is_not_done_again(compared):
    out, arms, _ = compared
    told = []
    again = Comparison(["lisa", "gsva"], ["world"], str(out), "masks", BUDGET).run(1, told.append)
    assert not told and [arm.leading for arm in again] == [arm.leading for arm in arms]
    with pytest.raises(ValueError, match="other settings"):
        Comparison(["lisa"], ["world"], str(out), "masks", Budget(steps=3)).run(1)


def test_what_is_kept_is_read_back(compared):
    out, arms, _ = compared
    part, found = report.kept(out)
    assert part == "masks" and {arm.recipe for arm in found} == {"lisa", "gsva"}
    ordered = sorted(found, key=lambda arm: arm.recipe == "gsva")
    assert report.table(ordered, part) == report.table(arms, part)


def test_what_needs_no_language_model_is_asked_the_same(compared):
    out, arms, _ = compared
    assert set(report.kept_references(out)) == {"mean box, filled"}
    (mean,) = report.kept_references(out).values()
    assert set(mean) == set(arms[0].quality) and 0 <= mean["mIoU"] < 0.2
    rows = report.table(arms, "masks", report.kept_references(out)).splitlines()
    assert rows[-1].startswith(f"| mean box, filled | - | {mean['mIoU']:.3f} |") and rows[-1].count("|") == rows[0].count("|")
    (out / "references.json").unlink()
    told = []
    Comparison(["lisa"], ["world"], str(out), "masks", BUDGET).run(1, told.append)
    assert told == ["without a language model: mean box, filled"] and report.kept_references(out) == {"mean box, filled": mean}


def test_who_is_stopped_is_told_what_is_done(compared, monkeypatch, capsys):
    out, _, _ = compared

    def stopped(*unused):
        raise KeyboardInterrupt

    monkeypatch.setattr(Comparison, "run", stopped)
    (out / "table.md").unlink(missing_ok=True)
    assert main(["compare", "lisa", "gsva", "--part", "masks", "--out", str(out)]) == 130
    assert f"goes on from there. What is done so far: {out / 'table.md'}." in "".join(capsys.readouterr().err.split("\n"))
    assert "| gsva | 1 |" in (out / "table.md").read_text()


def test_a_command_for_one_recipe_keeps_the_others_in_the_tables(compared, capsys):
    out, _, _ = compared
    settings = json.loads((out / "settings.json").read_text())
    words = ["compare", "gsva", "--part", "masks", "--out", str(out), "--seeds", "1"]
    for option in ("steps", "batch", "base_steps", "points", "limit", "base"):
        words += [f"--{option.replace('_', '-')}", str(settings["budget"][option])]
    settings["budget"] |= {"row_tokens": Budget.row_tokens, "curve_limit": Budget.curve_limit}
    (out / "settings.json").write_text(json.dumps(settings))
    try:
        assert main(words) == 0
    finally:
        settings["budget"] |= {"row_tokens": BUDGET.row_tokens, "curve_limit": BUDGET.curve_limit}
        (out / "settings.json").write_text(json.dumps(settings))
    rows = (out / "table.md").read_text()
    assert rows.index("| gsva | 1 |") < rows.index("| lisa | 1 |") and "| lisa | 1 |" in capsys.readouterr().out
    assert {line.split(",")[0] for line in (out / "arms.csv").read_text().splitlines()[1:]} == {"gsva", "lisa"}


def test_arms_of_two_bases_are_not_mixed_and_weights_that_are_gone_are_told(compared, tmp_path):
    out, arms, _ = compared
    (tmp_path / "arms" / "gsva-0").mkdir(parents=True)
    (tmp_path / "base-merge").symlink_to(out / "base-merge")
    record = tmp_path / "arms" / "gsva-0" / "result.json"
    record.write_text(json.dumps(asdict(replace(arms[1], base="another"))))
    comparison = Comparison(["lisa", "gsva"], ["world"], str(tmp_path), "masks", BUDGET)
    with pytest.raises(ValueError, match="began with another language model"):
        comparison.run(1, lambda words: None)
    record.unlink()
    (tmp_path / "arms" / "gsva-0" / "model").mkdir()
    with pytest.raises(ValueError, match=r"gsva-0.*holds no weights: remove it"):
        Comparison(["gsva"], ["world"], str(tmp_path), "masks", BUDGET).run(1, lambda words: None)


def test_arms_taught_by_other_rates_are_not_mixed(compared, monkeypatch):
    out, _, _ = compared
    monkeypatch.setitem(compare.RATES, "default", 1.0)
    with pytest.raises(ValueError, match="other settings"):
        Comparison(["lisa"], ["world"], str(out), "masks", BUDGET).run(1)


def test_an_arm_stops_when_its_time_is_over(compared, tmp_path):
    out, _, _ = compared
    (tmp_path / "features").mkdir()
    (tmp_path / "base-merge").symlink_to(out / "base-merge")
    budget = Budget(steps=50, batch=2, row_tokens=400, base_steps=1, points=1, curve_limit=1, limit=1, minutes=0.001)
    (arm,) = Comparison(["lisa"], ["world"], str(tmp_path), "masks", budget).run(1, lambda words: None)
    assert arm.steps == 1 and (tmp_path / "arms" / "lisa-0" / "model").is_dir()


def test_arms_may_begin_with_the_language_model_of_another(tmp_path):
    from superlens.recipes.build import load

    budget = replace(BUDGET, base="nano")
    comparison = Comparison(["pixellm"], ["world"], str(tmp_path), "masks", budget)
    model, nano = comparison._fresh(comparison.plans["pixellm"], 0).state_dict(), load("nano", device="cpu").state_dict()
    borrowed = [name for name in model if name.startswith(("eye.", "language.", "projector."))]
    assert borrowed and all(torch.equal(nano[name], model[name]) for name in borrowed)
    assert not (tmp_path / "base-merge").exists()
    tiny.model().save_pretrained(str(tmp_path / "tiny"))
    other = Comparison(["pixellm"], ["world"], str(tmp_path), "masks", replace(budget, base=str(tmp_path / "tiny")))
    with pytest.raises(ValueError, match="language or projector of a model whose parts are not of nano's kind"):
        other._fresh(other.plans["pixellm"], 0)


def test_arms_may_begin_with_the_base_of_another_comparison(compared, tmp_path):
    out, _, _ = compared
    here = Comparison(["gsva"], ["world"], str(out), "masks", BUDGET)
    there = Comparison(["gsva"], ["world"], str(tmp_path), "masks", replace(BUDGET, base=str(out / "base-merge" / "model")))
    one, two = (of._fresh(of.plans["gsva"], 0).state_dict() for of in (here, there))
    assert all(torch.equal(one[name], two[name]) for name in one) and not (tmp_path / "base-merge").exists()


def test_a_recipe_without_a_link_is_refused():
    with pytest.raises(ValueError, match=r"'shikra' has no link that writes masks; it writes boxes\. These recipes .*: gsva, .*lisa"):
        Comparison(["lisa", "shikra"], ["world"], "nowhere", "masks")
    with pytest.raises(ValueError, match="names of their own, got lisa, lisa"):
        Comparison(["lisa", "lisa"], ["world"], "nowhere", "masks")
    with pytest.raises(ValueError, match="boxes, masks, moments or keypoints"):
        Comparison(["lisa"], ["world"], "nowhere", "text")


@pytest.mark.parametrize("recipe", ["lita", "timechat", "momentor"])
def test_moments_are_compared_without_decoders(recipe):
    plan = plan_of(recipe, "moments")
    assert not plan.decoders and set(plan.data.tasks) == {"moments", "timeline"} and plan.video is not None
    globs = trained_globs(build(plan.to_dict(), 0))
    assert {"language.*", "projector.*", "links.*", "video.*"} <= set(globs) and "eye.*" not in globs


def test_features_of_another_eye_are_not_taken(compared):
    out, _, _ = compared
    (folder,) = (out / "features").iterdir()
    from superlens.recipes.build import load

    eye = load("nano", device="cpu").eye
    assert folder.name == fingerprint(eye)
    next(eye.parameters()).data[0] += 1e-3
    assert folder.name != fingerprint(eye)


def test_steps_are_counted():
    model = build(plan_of("lisa", "masks").to_dict(), 0).eval()
    from superlens.data.world import World

    steps, seconds = LanguageSteps(model).alone([example.question for example in World().examples("masks", limit=2)])
    assert steps >= 1 and seconds > 0


def arm(recipe, seed, leading):
    quality = {"mIoU": leading, "per_class": {"a": 1.0}}
    return Arm(recipe, seed, quality, leading, 0.2, [(0, 0.1), (5, leading / 2)], 3.0, 0.05, 2_000_000, 9.0, 10)


def test_tables_and_plots(tmp_path):
    arms = [arm("lisa", 0, 0.5), arm("lisa", 1, 0.7), arm("gsva", 0, 0.25)]
    paths = report.write(arms, "masks", tmp_path)
    assert [path.name for path in paths] == ["arms.csv", "table.md", "curves.svg", "cost.svg"]
    lines = paths[1].read_text().splitlines()
    assert "| lisa | 2 | 0.600 ± 0.141 | 0.100 ± 0.000 | 0.200 ± 0.000 | 3.0 | 0.050 | 2.0 M | 9.0 | 10 |" in lines
    assert lines[-1].startswith("| gsva | 1 | 0.250 | 0.100 |")
    assert len(paths[0].read_text().splitlines()) == 4 and "per_class" not in paths[0].read_text()
    assert all(path.read_text().startswith("<?xml") for path in paths[2:])


def test_what_nothing_was_there_for_is_no_zero():
    assert report.spread([None, None]) == "-" and report.spread([None, 0.5]) == "0.500"


def test_results_are_plain_json(compared):
    out, arms, _ = compared
    told = json.loads((out / "arms" / "lisa-0" / "result.json").read_text())
    assert told["leading"] == arms[0].leading and set(told) == set(vars(arms[0]))
