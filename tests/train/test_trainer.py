"""Stages, rates, dropped samples, logs, accumulation, and going on from a model."""

import shutil

import numpy as np
import pytest
import tiny
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file
from train_tiny import coco_file, history, recipe_file, same_weights, stage, train
from transformers import LlamaConfig, LlamaForCausalLM, TrainerCallback

from superlens.data.convert import write_jsonl
from superlens.data.mixture import Mixture
from superlens.data.world import World
from superlens.message import Conversation, Message, Region
from superlens.recipes import build as building
from superlens.recipes.schema import Stage, read_recipe
from superlens.train import trainer
from superlens.train.loop import choose_trained
from superlens.train.rows import tight_rows


def test_globs_choose_exactly_what_moves(tmp_path):
    globs = ["links.*", "decoders.detect.*", "eye.backbone.encoder.stages.3.*"]
    recipe = recipe_file(tmp_path, stage(train=globs, steps=3, batch=4, tasks={"boxes": 1, "masks": 1}))
    before = building.build(read_recipe(recipe).to_dict(), seed=0)
    after = train(recipe, tmp_path / "run")
    named = {n for n, _ in before.named_parameters() if n.startswith(("links.", "decoders.detect.", "eye.backbone.encoder.stages.3."))}
    assert set(same_weights(before, after)) == named
    assert all(parameter.requires_grad for parameter in after.parameters())


@pytest.mark.parametrize("glob, near", [
    ("decoder.detect.*", r"decoders\.detect\.\*"),
    ("link.*", r"links\.\*"),
    ("eye.backbone.encoder.stage.3.*", r"eye\.backbone\.encoder\.stages\.3\.\*"),
])
def test_a_glob_that_matches_nothing_is_refused(glob, near, tmp_path):
    with pytest.raises(ValueError, match=f"'s' trains '.*', which matches no parameter: .*{near}"):
        choose_trained(tiny.model(), ["links.*", glob], "s")
    recipe = recipe_file(tmp_path, stage(), stage(name="late", lr={glob: 1e-3, "default": 1e-4}))
    with pytest.raises(ValueError, match=f"'late' has a learning rate for '.*{near}"):
        train(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def make_trainer(tmp_path, count=8, source=None, model=None, **changes):
    entry = Stage(**stage(**changes))
    mixture = Mixture([(source or World(), 1.0)], 5, count)
    model = model or tiny.model()
    return trainer.make_trainer(model, entry, mixture, tmp_path / "home", trainer.Precision("cpu", "float32"), 0, "none")


def test_every_parameter_takes_the_rate_of_its_glob(tmp_path):
    rates = {"decoders.segment.*": 1e-2, "decoders.*": 1e-3, "default": 1e-4}
    made = make_trainer(tmp_path, lr=rates, train=["decoders.*", "projector.*"])
    names = {id(parameter): name for name, parameter in made.model.named_parameters()}
    found = {}
    for group in made.create_optimizer().param_groups:
        for parameter in group["params"]:
            found[names[id(parameter)]] = group["lr"], group["weight_decay"]
            assert (group["weight_decay"] > 0) == (parameter.ndim >= 2)
    assert set(found) == {name for name in names.values() if name.startswith(("decoders.", "projector."))}
    for name, (rate, _) in found.items():
        assert rate == next((rates[f"{start}*"] for start in ("decoders.segment.", "decoders.") if name.startswith(start)), 1e-4)


def test_long_samples_are_dropped_and_counted_and_every_loss_is_logged(tmp_path):
    model, world = tiny.model(), World()
    mixture = Mixture([(world, 1.0)], 1000, 24)
    lengths = np.array([len(model.processor.encode(mixture[row])) for row in range(24)])
    limit = int(np.median(lengths))
    recipe = recipe_file(tmp_path, stage(steps=6, batch=4, row_tokens=limit, save_every=6, lessons=["names"]))
    train(recipe, tmp_path / "run")
    logged = [entry for entry in history(tmp_path / "run") if "loss" in entry]
    assert len(logged) == 6
    assert logged[-1]["dropped_too_long"] == (lengths > limit).sum() > 0
    assert logged[-1]["samples"] == (lengths <= limit).sum()
    seen = set().union(*logged)
    assert {f"loss/{name}" for name in model.counts_names()} <= seen
    words = [entry for entry in logged if "loss/words" in entry]
    total = sum(value for name, value in words[0].items() if name.startswith("loss/"))
    assert words[0]["loss"] == pytest.approx(total, rel=1e-2)  # what is logged as loss is the sum of its parts


def test_a_conversation_longer_than_the_model_reads_stops_asking_but_not_training(tmp_path):
    made = make_trainer(tmp_path, row_tokens=640)
    processor, talk = made.model.processor, made.train_dataset.mixture[0]
    processor.max_tokens = len(processor.encode(talk)) - 1
    with pytest.raises(ValueError, match=f"tokens long, the model reads at most {processor.max_tokens}: shorten it"):
        processor.encode(talk)
    collator = make_trainer(tmp_path, model=made.model, row_tokens=640).data_collator
    batch = collator([made.train_dataset[0]])["batch"]
    assert (batch.tally.samples, batch.tally.dropped) == (0, 1)


def test_a_batch_of_long_samples_only_teaches_nothing(tmp_path):
    made = make_trainer(tmp_path, row_tokens=20)
    batch = made.data_collator([made.train_dataset[row] for row in range(3)])["batch"]
    assert (batch.tally.samples, batch.tally.dropped) == (0, 3)
    out = made.model(batch, counts={"words": 7.0})
    out["loss"].backward()
    assert out["loss"].item() == 0
    assert all(p.grad is None or not p.grad.any() for p in made.model.parameters())


def test_a_stage_whose_samples_are_all_too_long_is_refused(tmp_path):
    recipe = recipe_file(tmp_path, stage(steps=20, batch=8, row_tokens=8))
    with pytest.raises(ValueError, match="the first 64 samples are all longer than a row, or than the model reads: raise row_tokens"):
        train(recipe, tmp_path / "run")


class Gradients(TrainerCallback):
    """Keeps the gradients of the first optimiser step."""

    def on_pre_optimizer_step(self, args, state, control, model=None, **unused):
        self.kept = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def test_two_batches_of_four_equal_one_of_eight(tmp_path):
    kept = {}
    for batch, accumulate in ((8, 1), (4, 2)):
        made = make_trainer(tmp_path / str(batch), batch=batch, accumulate=accumulate, steps=1)
        made.optimizer = torch.optim.SGD(made.model.parameters(), lr=0.1)
        keeper = Gradients()
        made.add_callback(keeper)
        made.train()
        kept[batch] = keeper.kept, {n: p.detach() for n, p in made.model.named_parameters()}, made.state.log_history[0]["loss"]
    assert kept[4][2] == pytest.approx(kept[8][2], rel=1e-4)
    for which in (0, 1):
        assert set(kept[4][which]) == set(kept[8][which])
        for name, value in kept[8][which].items():
            assert torch.allclose(kept[4][which][name], value, rtol=1e-4, atol=1e-5), name


def test_a_model_is_continued_by_directory_nano_and_hub_name(tmp_path, monkeypatch):
    recipe = recipe_file(tmp_path, stage(steps=1, train=["links.*"]))
    first = train(recipe, tmp_path / "first")
    directory = str(tmp_path / "first")
    monkeypatch.setattr(building, "NANO", tmp_path / "first")
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda name: directory)
    for number, name in enumerate((directory, "nano", "somebody/lens")):
        again = train(name, tmp_path / f"again-{number}", [coco_file(tmp_path)], seed=7, overrides=["stages.0.steps=2"])
        moved = same_weights(first, again)
        assert moved and all(entry.startswith("links.") for entry in moved)
        assert again.config.recipe["stages"][0]["steps"] == 2
    with pytest.raises(ValueError, match="links can not be set in a model"):
        train(directory, tmp_path / "other", overrides=["links.boxes.queries=3"])


@pytest.mark.parametrize("name, words", [
    ("nanoo", "did you mean 'nano'"), ("no-such.yaml", "no recipe file"), ("./nowhere", "no model"), ("", "no recipe or model"),
])
def test_an_unknown_recipe_or_model_is_refused(name, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        train(name, tmp_path / "run")


def test_published_weights_are_written_on_demand_only(tmp_path, monkeypatch):
    config = {key: value for key, value in tiny.RECIPE["language"]["config"].items() if key != "model_type"}
    LlamaForCausalLM(LlamaConfig(**config)).save_pretrained(tmp_path / "published")
    language = {"type": "causal_lm", "name": str(tmp_path / "published"), "tokenizer": "nano"}
    stages = stage(steps=1, train=["links.*"]), stage(name="then", steps=1, train=["projector.*"])
    recipe = recipe_file(tmp_path, *stages, language=language)
    written = {}
    for whole in (False, True):
        train(recipe, tmp_path / f"run-{whole}", whole=whole)
        written[whole] = set(load_file(tmp_path / f"run-{whole}" / "model.safetensors"))
    assert not any(name.startswith("language.") for name in written[False])
    assert {name for name in written[True] if not name.startswith("language.")} == written[False] < written[True]
    train(recipe, tmp_path / "run-False", resume=True)  # filled from the stages' whole models
    assert set(load_file(tmp_path / "run-False" / "model.safetensors")) == written[False]


def test_rows_hold_every_sample_once_with_less_padding_than_the_fewest_rows():
    lengths = [110, 90, 135, 100]
    rows = tight_rows(lengths, 400)
    assert sorted(index for row in rows for index in row) == [0, 1, 2, 3]
    assert max(sum(lengths[index] for index in row) for row in rows) == 245 and len(rows) == 2  # not 335 and 100
    assert tight_rows([7], 7) == [[0]]


def boxes_only(**tasks):
    links = {"boxes": tiny.RECIPE["links"]["boxes"]}
    recipe = tiny.recipe(links=links, decoders={"detect": tiny.RECIPE["decoders"]["detect"]})
    return read_recipe(recipe | ({"data": {"tasks": tasks}} if tasks else {}))


def test_a_source_asks_only_what_the_links_can_answer():
    plan = boxes_only()
    source = trainer.open_taught(plan, "world", None)
    assert {"boxes", "refer_boxes", "count"} <= set(source.tasks)
    assert not [task for task in source.tasks if "masks" in task]
    assert trainer.open_taught(read_recipe(tiny.recipe()), "world", None).tasks.keys() > source.tasks.keys()


def test_what_is_wished_for_and_can_not_be_answered_is_refused():
    with pytest.raises(ValueError, match="'world' is to teach the task 'refer_masks', but this recipe has no link that writes masks"):
        trainer.open_taught(boxes_only(boxes=1, refer_masks=1), "world", None)


def test_moments_are_refused_without_a_video_section():
    links = {"moments": {"type": "codec", "code": "lita"}}
    plan = read_recipe(tiny.recipe(links=links, decoders={}) | {"data": {"tasks": {"moments": 1}}})
    with pytest.raises(ValueError, match="the task 'moments', but this recipe has no `video` section"):
        trainer.open_taught(plan, "world", None)
    with pytest.raises(ValueError, match=r"no link that writes moments\. These recipes have one: lita, momentor, timechat"):
        trainer.open_taught(boxes_only(boxes=1, moments=1), "world", None)


def test_who_spells_boxes_is_pointed_at_things_by_boxes():
    """Without a region encoder: a box that the user drew is written as the model writes boxes."""
    parts = {"links": {"boxes": {"type": "codec", "code": "kosmos-2"}}, "decoders": {}}
    plan = read_recipe(tiny.recipe(**parts) | {"data": {"tasks": {"region_text": 1, "like_boxes": 1}}})
    source, processor = trainer.open_taught(plan, "world", None), tiny.model(**parts).processor
    talk = source.conversation(0, np.random.default_rng(0))
    regions = [part for part in talk.messages[0].content if isinstance(part, Region)]
    assert regions and {region.kind for region in regions} == {"box"}
    asked = processor.encode(Conversation(talk.messages[:1]), answer=False)
    assert sum("patch_index" in processor.token_names.get(index, "") for index in asked.ids_T.tolist()) == 2


def test_what_points_is_refused_without_a_region_encoder():
    with pytest.raises(ValueError, match="the task 'region_text', but this recipe has no region encoder"):
        trainer.open_taught(boxes_only(boxes=1, region_text=1), "world", None)
    with pytest.raises(ValueError, match="'context_boxes', but this recipe has no region encoder"):
        trainer.open_taught(boxes_only(boxes=1, context_boxes=1), "world", None)
    pointing = boxes_only(boxes=1, region_text=1).to_dict() | {"regions": {"type": "region_encoder"}}
    assert set(trainer.open_taught(read_recipe(pointing), "world", None).tasks) == {"boxes", "region_text"}


def test_lessons_are_looked_at_before_any_work(tmp_path):
    """A network that can not be loaded, named in the second stage: the first has not begun."""
    later = stage(name="two", steps=1, lessons=[f"perceiving:{tmp_path / 'none'}"])
    with pytest.raises(ValueError, match="can not load the network"):
        train(recipe_file(tmp_path, stage(name="one", steps=1), later), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def folder_of_pictures(folder, count):
    folder.mkdir()
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def test_features_are_evened_out_before_the_way_back_is_taught_and_not_again_on_resuming(tmp_path):
    shown, path = folder_of_pictures(tmp_path / "shown", 12), tmp_path / "even.yaml"
    stages = [
        stage(name="hide", lessons=["hiding"], think=False, train=["eye.backbone.*"]),
        stage(name="invert", lessons=["inverting"], think=False, train=["eye.backbone.decoder.*"], save_every=1),
    ]
    eye = {"type": "mae", "even": True, "config": tiny.MAE}
    path.write_text(yaml.safe_dump(tiny.recipe(**tiny.FEATURES | {"eye": eye}, stages=stages)))
    straight = train(str(path), tmp_path / "run", [str(shown)])
    home = tmp_path / "run" / "stages"
    hidden, first = (load_file(home / each / "model.safetensors") for each in ("1-hide/model", "2-invert/checkpoint-1"))
    chosen = straight.eye.turn_CC
    assert torch.equal(hidden["eye.turn_CC"], torch.eye(16)) and not torch.equal(chosen, torch.eye(16))
    assert torch.equal(first["eye.turn_CC"], chosen)
    shutil.rmtree(home / "2-invert" / "model")
    shutil.rmtree(home / "2-invert" / "checkpoint-2")
    resumed = train(str(path), tmp_path / "run", [str(shown)], resume=True)
    assert torch.equal(resumed.eye.turn_CC, chosen) and same_weights(straight, resumed) == []


def test_pictures_begin_among_the_words_that_a_stage_before_has_trained_and_words_are_of_texts_alone(tmp_path):
    shown, path = folder_of_pictures(tmp_path / "shown", 4), tmp_path / "words.yaml"
    talks = [Conversation((Message("user", f"What is {number}?"), Message("assistant", "A number."))) for number in range(8)]
    write_jsonl(talks, tmp_path / "help.jsonl")
    stages = [
        stage(name="language", train=["language.*"], lr=0.1, data={"help": 1, "default": 0}),
        stage(name="adapt", train=["projector.*", "links.*"], lr=1e-12, steps=1, data={"help": 0, "default": 1}),
    ]
    path.write_text(yaml.safe_dump(tiny.recipe(**tiny.FEATURES, stages=stages)))
    data = [str(tmp_path / "help.jsonl"), str(shown)]
    before = building.build(read_recipe(str(path)).to_dict(), 0)
    after = train(str(path), tmp_path / "run", data)
    mean_D, was_D = (model.language.words().mean(0).detach() for model in (after, before))
    assert torch.allclose(after.projector.layers.bias, mean_D, atol=1e-6)
    assert torch.allclose(before.projector.layers.bias, was_D, atol=1e-6) and float((mean_D - was_D).abs().max()) > 1e-2
    # A continued model's projector is what it has learned to be, and what is taught to a stage has to be among the data.
    again = train(str(tmp_path / "run"), tmp_path / "more", data, overrides=["stages.language.lr=0.2"])
    assert torch.allclose(again.projector.layers.bias, after.projector.layers.bias, atol=1e-6)
    with pytest.raises(ValueError, match=r"stage 'language' is taught by data named help \(by file or folder\), and none of --data is"):
        train(str(path), tmp_path / "none", [str(shown)])
    assert not (tmp_path / "none").exists()
