"""Recipes: read strictly, changed by overrides, refused with the nearest valid name."""

import subprocess
import sys
from fnmatch import fnmatch

import pytest

from superlens.assemble import assemble, formats_of
from superlens.recipes.reading import parse_yaml
from superlens.recipes.schema import read_recipe, recipe_names, recipe_text


@pytest.fixture
def nano():
    return read_recipe("nano").to_dict()


def refused(*arguments):
    with pytest.raises(ValueError) as caught:
        read_recipe(*arguments)
    sentence = str(caught.value)
    assert "\n" not in sentence and "pydantic" not in sentence
    return sentence


def test_every_recipe_of_the_package_is_read_and_survives_its_dictionary():
    assert "nano" in recipe_names()
    for name in recipe_names():
        recipe = read_recipe(name)
        assert recipe.name == name and recipe.header and recipe.stages
        assert read_recipe(recipe.to_dict()).to_dict() == recipe.to_dict()
        assert recipe_text(name).startswith("#")


@pytest.mark.parametrize("name", recipe_names())
def test_nothing_that_begins_at_random_is_left_so(name):
    """Weights are published for the eye's backbone and the language model; all else has to be trained by some stage."""
    recipe = read_recipe(name)
    drawn = [decoder for decoder, options in recipe.decoders.items() if options.type != "inverse"]  # which has no weights
    spoken = [link for link, form in formats_of(recipe.to_dict()).items() if form.roles()]  # others are words alone
    begun = ["projector.x", *(f"links.{link}.x" for link in spoken), *(f"decoders.{decoder}.x" for decoder in drawn)]
    begun += ["eye.pyramid.x"] * bool(drawn) + ["regions.x"] * (recipe.regions is not None)
    globs = [glob for stage in recipe.stages for glob in stage.train]
    assert [part for part in begun if not any(fnmatch(part, glob) for glob in globs)] == []


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_can_be_built_at_nanos_size(name):
    eye, projector, language, links, decoders, *_ = assemble(read_recipe(name, ["scale=nano"]).to_dict())
    parts = (eye, projector, language, *links.values(), *decoders.values())
    assert 3e6 < sum(tensor.numel() for part in parts for tensor in part.parameters()) < 20e6
    assert language.model.config.hidden_size == 256


def test_defaults_are_filled_in(nano):
    assert nano["canvas"]["longest"] == 384 and nano["canvas"]["square"] is False
    minimal = {key: nano[key] for key in ("eye", "projector", "language")}
    recipe = read_recipe({**minimal, "stages": [{"name": "one", "train": "links.*"}]})
    stage = recipe.stages[0]
    assert stage.train == ["links.*"] and stage.steps == 1000 and isinstance(stage.lr, float)
    assert recipe.to_dict()["canvas"]["multiple"] == 32 and recipe.to_dict()["links"] == {}


def test_reading_a_recipe_imports_nothing_heavy():
    code = (
        "import sys; from superlens.recipes.schema import read_recipe; read_recipe('nano', ['stages.0.steps=5']); "
        "sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'supervision')))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"eyes": {}}, "unknown key 'eyes': did you mean 'eye'?"),
        ({"canvas": {"longst": 3}}, "canvas: unknown key 'longst': did you mean 'longest'?"),
        ({"canvas": {"longest": "wide"}}, "canvas.longest: expected a whole number, got 'wide'"),
        ({"decoders": {"detect": {"type": "dense_detecter"}}}, "did you mean 'dense_detector'?"),
        ({"decoders": {"detect": {"depth": 2}}}, "the key 'type' is missing in decoders.detect"),
        ({"decoders": 3}, "decoders: expected keys and values"),
        ({"eye": None}, "eye: expected a type and its keys"),
        ({"data": {"turns": [3, 1]}}, "data.turns"),
        ({"data": {"augment": {"sid": 3}}}, "did you mean 'side'?"),
        ({"data": {"tasks": {"boxs": 1}}}, "unknown task 'boxs': did you mean 'boxes'?"),
        ({"data": {"tasks": {"boxes": 0}}}, "at least one weight above 0"),
        ({"stages": [{"name": "a"}]}, "the key 'train' is missing in stages.0"),
        ({"stages": [{"name": "a", "train": []}]}, "stages.0.train"),
        ({"stages": [{"name": "a", "train": ["*"], "stps": 1}]}, "did you mean 'steps'?"),
        ({"stages": [{"name": "a", "train": ["*"], "steps": 0}]}, "stages.0.steps: expected 1 or more, got 0"),
        ({"stages": [{"name": "a", "train": ["*"], "lr": -1}]}, "above 0 for a learning rate"),
        ({"stages": [{"name": "a", "train": ["*"], "lr": {"x": 1}}]}, "need a 'default'"),
        ({"stages": [{"name": "a", "train": ["*"]}] * 2}, "two stages are called 'a'"),
    ],
)
def test_mistakes_are_named_in_a_sentence(nano, change, words):
    assert words in refused({**nano, **change})


def test_missing_sections_and_unknown_names(nano):
    del nano["eye"]
    assert "the key 'eye' is missing" in refused(nano)
    assert "did you mean 'nano'?" in refused("nanno")
    assert "no recipe file" in refused("nothere.yaml")
    with pytest.raises(ValueError, match="did you mean 'nano'"):
        recipe_text("nanno")


def test_dotted_paths_are_left_to_the_build(nano):
    nano["decoders"]["mine"] = {"type": "my_package.Decoder", "anything": 1}
    assert read_recipe(nano).to_dict()["decoders"]["mine"]["anything"] == 1


def test_files(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(recipe_text("nano"), encoding="utf-8")
    recipe = read_recipe(str(path))
    assert recipe.name == "mine" and recipe.header.startswith("nano:")
    path.write_text("eye: [", encoding="utf-8")
    assert "not valid YAML" in refused(str(path))
    path.write_text("eye: 1\neye: 2", encoding="utf-8")
    assert "'eye' stands there twice" in refused(str(path))
    path.write_text("- 1", encoding="utf-8")
    assert "no sections" in refused(str(path))
    path.write_bytes(b"\xff\xfe\x00")
    assert "UTF-8" in refused(str(path))


def test_numbers_are_read_as_people_write_them():
    read = parse_yaml("[1e-4, 2.5E3, .5, 3, -1e2, 1.0e-3, 'x', 1e, v1]", "here")
    assert read == [1e-4, 2500.0, 0.5, 3, -100.0, 1e-3, "x", "1e", "v1"]
    assert isinstance(read[3], int)


@pytest.mark.parametrize(
    ("override", "where", "value"),
    [
        ("stages.0.steps=7", ("stages", 0, "steps"), 7),
        ("stages.*.lr=1e-4", ("stages", 0, "lr"), 1e-4),
        ("stages.0.lr={decoders.*: 1e-3, default: 1e-4}", ("stages", 0, "lr"), {"decoders.*": 1e-3, "default": 1e-4}),
        ("stages.0.data.world=2", ("stages", 0, "data"), {"world": 2.0, "photos": 0.0, "lspet": 0.0, "dlc_mouse": 0.0}),
        ("decoders.detect.depth=1", ("decoders", "detect", "depth"), 1),
        ("decoders.detect.width=64", ("decoders", "detect", "width"), 64),
        ("links.boxes.absent='[NO]'", ("links", "boxes", "absent"), "[NO]"),
        ("links.words={type: codec, part: boxes}", ("links", "words"), {"type": "codec", "part": "boxes"}),
        ("language.config.num_key_value_heads=4", ("language", "config", "num_key_value_heads"), 4),
        ("language.adapter.rank=8", ("language", "adapter"), {"rank": 8}),
        ("data.turns=[1, 2]", ("data", "turns"), [1, 2]),
        ("data.augment.side=128", ("data", "augment", "side"), 128),
        ("canvas.square=true", ("canvas", "square"), True),
    ],
)
def test_overrides(override, where, value):
    found = read_recipe("nano", [override]).to_dict()
    for step in where:
        found = found[step]
    assert found == value and type(found) is type(value)


def test_a_stage_is_named_by_its_name_and_overrides_add_up(nano):
    name = nano["stages"][0]["name"]
    recipe = read_recipe("nano", [f"stages.{name}.steps=3", "stages.0.batch=2"])
    assert (recipe.stages[0].steps, recipe.stages[0].batch) == (3, 2)
    assert read_recipe("nano").to_dict() == nano  # nothing was changed behind


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("steps", "expected KEY=VALUE"),
        ("=3", "expected KEY=VALUE"),
        ("nope=3", "unknown key 'nope'"),
        ("stages.0.stps=1", "did you mean 'steps'?"),
        ("stages.77.steps=1", "no stages.77"),
        ("stages.0.steps=abc", "expected a whole number, got 'abc'"),
        ("stages.0.steps.x=1", "nothing can be set below it"),
        ("decoders.detect.depht=1", "did you mean 'depth'?"),
        ("decoders.detect.in_channels=3", "unknown key 'in_channels'"),
        ("links.boxs.queries=1", "did you mean 'boxes'?"),
        ("links.boxes.querys=1", "did you mean 'queries'?"),
        ("language.config.hidden_sise=4", "did you mean 'hidden_size'?"),
        ("language.adaptr.rank=4", "did you mean 'adapter'?"),
        ("canvas.longst=4", "did you mean 'longest'?"),
        ("data.augment.sid=4", "did you mean 'side'?"),
        ("scale=nanno", "unknown scale 'nanno': did you mean 'nano'"),
        ("links.boxes.queries=[", "not valid YAML"),
    ],
)
def test_wrong_overrides_are_named_in_a_sentence(override, words):
    assert words in refused("nano", [override])
