"""The keypoint detector: overfits what it is shown, in original pixels; ignores what it should; open names."""

import numpy as np
import pytest
import torch
from scenes import CHANNELS, overfit, requests, scene

from superlens.decoders.base import Requests
from superlens.decoders.keypoint_detector import KeypointDetector, as_boxes, cut, into_square, onto_canvas
from superlens.message import Keypoints
from superlens.vision.canvas import CanvasRule

CANVAS = CanvasRule(longest=128).canvas(192, 256)  # half size: 96 x 128 canvas pixels
NAMES = ("nose", "left hand", "right hand")


def decoder(seed=0):
    torch.manual_seed(seed)
    return KeypointDetector(CHANNELS, channels=32, depth=1, width=16)


def asked(things, names=NAMES) -> Requests:
    """Each (label, picture) with the same points."""
    labels, pictures, parents = [], [], []
    for label, picture in things:
        parents += [-1] + [len(labels)] * len(names)
        pictures += [picture] * (1 + len(names))
        labels += [label, *names]
    flat = requests(labels, 16, pictures)
    return Requests(flat.vectors_KnC, flat.picture_K, flat.labels, flat.images, parents=parents)


def target(label, *people, names=NAMES, ignore=None):
    """Canvas pixels. people: rows of (x, y, v)."""
    return Keypoints(label, names, np.array(people, np.float32).reshape(len(people), len(names), 3), ignore=ignore)


TWO = target("person", [(20, 20, 2), (10, 50, 2), (32, 52, 1)], [(90, 40, 2), (80, 70, 0), (101, 71, 2)])


def found(model, seen, ask):
    return [part for part in model.eval().parts(model(seen, ask), seen, ask) if part is not None]


def test_it_overfits_two_people_and_answers_in_original_pixels():
    model, seen, ask = decoder(), scene(CANVAS), asked([("person", 0), ("dog", 0)])
    targets = [TWO, target("dog")]
    first, last = overfit(model, seen, ask, targets, 300)
    # A peak of deviation 1 has an entropy of its own, so `heat` ends near it and not at 0.
    assert last["point"] < 0.2 * first["point"] and last["heat"] < 0.7 * first["heat"] and last["seen"] < 0.5 * first["seen"]
    person, dog = found(model, seen, ask)
    assert (person.label, person.names, dog.label) == ("person", NAMES, "dog")
    best = person.select(person.scores > 0.5)
    assert best.count == 2 and (dog.scores < 0.3).all()
    order = np.argsort(best.xyv[:, 0, 0])
    wanted = TWO.xyv[..., :2] * 2
    away = np.linalg.norm(best.xyv[order][..., :2] - wanted, axis=-1)
    assert away[TWO.xyv[..., 2] > 0].max() < 8  # one fine cell, in original pixels
    assert best.xyv[order][0, :, 2].tolist() == [2, 2, 1]
    with torch.no_grad():
        model.things.single.chance.weight.zero_()
        model.things.single.chance.bias.fill_(5.0)
    assert (found(model, seen, ask)[0].scores > 0.5).sum() == 1, "a request for one thing is answered with one"


def test_pictures_do_not_mix():
    model, seen = decoder(), scene(CANVAS, pictures=2)
    both = asked([("person", 1), ("person", 0), ("person", 1)])
    together = found(model, seen, both)
    alone = found(model, seen, asked([("person", 0)]))[0]
    assert np.allclose(together[1].xyv, alone.xyv, atol=1e-3) and np.allclose(together[1].scores, alone.scores, atol=1e-5)
    assert not np.allclose(together[0].scores, alone.scores, atol=1e-3)


def test_requests_added_to_one_another_keep_their_parents():
    one, two = asked([("person", 0)]), asked([("dog", 0)], NAMES[:1])
    assert (one + two).parents == [-1, 0, 0, 0, -1, 4]
    parts = found(decoder(), scene(CANVAS), one + two)
    assert [(part.label, part.names) for part in parts] == [("person", NAMES), ("dog", NAMES[:1])]


def test_unlabelled_points_teach_no_place_and_ignored_things_nothing():
    model, seen, ask = decoder(), scene(CANVAS), asked([("person", 0)])
    ask.targets = [TWO]
    raw = model(seen, ask)

    def moved(part):
        other = part.xyv.copy()
        other[1, 1, :2] += 12  # the point that is not labelled
        return Keypoints(part.label, part.names, other, xyxy=as_boxes(part).xyxy, ignore=part.ignore)

    boxed = Keypoints("person", NAMES, TWO.xyv, xyxy=as_boxes(TWO).xyxy)
    for name, (total, _) in model.loss(raw, [boxed]).items():
        assert torch.equal(total, model.loss(raw, [moved(boxed)])[name][0]), name
    crowd = Keypoints("person", NAMES, TWO.xyv, xyxy=as_boxes(TWO).xyxy, ignore=[False, True])
    assert model.counts([crowd]) == {"class": 2, "giou": 1, "place": 1, "single": 1, "point": 1, "heat": 1, "seen": 1}
    assert model.eval().true_squares([crowd], raw.found).thing_P.tolist() == [0]


def test_squares_are_turned_and_moved_in_training_only():
    model, seen = decoder(), scene(CANVAS)
    ask = asked([("person", 0)])
    ask.targets = [TWO]
    still = model.eval()(seen, ask).squares
    assert torch.equal(still.affine_P23, model(seen, ask).squares.affine_P23)
    side, middle = still.affine_P23[0, 0, 0] * 2, still.affine_P23[0, :, 2]
    low, high = as_boxes(TWO).xyxy[0].reshape(2, 2)
    assert side == pytest.approx((high - low).max() * 1.25) and middle.tolist() == pytest.approx(((low + high) / 2).tolist())
    moved = model.train()(seen, ask).squares
    assert moved.thing_P.tolist() == [0, 0, 1, 1] and not torch.allclose(moved.affine_P23[::2], still.affine_P23)
    turn = moved.affine_P23[:, :, :2]
    assert torch.allclose((turn[:, 0] * turn[:, 1]).sum(1), torch.zeros(4), atol=1e-3)  # no shear


def test_what_is_cut_out_lies_where_it_is_said_to_lie():
    model = decoder()
    boxes = torch.tensor([[20.0, 30.0, 60.0, 50.0]])
    affine = model.affine(boxes, torch.tensor([[0.05, -0.1, 0.2, 0.5]]))
    spots = torch.tensor([[[35.0, 42.0], [50.0, 35.0]]])
    inside = into_square(spots, affine)
    assert torch.allclose(onto_canvas(inside, affine), spots, atol=1e-4)
    column = torch.arange(128.0).expand(96, 128) + 0.5
    pictures = torch.stack([column, column * 10])[:, None]
    found = cut(pictures, torch.tensor([1, 0]), affine.expand(2, 2, 3), (96, 128), 64)
    x, y = ((inside[0] + 1) * 32).long().T
    assert torch.allclose(found[1, 0, y, x], spots[0, :, 0], atol=1) and torch.allclose(found[0, 0, y, x], spots[0, :, 0] * 10, atol=10)


def test_mixed_precision_moves_nothing():
    model = decoder()
    boxes = torch.tensor([[280.0, 200.0, 321.4, 240.0]])
    affine = model.affine(boxes, torch.tensor([[0.03, -0.02, 0.1, 0.4]]))
    column = (torch.arange(384.0) + 0.5).expand(384, 384)[None, None]
    exact = cut(column, torch.tensor([0]), affine, (384, 384), 96)
    spots = torch.tensor([[[300.7, 221.3]]])
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(cut(column, torch.tensor([0]), affine, (384, 384), 96), exact, rtol=0, atol=0)
        torch.testing.assert_close(onto_canvas(into_square(spots, affine), affine), spots, rtol=0, atol=1e-4)


def test_a_batch_in_which_nothing_is_seen_teaches_without_harm():
    model, seen = decoder(), scene(CANVAS)
    ask = asked([("person", 0)])
    ask.targets = [target("person")]
    losses = model.loss(model(seen, ask), ask.targets)
    sum(total for total, _ in losses.values()).backward()
    assert losses["heat"][1] == 0 and float(losses["heat"][0].detach()) == 0


def test_a_point_of_nothing_is_asked_without_harm():
    model, seen = decoder(), scene(CANVAS)
    lonely = asked([("person", 0)], ())
    part = found(model, seen, lonely)[0]
    assert part.names == () and part.xyv.shape == (part.count, 0, 3)
    lonely.targets = [target("person", names=())]
    losses = model.loss(model(seen, lonely), lonely.targets)
    assert all(torch.isfinite(total) for total, _ in losses.values())


def test_the_dummy_reaches_every_parameter():
    model = decoder()
    model.dummy(scene(CANVAS)).backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


def test_boxes_come_from_points_where_none_are_given():
    boxes = as_boxes(target("person", [(10, 20, 2), (30, 60, 1), (0, 0, 0)], [(0, 0, 0)] * 3))
    assert boxes.xyxy[0].tolist() == pytest.approx([6, 16, 34, 64]) and boxes.ignore.tolist() == [False, True]


@pytest.mark.parametrize("sizes", [{"fine": 24}, {"widths": (12, 16, 16)}])
def test_channels_that_can_not_be_normalised_in_groups_are_refused(sizes):
    with pytest.raises(ValueError, match="fine must be a multiple of 16 and widths of 8"):
        KeypointDetector(16, **sizes)
