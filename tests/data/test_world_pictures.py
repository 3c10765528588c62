"""New and edited pictures of the drawn world: they hold what was asked for, and nothing else was changed."""

import re
from collections import Counter

import numpy as np
import pytest

from superlens.data.convert import write_jsonl
from superlens.data.grammar import pattern, spell
from superlens.data.sources.open import open_source
from superlens.data.templates import TRAINING, ask, slots_of
from superlens.data.wordings_pictures import CHANGES, PICTURE_TASKS
from superlens.data.world import World
from superlens.data.world.edits import FORMS, LEAST, MOST, edit_talk, grown
from superlens.data.world.kinds import Kind
from superlens.data.world.layers import Layers
from superlens.data.world.pictures import APART, COUNTS, Wanted, draw_picture, in_words, picture_talk
from superlens.data.world.scene import ALL_PAIRS, HELD_OUT_PAIRS, TRAIN_PAIRS, draw_scene, fill
from superlens.data.world.shapes import SHAPES
from superlens.data.world.turns import Setting
from superlens.evaluate.judge import look, shows
from superlens.message import Text

SETTING = Setting(held_out=False, pairs=ALL_PAIRS)
EDITS = 60


@pytest.fixture(scope="module")
def edits():
    return [edit_talk("edit_image", np.random.default_rng([29, seed]), 128, SETTING) for seed in range(EDITS)]


# ---- new pictures


def test_drawn_pictures_hold_the_things_asked_for_whole_and_apart():
    for seed in range(80):
        rng = np.random.default_rng([31, seed])
        options = sorted(ALL_PAIRS)
        things = [options[int(rng.integers(len(options)))] for _ in range(1 + seed % 4)]
        scene = draw_picture(rng, 128, things)
        assert [(thing.shape, thing.colour) for thing in scene.things] == things
        assert all(thing.size != "small" and thing.visible == 1 for thing in scene.things)
        assert scene.picture.dtype == np.uint8 and scene.picture.shape == (128, 128, 3)
        for index in range(len(things)):
            near = np.unique(scene.owner_HW[grown(scene.mask(index), APART)])
            assert set(near.tolist()) <= {-1, index}


def test_the_second_of_two_kinds_is_drawn_last():
    """The draft of a picture has the first kind and not yet the second; a picture of one kind has none."""
    for seed in range(10):
        answers = {}
        for task in ("relation_image", "bind_image", "count_image", "colour_image"):
            turn = picture_talk(task, np.random.default_rng([41, seed]), 128, SETTING)[1]
            answers[task] = turn.facts, turn.answer.images[0]
        for task in ("relation_image", "bind_image"):
            wanted, picture = answers[task]
            (draft,) = picture.drafts
            assert shows(picture.pixels, Wanted(wanted.kinds)) and shows(draft.pixels, Wanted(wanted.kinds[:1]))
            assert not look(draft.pixels).of(wanted.kinds[1])
            assert 0 < (draft.pixels != picture.pixels).any(-1).mean() < 0.2
        assert answers["count_image"][1].drafts == answers["colour_image"][1].drafts == ()


def test_the_background_is_calm_and_the_things_are_not_textured():
    for seed in range(40):
        scene = draw_picture(np.random.default_rng([37, seed]), 128, [("square", "red")])
        ground = ~grown(scene.mask(0), 2)
        steps = np.abs(np.diff(scene.picture.astype(int), axis=1)).max(-1)
        assert steps[ground[:, 1:] & ground[:, :-1]].max() <= 3, "the background varies softly"
        inside = ~grown(~scene.mask(0), 2)
        assert steps[inside[:, 1:] & inside[:, :-1]].max() <= 6
        assert scene.picture[ground].astype(int).std() > 1


def _facts(words):
    """What a training question asks for, read back from its words: (kinds, count, relation)."""
    said = words.lower()
    relation = next((name for name in ("left of", "right of", "above", "below") if re.search(rf"\b{name}\b", said)), None)
    relation = relation or next((f"{side} of" for side in ("left", "right") if f"on the {side} of" in said), None)
    names = re.findall(rf"\b(?:(\w+) )?({'|'.join(SHAPES)})(?:e?s)?\b", said)
    count = next((number for number, word in COUNTS.items() if re.search(rf"\b{word} (?:{'|'.join(SHAPES)})", said)), None)
    colours = {"red", "orange", "yellow", "green", "blue", "purple", "white", "black"}
    return tuple(Kind(shape, before if before in colours else None) for before, shape in names), count, relation


@pytest.mark.parametrize("task", PICTURE_TASKS)
def test_words_facts_and_picture_agree(task):
    seen = Counter()
    for seed in range(40):
        question, turn = picture_talk(task, np.random.default_rng([41, seed]), 128, SETTING)
        (message,) = question.messages
        assert [type(part) for part in message.content] == [Text] and not question.images
        (picture,) = turn.answer.content
        assert picture.size == (128, 128) and picture.of is None
        wanted = turn.facts
        assert _facts(message.text) == (wanted.kinds, wanted.count, wanted.relation), message.text
        seen[wanted.relation, wanted.count] += 1
        shapes, colours = [kind.shape for kind in wanted.kinds], [kind.colour for kind in wanted.kinds]
        assert len(set(shapes)) == len(shapes) == (2 if task in ("two_image", "relation_image", "bind_image") else 1)
        assert all(colours) if task in ("colour_image", "relation_image", "bind_image") else not any(colours)
        assert task != "bind_image" or colours[0] != colours[1]
    assert len(seen) == {"count_image": 3, "relation_image": 4}.get(task, 1), seen


def test_in_words():
    rng = np.random.default_rng(0)
    star, moon = Kind("star", "orange"), Kind("moon")
    assert in_words(Wanted((Kind("cross"),), count=3), rng) == "three crosses"
    assert in_words(Wanted((star, moon)), rng) == "an orange star and a moon"
    assert in_words(Wanted((star, moon), relation="left of"), rng) == "an orange star left of a moon"
    said = {in_words(Wanted((star, moon), relation="left of"), rng, vary=True) for _ in range(30)}
    assert said == {f"an orange star {words} a moon" for words in ("left of", "to the left of", "on the left of")}


def test_held_out_pairs_are_not_drawn_for_training():
    drawn = {False: set(), True: set()}
    for seed in range(60):
        for pairs in (TRAIN_PAIRS, ALL_PAIRS):
            talk = picture_talk("bind_image", np.random.default_rng([43, seed]), 128, Setting(False, pairs))[1]
            drawn[pairs is ALL_PAIRS] |= {(kind.shape, kind.colour) for kind in talk.facts.kinds}
    changed = set()
    for seed in range(40):
        facts = edit_talk("edit_image", np.random.default_rng([47, seed]), 128, Setting(False, TRAIN_PAIRS))[1].facts
        changed |= {(kind.shape, kind.colour) for kind in (*facts.was, *facts.now) if kind is not None}
    assert not HELD_OUT_PAIRS & (drawn[False] | changed) and HELD_OUT_PAIRS & drawn[True]


# ---- edits


def test_layers_draw_what_a_plain_canvas_draws_and_draw_it_again():
    for seed in range(12):
        scene = draw_scene(np.random.default_rng([53, seed]))
        canvas = fill(Layers(np.random.default_rng([53, seed]), 128), ALL_PAIRS)
        kept = canvas.scene()
        assert np.array_equal(scene.picture, kept.picture) and scene.things == kept.things
        again = canvas.with_layers(canvas.layers)
        if again is not None:  # none, where the scene is crowded
            assert np.array_equal(scene.picture, again.picture) and scene.things == again.things
            assert np.array_equal(scene.owner_HW, again.owner_HW) and scene.covers == again.covers


def test_nothing_changes_but_where_it_may(edits):
    for question, turn in edits:
        (source,), (picture,) = question.images, turn.answer.content
        change = turn.facts
        differs_HW = (source.pixels != picture.pixels).any(-1)
        assert picture.of == 0 == change.of and differs_HW.any()
        assert not differs_HW[~change.allowed_HW].any()
        assert change.allowed_HW[grown(differs_HW, 3)].all() and change.allowed_HW.mean() < 0.9
        for was, now, place_HW in zip(change.was, change.now, change.places_NHW, strict=True):
            assert place_HW.sum() >= LEAST and differs_HW[place_HW].mean() > (0.2 if now and now.shape != was.shape else 0.9)


def test_the_change_is_the_one_that_was_asked_for(edits):
    forms = Counter()
    for question, turn in edits:
        change, words = turn.facts, question.messages[0].text.lower()
        forms[change.form] += 1
        for was, now in zip(change.was, change.now, strict=True):
            if change.form == "remove":
                assert now is None
            elif change.form == "reshape":
                assert now.shape != was.shape and now.colour == was.colour and f"a {now.shape}" in words
            else:
                assert now.colour != was.colour and now.shape == was.shape and now.colour in words
        assert len(change.was) == 1 or change.form == "recolour_all"
        assert turn.about and all(phrase.lower() in words for phrase, _, _ in turn.about)
    assert set(forms) == set(FORMS) and min(forms.values()) >= 4, forms


def test_the_thing_that_was_named_is_changed():
    for seed in range(40):
        rng = np.random.default_rng([59, seed])
        question, turn = edit_talk("edit_image", rng, 128, SETTING)
        if turn.facts.form == "recolour_all":
            continue
        (named,) = [part for _, part, within in turn.about if within == ""]
        x1, y1, x2, y2 = named.xyxy[0].astype(int)
        place_HW = np.zeros((128, 128), bool)
        place_HW[y1:y2, x1:x2] = True
        assert (turn.facts.places_NHW[0] & place_HW).sum() > 0.6 * turn.facts.places_NHW[0].sum()
        assert question.messages[0].content[1].mentions, "training says what the words name"
    held_out, _ = edit_talk("edit_image", np.random.default_rng(1), 128, Setting(True, ALL_PAIRS))
    assert not held_out.messages[0].content[1].mentions
    assert len(fill(Layers(np.random.default_rng(3), 128), ALL_PAIRS, MOST).words) <= MOST


def test_grown():
    mask = np.zeros((7, 9), bool)
    mask[3, 0] = True
    assert np.argwhere(grown(mask, 2)).tolist() == [[y, x] for y in range(1, 6) for x in range(3)]


# ---- wordings


def _changes(held_out, rng, count):
    slots = {"thing": "the star left of the moon", "things": "red circles", "colour": "blue", "shape": "a heart"}
    for form, texts in CHANGES.items():
        for line in texts[held_out].strip().split("\n"):
            for _ in range(count):
                yield form, spell(line, rng).format(**slots)


def test_no_held_out_change_is_worded_as_in_training():
    rng = np.random.default_rng(0)
    trained = {words.lower() for _, words in _changes(False, rng, 60)}
    assert not trained & {words.lower() for _, words in _changes(True, rng, 5)}
    assert len(trained) > 35


def test_a_change_is_no_question_of_another_task():
    # "Cut out the star" asks for its mask.
    filled = "(?:the star left of the moon|red circles)"
    others = [re.compile(pattern(wording, dict.fromkeys(slots_of(task), filled)), re.IGNORECASE)
              for task in ("boxes", "masks", "refer_boxes", "refer_masks", "follow_masks", "follow_same") for wording in TRAINING[task]
              if not wording.startswith("{")]
    for held_out in (False, True):
        for form, words in _changes(held_out, np.random.default_rng(1), 12):
            assert not any(other.fullmatch(words + ".") for other in others), (form, words)


@pytest.mark.parametrize("task", [PICTURE_TASKS[0], "edit_image"])
def test_there_are_many_wordings(task):
    assert len(TRAINING[task]) >= 20
    slot = {slots_of(task)[0]: "x"}
    rng = np.random.default_rng(0)
    assert len({ask(task, rng, **slot) for _ in range(1000)}) > 500


# ---- the source


def test_world_asks_for_pictures_only_where_told():
    assert not {*PICTURE_TASKS, "edit_image"} & set(World().tasks)
    world = World(tasks={"count_image": 1, "edit_image": 1, "boxes": 1}, turns=(1, 3))
    kinds = Counter()
    for index in range(30):
        talk = world.conversation(index, np.random.default_rng(index))
        pictures = [len(message.images) for message in talk.messages]
        kinds[tuple(pictures[:2])] += 1
        assert pictures[0] + pictures[1] and not sum(pictures[2:]) and (len(pictures) == 2 or pictures[1] == 0)
    assert set(kinds) == {(0, 1), (1, 1), (1, 0)}, kinds


def test_examples():
    examples = World().examples("image", seed=3, limit=12)
    assert [example.task for example in examples] == [*PICTURE_TASKS, *PICTURE_TASKS]
    assert all(isinstance(example.facts, Wanted) for example in examples)
    assert [example.answer for example in examples] == [example.answer for example in World().examples("image", seed=3, limit=12)]
    (edit,) = World(size=96).examples("image", limit=1, task="edit_image")
    assert edit.facts.allowed_HW.shape == (96, 96) and edit.answer.images[0].of == 0
    with pytest.raises(ValueError, match="edit_image"):
        World().examples("image", task="boxes")
    assert World().examples("boxes", limit=1)[0].facts is None


def test_edits_can_be_written_to_a_file_and_read_again(tmp_path):
    world = World(tasks={"edit_image": 1, "one_image": 1})
    talks = [world.conversation(index, np.random.default_rng(index)) for index in range(6)]
    write_jsonl(iter(talks), tmp_path / "drawn.jsonl")
    source = open_source(tmp_path / "drawn.jsonl")
    for index, talk in enumerate(talks):
        again = source.conversation(index, np.random.default_rng(0))
        assert [image.of for image in again.images] == [image.of for image in talk.images]
        assert all(np.array_equal(one.pixels, two.pixels) for one, two in zip(again.images, talk.images, strict=True))
    assert len(source.examples("image")) == 6
    with pytest.raises(ValueError, match=r"No answer in .* has text"):
        source.examples("text")
