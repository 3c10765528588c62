"""Pictures written as the eye's features: placed, predicted one before the other, fed back, drawn by the eye's way back."""

import numpy as np
import pytest
import tiny
import torch
from sentences import refused

from superlens.assemble import formats_of
from superlens.batch import collate
from superlens.data.sources.photos import wording
from superlens.data.templates import ask
from superlens.data.wordings_restore import REPAIRS
from superlens.links.feature import FeatureFormat, features_of
from superlens.message import Conversation, Image, Message
from superlens.processor import PICTURE
from superlens.reading import Written
from superlens.recipes.build import build
from superlens.recipes.schema import read_recipe
from superlens.train.loop import choose_trained

RECIPE = tiny.FEATURES | {
    "links": {
        "restore": {
            "type": "feature", "decoder": "draw", "prompt": 3, "last": ["repeat"],
            "tasks": {"noise": "nois|grain", "flip": "mirror|flip", "repeat": "leave|back"},
        }
    },
}  # fmt: skip
TOKENS = 17  # of 4 x 4 patches, and the class token


@pytest.fixture(scope="module")
def model():
    return tiny.model(**RECIPE).eval()


def picture(seed, of=None, size=(32, 32)):
    return Image(np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8), of=of, restored=of is not None)


def talk(seed=0, words="Remove the noise."):
    return Conversation((Message("user", (picture(seed), words)), Message("assistant", (picture(seed + 50, of=0),))))


def question(seed=0, words="Remove the noise."):
    return Conversation(talk(seed, words).messages[:1])


def test_the_sequence_to_the_letter(model):
    sample = model.processor.encode(talk())
    names = [model.processor.token_names.get(i, "picture" if i == PICTURE else "word") for i in sample.ids_T.tolist()]
    start = names.index("<noise:0>")
    assert names[start : start + 3] == [f"<noise:{i}>" for i in range(3)]
    opened = names.index("<Img>")
    assert names[opened + 1 : opened + 1 + TOKENS + 1] == ["picture"] * TOKENS + ["</Img>"]
    assert names[:start].count("picture") == TOKENS and len(sample.pictures) == 2
    (group,) = sample.groups
    assert group.positions == list(range(opened, opened + TOKENS)), "a feature is read before it"
    assert sample.features == [(opened + 1, TOKENS, 1, "restore", True)]
    learned = {names[at + 1] for at in np.flatnonzero(sample.labels_T >= 0)}
    assert {"<Img>", "</Img>"} <= learned and "picture" not in learned and "<noise:0>" not in learned


def test_features_enter_through_the_projector_and_are_learned_from_the_state_before(model):
    batch = collate([model.processor.encode(talk(0)), model.processor.encode(talk(1))])
    outputs = model.answer(batch)
    losses = model.losses(outputs, batch)
    assert losses["restore.value"][1] == 2 == model.counts(batch)["restore.value"]
    total = 0.0
    for row, sample in enumerate([talk(0), talk(1)]):
        at = model.processor.encode(sample).features[0][0]
        said = model.links["restore"].out(outputs.hidden_RTD[row, at - 1 : at - 1 + TOKENS])
        pixels = torch.from_numpy(np.array(sample.images[1].pixels))[None]
        wanted = model.eye.features(model.eye.normalise(pixels))[0]
        assert torch.allclose(wanted, features_of(outputs.tokens_of(batch, 2 * row + 1)), atol=1e-5)
        total += float((said - wanted).square().mean().detach())
    assert float(losses["restore.value"][0].detach()) == pytest.approx(total, rel=1e-4)


@pytest.mark.parametrize("places", [0, TOKENS])
def test_what_is_generated_is_what_reading_the_whole_says(places):
    """With the answer's own features in their place, one forward over the whole predicts each of them again."""
    model = tiny.model(**(RECIPE | {"projector": RECIPE["projector"] | {"places": places}})).eval()
    answered = model.ask(question(), answer_with="restore", max_new_tokens=2)
    assert answered.images[0].size == (32, 32) and answered.images[0].of == 0 and answered.images[0].restored
    prompt = model.processor.encode(question(), answer=False)
    from superlens.generation import Generator, Sampling

    (speaker,), _, _ = Generator(model, model.processor, Sampling(max_new_tokens=2), force="restore").run([prompt])
    values = torch.stack([value for value in speaker.written.values.values() if isinstance(value, torch.Tensor)])
    assert values.shape == (TOKENS, 16)
    with torch.inference_mode():
        batch = collate([prompt])
        _, visual = model.encode(batch)
        opened = torch.tensor([model.processor.token_ids["<Img>"]])
        embeds = torch.cat([model.embed(batch, visual)[0], model.embed_ids(opened), model.projector.project(values[None])[0]])
        hidden = model.think(embeds[None], torch.arange(len(embeds))[None])[0]
        again = model.links["restore"].out(hidden[len(prompt) : len(prompt) + TOKENS])
    assert torch.allclose(again, values, atol=1e-4)


def test_a_picture_of_more_tokens_than_places_is_refused():
    model = tiny.model(**(RECIPE | {"projector": RECIPE["projector"] | {"places": TOKENS - 1}})).eval()
    refused(lambda: model.ask(question()), "projector", "16 places")


@pytest.mark.parametrize("places", [-1, "many"])
def test_places_are_a_number(places):
    refused(lambda: tiny.model(**(RECIPE | {"projector": RECIPE["projector"] | {"places": places}})), "projector", "0 or more")


def test_answers_are_the_same_at_batch_1_and_8(model):
    words = ("Remove the noise.", "Mirror it.", "Less grain, please, and flip it.")
    asked = [question(seed, one) for seed, one in enumerate(words)]
    options = {"answer_with": "restore", "max_new_tokens": 4}
    for one, two in zip(model.ask(asked, batch_size=8, **options), model.ask(asked, batch_size=1, **options), strict=True):
        assert np.abs(one.images[0].pixels.astype(int) - two.images[0].pixels).max() <= 1


@pytest.mark.parametrize("size", [(20, 10), (5, 3), (1, 1)])  # the last two: smaller than a patch
def test_a_smaller_picture_comes_back_at_its_own_size(model, size):
    asked = Conversation((Message("user", (picture(1, size=size), "Remove the noise.")),))
    assert model.ask(asked, answer_with="restore", max_new_tokens=2).images[0].size == size[::-1]


def test_tasks_are_found_in_words():
    form = FeatureFormat("restore", "restore", "draw", RECIPE["links"]["restore"]["tasks"], ["repeat"], prompt=2)

    def meant(words):
        return list(dict.fromkeys(piece.name.strip("<>").partition(":")[0] for piece in form.asked(words)))

    assert meant("Take out the GRAIN") == ["noise"] and meant("Mirror it and reduce the noise") == ["flip", "noise"]
    assert meant("Leave it as it is") == ["repeat"] and meant("Give it back without noise") == ["noise"]
    refused(lambda: form.asked("Colourise it"), "noise", "Colourise it")
    assert FeatureFormat("restore", "restore", "draw").asked("anything") is None


def test_a_task_without_tokens_is_refused(model):
    refused(lambda: model.ask(question(0, "Make it brighter.")), "flip, noise, repeat", "Make it brighter")


def test_recipes_that_can_not_be(model):
    refused(lambda: FeatureFormat("x", "boxes", None), "restore or edit")
    refused(lambda: FeatureFormat("x", "restore", None, {"a": "a"}, ["b"]), "last")
    refused(lambda: FeatureFormat("x", "restore", None, {"a": "a"}, prompt=0), "at least 1")
    other = {**RECIPE, "eye": tiny.RECIPE["eye"], "canvas": tiny.RECIPE.get("canvas", {}), "projector": tiny.RECIPE["projector"]}
    refused(lambda: tiny.model(**other), "links.restore", "inverted", "tokens")


@pytest.fixture(scope="module")
def lm4lv():
    return formats_of(read_recipe("lm4lv").to_dict())["restore"]


def tasks_of(form, words):
    tokens = [piece.name for piece in form.asked(words)]
    return [name[1:-3] for name in tokens if name.endswith(":0>")]


@pytest.mark.parametrize("repair", REPAIRS)
def test_every_way_to_ask_chooses_the_tokens_of_its_task(lm4lv, repair):
    rng = np.random.default_rng(0)
    for held_out in (False, True):
        for _ in range(300):
            words = ask("restore_image", rng, held_out, change=wording((repair,), rng, held_out, degrees=[30]))
            if repair == "turn by":  # any number of degrees: there are no tokens for that
                refused(lambda words=words: lm4lv.asked(words), "has tokens for the tasks")
            else:
                assert tasks_of(lm4lv, words) == ["repeat" if repair == "leave" else repair], words


def test_every_way_to_ask_for_two_things_chooses_the_tokens_of_both(lm4lv):
    rng = np.random.default_rng(1)
    turns = {"turn left", "turn right", "turn over"}
    repairs = [repair for repair in REPAIRS if repair not in ("turn by", "leave", "restore")]
    pairs = [(one, two) for one in repairs for two in repairs if one != two and not {one, two} <= turns]
    for number in range(20 * len(pairs)):
        pair, held_out = pairs[number % len(pairs)], bool(rng.integers(2))
        words = ask("restore_image", rng, held_out, change=wording(pair, rng, held_out))
        assert sorted(tasks_of(lm4lv, words)) == sorted(pair), words


@pytest.mark.parametrize("words", [
    "Change the sky to green.", "Turn it by 30 degrees to the left.", "Turn it by 30 degrees to the left and remove the noise.",
    "Remove the noise, then turn it 45 degrees to the left.", "Segment the hidden cat.", "Make a good caption.",
    "What is in the picture?", "Put a hat on the dog.",
])  # fmt: skip
def test_what_is_no_task_is_refused(lm4lv, words):
    refused(lambda: lm4lv.asked(words), "has tokens for the tasks", words[:20])


def test_two_tasks_are_done_in_the_order_of_the_words(lm4lv):
    assert tasks_of(lm4lv, "Rotate it 90 degrees to the left and then remove the noise.") == ["turn left", "noise"]


def test_a_picture_that_was_begun_and_not_finished_is_a_note(model):
    written = Written(ids=[model.processor.token_ids["<Img>"]], chances=[1.0], places=[5])
    prompt = model.processor.encode(question(), answer=False)
    _, groups, notes = model.processor.decode(written, question(), prompt.canvases)
    assert not groups and "not finished" in notes[0]


def test_an_answered_picture_is_not_shown_twice(model):
    again = Conversation((*talk().messages, Message("user", "Mirror it.")))
    assert len(model.processor.encode(again, answer=False).pictures) == 2


def test_only_what_is_to_be_trained_moves(model):
    """LM4LV: the eye, the language model and the way back stay; the two adapters and the tokens move, and nothing else."""
    import copy

    learner = copy.deepcopy(model).train()
    globs = read_recipe("lm4lv").to_dict()["stages"][-1]["train"]
    assert globs == ["projector.*", "links.*"]
    choose_trained(learner, globs, "adapt")
    optimiser = torch.optim.Adam([p for p in learner.parameters() if p.requires_grad], 1e-2)
    batch = collate([learner.processor.encode(talk(seed, words)) for seed, words in enumerate(["Denoise.", "Flip it.", "Leave it."])])
    before = {name: tensor.clone() for name, tensor in learner.state_dict().items()}
    learner(batch)["loss"].backward()
    optimiser.step()
    moved = {name for name, tensor in learner.state_dict().items() if not torch.equal(tensor, before[name])}
    links = {f"links.restore.{name}" for name in ("token_rows", "head_rows", "out.weight", "out.bias")}
    assert moved == links | {"projector.layers.weight", "projector.layers.bias"}


@pytest.mark.parametrize("eye", ["mae", "vqgan", "beit"])
def test_what_is_trained_at_nanos_size(eye):
    """The same, and where each token of a picture lies."""
    plan = read_recipe("lm4lv", [f"eye.type={eye}", "scale=nano"])
    learner, stage = build(plan.to_dict(), 0), plan.stages[-1]
    choose_trained(learner, stage.train, stage.name)
    links = {f"links.restore.{name}" for name in ("token_rows", "head_rows", "out.weight", "out.bias")}
    projector = {f"projector.{name}" for name in ("layers.weight", "layers.bias", "place_PD")}
    assert stage.name == "adapt" and {name for name, p in learner.named_parameters() if p.requires_grad} == links | projector
