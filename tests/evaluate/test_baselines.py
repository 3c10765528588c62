"""What results are held against."""

import numpy as np
import pytest

from superlens.data.world import World
from superlens.evaluate.baselines import Blind, ColourThreshold, MeanBox, PriorText, form_of
from superlens.evaluate.runner import evaluate
from superlens.message import Boxes, Conversation, Image, Masks, Message, Text

GREY = (120, 125, 122)


def scene():
    pixels = np.full((60, 80, 3), GREY, np.uint8)
    pixels[10:20, 5:25] = (230, 20, 20)
    pixels[40:50, 50:60] = (220, 10, 15)
    pixels[30:36, 5:11] = (30, 90, 220)
    pixels[1, 1] = (230, 20, 20)
    return Image(pixels)


def test_colour_threshold_finds_blobs():
    answer = ColourThreshold().ask("Find red circles, Blue things and green stars.", image=scene())
    assert [part.label for part in answer.boxes] == ["red circles", "Blue things", "green stars"]
    red, blue, green = answer.boxes
    assert red.xyxy.tolist() == [[5, 10, 25, 20], [50, 40, 60, 50]]
    assert red.scores[0] > red.scores[1] > 0.3
    assert blue.xyxy.tolist() == [[5, 30, 11, 36]] and green.count == 0
    assert answer.text == "red circles, Blue things and green stars."
    assert answer.draw() is not None


def test_colour_threshold_without_a_colour_or_a_name():
    model = ColourThreshold()
    assert sorted(model.ask("Find objects.", image=scene()).boxes[0].xyxy[:, 0].tolist()) == [5, 5, 50]
    assert model.ask("Find telescopes.", image=scene()).boxes == ()
    assert model.ask("Find red stars.").boxes == ()


def test_colour_threshold_on_the_world():
    result = evaluate(ColourThreshold(), World(), "boxes", limit=40, task="boxes")
    assert 0.35 < result["AP50"] < 0.9
    blind = evaluate(Blind(ColourThreshold()), World(), "boxes", limit=10, task="boxes")
    assert blind["AP50"] == 0


def test_the_mean_box_is_in_shares_of_the_picture():
    dogs = Boxes("a dog", [[80, 0, 160, 50], [0, 0, 9, 9]], ignore=[False, True])
    seen = [((100, 200), Boxes("red cars", [[0, 0, 20, 100]])), ((200, 100), dogs)]
    answer = MeanBox(seen).ask("Find the red cars and a dog.", image=scene())
    assert [part.label for part in answer.boxes] == ["red cars", "a dog"]
    assert all(np.allclose(part.xyxy, [[0.2 * 80, 0, 0.5 * 80, 0.5 * 60]]) for part in answer.boxes)
    assert MeanBox(seen).ask("Find a thing.", image=scene()).boxes[0].label == "Find a thing."
    mask = np.zeros((1, 10, 20), bool)
    mask[0, :5, 10:] = True
    (part,) = MeanBox([((20, 10), Masks("a dog", mask))], "masks").ask("Segment a dog.", image=scene()).masks
    assert part.masks[0].sum() == 30 * 40 and part.masks[0, :30, 40:].all()
    assert MeanBox(seen).ask("Find a dog.").text == "Nothing."
    with pytest.raises(ValueError, match="no masks; expected at least one"):
        MeanBox([((9, 9), Masks("a", np.zeros((0, 9, 9), bool)))], "masks")


def test_the_mean_box_never_looks_and_finds_little():
    for part, metric, figure in (("boxes", "ap", "AP50"), ("masks", "miou", "mIoU")):
        prior = MeanBox.fit(World(tasks={part: 1}), part, count=30)
        result = evaluate(prior, World(), part, metric, limit=20, task=part)
        assert 0 <= result[figure] < 0.15, part


def test_blind_shows_grey():
    class Looking:
        def ask(self, question, **options):
            self.seen, self.options = question, options
            return "answer"

    model = Looking()
    picture = Image(np.random.default_rng(0).integers(0, 255, (6, 9, 3), dtype=np.uint8))
    conversation = Conversation((Message("user", (picture, Text("What?"))), Message("assistant", (Text("A cat."),)),
                                 Message("user", (Text("And?"), picture))))
    assert Blind(model).ask([conversation], min_score=0.01) == "answer"
    assert model.options == {"min_score": 0.01}
    (seen,) = model.seen
    assert [image.size for image in seen.images] == [(9, 6), (9, 6)]
    assert all((image.pixels == 128).all() for image in seen.images)
    assert [message.text for message in seen.messages] == ["What?", "A cat.", "And?"]
    Blind(model).ask("What?", image=picture)
    assert (model.seen.images[0].pixels == 128).all() and model.seen.messages[0].text == "What?"
    broken = Conversation((Message("user", (Image("/nowhere/cat.png"), Text("What?"))),))
    Blind(model).ask([broken])
    assert model.seen == [broken]


def test_forms_of_questions():
    assert form_of("How many red stars are there?") == "count"
    assert form_of("how many red stars are there") == "count"
    assert form_of("Whence came the Visigoths?") == "whence came"


def test_every_held_out_wording_has_its_form():
    world = World(size=96)
    # A wording may name its slot in one of two alternatives.
    assert form_of("I want to know the colour of the star.") == form_of("I need to know what colour the star is") == "colour"
    for task in ("count", "colour", "exists", "relation"):
        items = world.examples("text", limit=8, task=task)
        assert [form_of(item.question.messages[-1].text) for item in items] == [task] * 8


def test_prior_text():
    pairs = [("How many stars are there?", "2."), ("How many moons are there?", "2."),
             ("How many hearts are there?", "5."), ("Whence come you?", "From afar.")]
    model = PriorText(pairs)
    asked = [Conversation((Message("user", (Text(words),)),)) for words in
             ("How many rings are there?", "Whence come they?", "Why?")]
    answers = model.ask(asked, batch_size=2, min_score=0.01, errors="return")
    assert [answer.text for answer in answers] == ["2.", "From afar.", "2."]
    assert model.ask("How many?").text == "2."
    with pytest.raises(ValueError, match="at least one"):
        PriorText([])


def test_prior_text_learns_from_a_source():
    model = PriorText.fit(World(size=96, tasks={"count": 1, "exists": 1, "boxes": 0.2}), count=60)
    assert {"count", "exists"} == set(model.answers)
    assert model.answers["exists"] in ("Yes.", "No.")
    result = evaluate(model, World(size=96), "text", limit=24)
    assert 0.05 < result["accuracy"] < 0.7
    assert evaluate(model, World(size=96), "text", "routing", limit=8) == {"routing": 1}
