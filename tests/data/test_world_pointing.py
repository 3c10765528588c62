"""Questions about what is pointed at: the region marks what the answer speaks of."""

from collections import Counter

import numpy as np
import pytest

from superlens.data.world import World
from superlens.data.world.kinds import Kind
from superlens.data.world.pointing import like_boxes_turn, point_at, region_masks_turn, region_text_turn
from superlens.data.world.scene import ALL_PAIRS, draw_scene
from superlens.data.world.turns import POINTED, Setting
from superlens.message import REGION_KINDS, Conversation, Region, Text

SETTING = Setting(held_out=False, pairs=ALL_PAIRS)
SCENES = 150


@pytest.fixture(scope="module")
def scenes():
    return [draw_scene(np.random.default_rng([61, seed]), 128) for seed in range(SCENES)]


def _turns(make, scenes):
    for seed, scene in enumerate(scenes):
        turn = make(scene, np.random.default_rng([67, seed]), SETTING)
        if turn is not None:
            assert turn.question.count(POINTED) == len(turn.regions) >= 1
            yield scene, turn


def _owner(scene, region):
    """The thing that most of a region lies on."""
    if region.kind == "mask":
        owners = scene.owner_HW[region.mask]
    elif region.kind in ("point", "scribble"):
        columns, rows = np.floor(region.points).astype(int).T
        owners = scene.owner_HW[rows, columns]
    else:
        overlap = [_iou(region.xyxy, thing.box) for thing in scene.things]
        return int(np.argmax(overlap))
    return Counter(owners.tolist()).most_common(1)[0][0]


def _iou(one, two):
    low, high = np.maximum(one[:2], two[:2]), np.minimum(one[2:], two[2:])
    common = np.prod(np.clip(high - low, 0, None))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, two)]
    return common / (sum(areas) - common)


def test_points_and_lines_lie_inside_and_boxes_around(scenes):
    rng = np.random.default_rng(0)
    for scene in scenes[:60]:
        for index, thing in enumerate(scene.things):
            mask = scene.mask(index)
            for kind in REGION_KINDS:
                region = point_at(mask, rng, kind)
                assert region.kind == kind and region.positive
                if kind in ("point", "scribble"):
                    columns, rows = np.floor(region.points).astype(int).T
                    assert mask[rows, columns].all()
                elif kind == "box":
                    assert _iou(region.xyxy, thing.box) > 0.4
                assert (region.xyxy >= -40).all()


def test_what_is_it(scenes):
    kinds, right = Counter(), 0
    turns = list(_turns(region_text_turn, scenes))
    for scene, turn in turns:
        (region,) = turn.regions
        kinds[region.kind] += 1
        thing = scene.things[_owner(scene, region)]
        words = turn.answer.text.rstrip(".").lower().split()
        right += words[-2:] == thing.kind.split() and words[:-2] == ([] if thing.size == "medium" else [thing.size])
    # A loose circle around a small thing that lies on a large one may fit the other one's box better.
    assert set(kinds) == set(REGION_KINDS) and right >= 0.97 * len(turns) and len(turns) > 120


def test_masks_are_those_of_what_is_marked_less_what_is_taken_back(scenes):
    forms = Counter()
    for scene, turn in _turns(region_masks_turn, scenes):
        wanted = np.concatenate([part.masks for part in turn.answer.masks])
        owners = [int(scene.owner_HW[mask].min()) for mask in wanted]
        assert all((scene.mask(owner) == mask).all() for owner, mask in zip(owners, wanted))
        signs = tuple(region.positive for region in turn.regions)
        forms[len(wanted), signs] += 1
        if signs == (True, False):
            assert _owner(scene, turn.regions[1]) not in owners
            assert len(owners) == 1
    assert set(forms) == {(1, (True,)), (2, (True,)), (1, (True, False))} and min(forms.values()) >= 8


def test_others_like_it(scenes):
    none = 0
    for scene, turn in _turns(like_boxes_turn, scenes):
        (part,) = turn.answer.boxes
        colour, shape = part.label.split()
        every = Kind(shape, colour).find(scene)
        assert part.count == len(every) - 1
        shown = {tuple(map(float, box)) for box in part.xyxy}
        assert shown < {scene.things[index].box for index in every} | {()} or not shown
        none += part.count == 0
    assert 5 < none < 0.7 * SCENES


def test_conversations_carry_their_regions_and_evaluate_in_held_out_words():
    world = World(tasks={"region_text": 1, "region_masks": 1, "like_boxes": 1}, turns=(2, 3))
    for index in range(20):
        talk = world.conversation(index, np.random.default_rng(index))
        assert isinstance(talk, Conversation)
        for message in talk.messages[::2]:
            assert message.regions
            assert POINTED not in "".join(part.text for part in message.content if isinstance(part, Text))
        assert Conversation.from_json(talk.to_json()) == talk
    region = World().conversation(0, np.random.default_rng(0)).messages[0].regions
    assert not region


def test_negative_points_are_negative():
    mask = np.zeros((20, 20), bool)
    mask[4:9, 4:9] = True
    region = point_at(mask, np.random.default_rng(0), "point", positive=False)
    assert isinstance(region, Region) and not region.positive
