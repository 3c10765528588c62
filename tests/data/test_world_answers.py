"""Answers of the drawn world against an oracle that reads the question's words and looks at the scene's things."""

import re
from collections import Counter

import numpy as np
import pytest

from superlens.data.grammar import pattern
from superlens.data.templates import HELD_OUT, listing
from superlens.data.world import questions
from superlens.data.world.expressions import expressions, refer_turn
from superlens.data.world.reasoning import riddle
from superlens.data.world.scene import ALL_PAIRS, SIZES, draw_scene
from superlens.data.world.shapes import SHAPES
from superlens.data.world.textures import COLOURS
from superlens.data.world.turns import Setting, echo_marked_turn, echo_turn, list_turn

SETTING = Setting(held_out=False, pairs=ALL_PAIRS)
SCENES = 250


@pytest.fixture(scope="module")
def scenes():
    return [draw_scene(np.random.default_rng([23, seed]), 128) for seed in range(SCENES)]


def _rng(*keys):
    return np.random.default_rng([29, *keys])


def _singular(word):
    for name in (*SHAPES, "thing", "object"):
        if word in (name, name + "s", name + "es"):
            return name
    return word


def _fits(thing, name):
    """Whether a thing is what a plain name says; None when the name is not of this world."""
    words = [_singular(word) for word in name.split()]
    if any(word not in (*SHAPES, *COLOURS, *SIZES, "thing", "object") for word in words):
        return None
    return all(word in ("thing", "object") or word in (thing.shape, thing.colour, thing.size) for word in words)


def _which(scene, name):
    return [index for index, thing in enumerate(scene.things) if _fits(thing, name)]


_SUPERLATIVES = {
    "leftmost": lambda thing: thing.box[0], "rightmost": lambda thing: -thing.box[2],
    "highest": lambda thing: thing.box[1], "lowest": lambda thing: -thing.box[3],
    "furthest to the left": lambda thing: thing.box[0], "furthest to the right": lambda thing: -thing.box[2],
    "nearest to the top": lambda thing: thing.box[1], "nearest to the bottom": lambda thing: -thing.box[3],
    "biggest": lambda thing: -thing.area, "largest": lambda thing: -thing.area, "smallest": lambda thing: thing.area,
}
_BESIDE = {
    "left of": lambda one, two: one.centre[0] < two.centre[0],
    "right of": lambda one, two: one.centre[0] > two.centre[0],
    "above": lambda one, two: one.centre[1] < two.centre[1],
    "below": lambda one, two: one.centre[1] > two.centre[1],
    "bigger than": lambda one, two: one.area > two.area, "smaller than": lambda one, two: one.area < two.area,
}


def _far(one, two):
    return np.hypot(one.centre[0] - two.centre[0], one.centre[1] - two.centre[1])


def _meant(scene, expression):
    """All things that an expression fits, read word by word."""
    words = expression.removeprefix("the ")
    things = scene.things
    match = re.fullmatch(r"(.+?) (left of|right of|above|below|nearest to) the (?!top$|bottom$)(.+)", words)
    if match:
        group, relation, anchor = match.groups()
        (base,) = _which(scene, anchor)
        among = [index for index in _which(scene, group) if index != base]
        if relation == "nearest to":
            return [min(among, key=lambda index: _far(things[index], things[base]))] if among else []
        return [index for index in among if _BESIDE[relation](things[index], things[base])]
    match = re.fullmatch(r"(first|second|third) (.+) from the (left|right)", words)
    if match:
        order = sorted(_which(scene, match[2]), key=lambda index: things[index].centre[0], reverse=match[3] == "right")
        return [order[("first", "second", "third").index(match[1])]]
    for superlative, key in _SUPERLATIVES.items():
        if words.startswith(superlative + " ") or words.endswith(" " + superlative):
            among = _which(scene, words.replace(superlative, "").strip())
            return [min(among, key=lambda index: key(things[index]))] if among else []
    return _which(scene, words)


def test_lists_hold_every_thing_asked_for_and_nothing_else(scenes):
    present = absent = ignored = 0
    for seed, scene in enumerate(scenes):
        for task in ("boxes", "masks"):
            turn = list_turn(task, scene, _rng(seed), SETTING)
            parts = turn.answer.boxes if task == "boxes" else turn.answer.masks
            asked = ", ".join(part.label for part in parts[:-1]) + (" and " if len(parts) > 1 else "") + parts[-1].label
            assert asked in turn.question
            assert turn.answer.text == asked + "."
            for part in parts:
                expected = _which(scene, part.label)
                if task == "boxes":
                    assert {tuple(box) for box in part.xyxy.tolist()} == {scene.things[index].box for index in expected}
                    assert len(part.xyxy) == len(expected)
                else:
                    assert part.masks.shape == (len(expected), 128, 128)
                    right = {scene.mask(index).tobytes() for index in expected}
                    assert {mask.tobytes() for mask in part.masks} == right
                flags = np.zeros(len(expected), bool) if part.ignore is None else part.ignore
                assert flags.sum() == sum(not scene.things[index].clear for index in expected)
                assert not expected or not flags.all(), "what is only faintly there is not asked for"
                present, absent, ignored = present + bool(expected), absent + (not expected), ignored + flags.sum()
    assert present > 500 and absent > 100 and ignored > 0


@pytest.mark.parametrize("name_colour", [True, False])
def test_expressions_fit_exactly_one_thing(scenes, name_colour):
    forms = Counter()
    for seed, scene in enumerate(scenes):
        found = expressions(scene, _rng(seed), name_colour) if scene.clear else None
        if found is None:
            continue
        words, index = found.words, found.index
        assert _meant(scene, words) == [index], (words, scene.things)
        for name, indices in found.names.items():
            assert name in words and (not name.startswith("the ") or _meant(scene, name) == list(indices)), (words, name)
        own = re.split(r" left of| right of| above| below| nearest to", words)[0]
        assert name_colour or not any(colour in own.split() for colour in COLOURS), words
        marks = ("nearest to the", "left of", "above", "from the", "est ", "most ", "to the")
        forms[next((mark for mark in marks if mark in words), "plain")] += 1
    assert sum(forms.values()) > 150 and len(forms) >= 6, forms


def test_referring_answers_with_the_one_box_under_the_asked_words(scenes):
    done = 0
    for seed, scene in enumerate(scenes):
        turn = refer_turn("refer_boxes", scene, _rng(seed), SETTING)
        if turn is not None:
            (part,) = turn.answer.boxes
            (index,) = _meant(scene, part.label)
            assert part.label in turn.question and part.xyxy.tolist() == [list(scene.things[index].box)]
            done += 1
    assert done > 150


def _riddle_oracle(scene, words):
    """Which thing a riddle means, for those kinds of riddle that can be told from one key; None for the others."""
    things = list(enumerate(scene.things))
    keys = {
        r"hole in the middle|finger": lambda thing: thing.shape != "ring",
        r"three corners|pizza": lambda thing: thing.shape != "triangle",
        r"Valentine|stands for love": lambda thing: thing.shape != "heart",
        r"colour of a banana|lemon": lambda thing: thing.colour != "yellow",
        r"colour of snow|milk": lambda thing: thing.colour != "white",
        r"roll off|roll away|slope": lambda thing: thing.shape not in ("circle", "ring"),
        r"greatest height|can roll is highest": lambda thing: (thing.shape not in ("circle", "ring"), thing.box[1]),
        r"longest way|hit the ground last": lambda thing: thing.box[1],
        r"wet first|touch the ground first": lambda thing: -thing.box[3],
        r"from the left": lambda thing: thing.box[0], r"from the right": lambda thing: -thing.box[2],
        r"most paint|most room": lambda thing: -thing.area, r"overlook|pocket": lambda thing: thing.area,
        r"hidden|covered the most|hiding": lambda thing: -thing.hidden,
        r"top left": lambda thing: np.hypot(*thing.centre),
        r"bottom right": lambda thing: np.hypot(128 - thing.centre[0], 128 - thing.centre[1]),
        r"neighbours|apart": lambda thing: -min(_far(thing, other) for _, other in things if other is not thing),
    }
    for form, key in keys.items():
        if re.search(form, words):
            ranked = sorted(things, key=lambda item: key(item[1]))
            assert key(ranked[0][1]) != key(ranked[1][1]), f"{words}: more than one answer"
            return ranked[0][0]
    if re.search("odd one|not fit|unlike", words):
        for name in ("shape", "colour"):
            counts = Counter(getattr(thing, name) for _, thing in things)
            if sorted(counts.values())[0] == 1 and len(counts) == 2:
                return next(index for index, thing in things if counts[getattr(thing, name)] == 1)
        raise AssertionError(f"{words}: nothing is odd here")
    return None


def test_riddles_mean_one_thing(scenes):
    checked, asked = Counter(), set()
    for seed, scene in enumerate(scenes):
        for again in range(6):
            found = riddle(scene, _rng(seed, again)) if scene.clear and len(scene.things) > 1 else None
            if found is not None:
                expected = _riddle_oracle(scene, found[0])
                assert expected in (None, found[1]), (found, scene.things)
                checked[expected is not None] += 1
                asked.add(found[0])
    assert checked[True] > 400
    for words in ("hidden", "odd one", "roll off", "greatest height", "lying on top", "corner", "apart", "love"):
        assert any(words in riddle_words for riddle_words in asked), f"never asked: {words}"


def test_things_on_top_are_in_front(scenes):
    for scene in scenes:
        for front, back in scene.covers:
            assert front > back and scene.things[back].hidden > 0
        for index, thing in enumerate(scene.things):
            assert (thing.hidden > 0) == any(back == index for _, back in scene.covers)


def _turns(maker, scenes):
    for seed, scene in enumerate(scenes):
        turn = maker(scene, _rng(seed), SETTING)
        if turn is not None:
            yield scene, turn.question.rstrip("?."), turn.answer.text


def test_counts(scenes):
    numbers = Counter()
    for scene, question, answer in _turns(questions.count, scenes):
        nouns = "|".join((*SHAPES, "thing", "object"))
        (name,) = re.findall(rf"((?:(?:{'|'.join((*SIZES, *COLOURS))}) )*(?:{nouns})e?s)\b", question)
        assert answer == f"{len(_which(scene, name))}.", question
        numbers[answer] += 1
    assert sum(numbers.values()) > 200 and max(numbers.values()) < 0.4 * sum(numbers.values())


def test_existence(scenes):
    answers = Counter()
    for scene, question, answer in _turns(questions.exists, scenes):
        nouns = "|".join((*SHAPES, "thing", "object"))
        match = re.search(rf"\ban? ((?:(?:{'|'.join(COLOURS)}) )?(?:{nouns}))\b", question)
        expected = bool(match) and bool(_which(scene, match[1]))
        assert answer == ("Yes." if expected else "No."), question
        answers[answer] += 1
    assert min(answers.values()) > 80


def test_colours(scenes):
    checked = 0
    for scene, question, answer in _turns(questions.colour, scenes):
        names = rf"the (?:{'|'.join(SHAPES)})"
        match = re.fullmatch(rf".*\b({names})(?: is| has| have| painted|\. What colour is it|: which color is it"
                             r"| and name its colour)?", question, re.I)
        if match and not re.search(r"of the \w+|nearest|above|below", question.replace("of " + match[1], "")):
            (index,) = _which(scene, match[1].removeprefix("the "))
            assert answer.lower() == scene.things[index].colour + "."
            checked += 1
    assert checked > 15


def test_relations(scenes):
    answers = Counter()
    for scene, question, answer in _turns(questions.relation, scenes):
        first, relation, second = re.search(rf"(?:is )?the ([a-z ]+?) (?:is )?({'|'.join(_BESIDE)}) the ([a-z ]+?)"
                                            r"(?: in (?:the|this) \w+| here| in view)?(?:$|[.:,!])", question, re.IGNORECASE).groups()
        (one,) = _which(scene, first.lower().rpartition("the ")[2])
        (two,) = _which(scene, second)
        expected = _BESIDE[relation](scene.things[one], scene.things[two])
        assert answer == ("Yes." if expected else "No."), question
        answers[answer] += 1
    assert min(answers.values()) > 50


def test_places(scenes):
    answers = Counter()
    for scene, question, answer in _turns(questions.place, scenes):
        kind = rf"the ((?:(?:{'|'.join(COLOURS)}) )?(?:{'|'.join(SHAPES)}))\b"
        (index,) = _which(scene, re.search(kind, question.lower())[1])
        x, y = np.array(scene.things[index].centre) / scene.picture.shape[0]
        words = answer.rstrip(".").split()[2:]
        assert ("left" in words) == (x < 1 / 3) and ("right" in words) == (x > 2 / 3), question
        assert ("top" in words) == (y < 1 / 3) and ("bottom" in words) == (y > 2 / 3), question
        assert (words == ["middle"]) == (1 / 3 < x < 2 / 3 and 1 / 3 < y < 2 / 3)
        answers[answer] += 1
    assert len(answers) == 9 and sum(answers.values()) > 100


def test_what_is_said_back(scenes):
    named = 0
    for seed, scene in enumerate(scenes[:80]):
        turn = echo_turn(scene, _rng(seed), Setting(held_out=seed % 2 == 0, pairs=ALL_PAIRS))
        (said,) = turn.answer.content
        assert said.text.removesuffix(".") in turn.question
        assert {said.text[one.start : one.end] for one in said.mentions} == {words for words, *_ in turn.about}
        named += len(said.mentions)
    assert named > 80


def test_what_is_said_back_with_a_mark(scenes):
    marks = set()
    for seed, scene in enumerate(scenes[:80]):
        plain = echo_turn(scene, _rng(seed), Setting(held_out=seed % 2 == 0, pairs=ALL_PAIRS))  # the same names
        turn = echo_marked_turn(scene, _rng(seed), Setting(held_out=seed % 2 == 0, pairs=ALL_PAIRS))
        (said,), (bare,) = turn.answer.content, plain.answer.content
        names = re.split(", | and ", bare.text.removesuffix("."))
        mark = said.text.removesuffix(".").rpartition(f"{names[-1]} ")[2]
        assert said.text == listing([f"{name} {mark}" for name in names]) + "."
        assert mark in turn.question and bare.text.removesuffix(".") in turn.question
        assert {said.text[one.start : one.end] for one in said.mentions} == {words for words, *_ in turn.about}
        marks.add(mark)
    assert len(marks) > 60


def test_sides(scenes):
    signs = {"It is left of it.": (0, -1), "It is right of it.": (0, 1), "It is above it.": (1, -1), "It is below it.": (1, 1)}
    answers = Counter()
    for seed, scene in enumerate(scenes):
        turn = questions.side(scene, _rng(seed), Setting(held_out=True, pairs=ALL_PAIRS))
        if turn is None:
            continue
        found = {}
        for wording in HELD_OUT["side"]:
            form = pattern(wording, {"first": "(?P<first>the [a-z ]+)", "second": "(?P<second>the [a-z ]+)"})
            if match := re.fullmatch(form, turn.question):
                found = match.groupdict()
        ((one,), (two,)) = (_which(scene, found[name].removeprefix("the ")) for name in ("first", "second"))
        axis, sign = signs[turn.answer.text]
        apart = np.subtract(scene.things[one].centre, scene.things[two].centre)
        assert apart[axis] * sign > 0 and abs(apart[axis]) > abs(apart[1 - axis]), turn.question
        answers[turn.answer.text] += 1
    assert min(answers.values()) > 20 and len(answers) == 4


def test_dense_lists(scenes):
    done = 0
    for scene, _, answer in _turns(questions.describe, scenes):
        names = re.split(", | and ", answer.rstrip(".").lower())
        order = sorted(scene.things, key=lambda thing: thing.box[0] + thing.box[2])
        assert len(names) == len(order)
        for name, thing in zip(names, order):
            words = name.split()
            assert words[-2:] == [thing.colour, thing.shape]
            assert words[:-2] == ([] if thing.size == "medium" else [thing.size])
        done += 1
    assert done > 100


def test_captions(scenes):
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
    numbers = {"a": 1, "an": 1, **{word: number for number, word in enumerate(words, start=1)}}
    done = 0
    for scene, _, answer in _turns(questions.caption, scenes):
        total = 0
        for item in re.split(", | and ", re.sub("There (is|are) ", "", answer.rstrip("."))):
            number, _, name = item.partition(" ")
            assert len(_which(scene, name)) == numbers[number], answer
            total += numbers[number]
        assert total == len(scene.things)
        done += 1
    assert done > 150
