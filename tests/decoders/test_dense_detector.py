"""The dense detector: who owns which cell, what is ignored, what survives, and one scene learned by heart."""

import numpy as np
import pytest
import scenes
import torch

from superlens.decoders.base import SingleSense
from superlens.decoders.dense_detector import DenseDetector, Detections, cell_centres, cells_inside, generalised_iou, suppress
from superlens.message import Boxes
from superlens.vision.canvas import Canvas, CanvasRule
from superlens.vision.projector import place_waves

SQUARE = Canvas((64, 64), (64, 64), (64, 64))


def detector(**options):
    torch.manual_seed(0)
    return DenseDetector(in_channels=scenes.CHANNELS, channels=16, depth=1, width=8, **options)


def blank(requests=1, picture_K=None, pictures=1) -> Detections:
    """An answer that says nothing, over a canvas of 64 x 64 pixels: 256 + 64 + 16 + 4 cells."""
    centres = [cell_centres(64 // s, 64 // s, s, "cpu") for s in (4, 8, 16, 32)]
    strides = [torch.full((len(c),), float(s)) for c, s in zip(centres, (4, 8, 16, 32))]
    cells = sum(map(len, centres))
    picture_K = torch.zeros(requests, dtype=torch.long) if picture_K is None else torch.tensor(picture_K)
    nothing = torch.zeros(requests, cells)
    said = nothing, nothing, torch.zeros(pictures, cells, 4), torch.zeros(requests)
    return Detections(*said, picture_K, torch.cat(centres), torch.cat(strides))


def assigned(targets, raw=None):
    """-> ([(request, box, sorted cell centres, stride, summed weight)], ignored_KL)"""
    raw = raw or blank(len(targets))
    request_P, cell_P, wanted_P4, weight_P, ignored_KL = detector().assign(raw, targets)
    found = {}
    for request, cell, box, weight in zip(request_P.tolist(), cell_P.tolist(), wanted_P4.tolist(), weight_P.tolist()):
        entry = found.setdefault((request, tuple(box)), ([], set(), []))
        entry[0].append(tuple(raw.centres_L2[cell].tolist()))
        entry[1].add(float(raw.strides_L[cell]))
        entry[2].append(weight)
    return found, ignored_KL


def test_cells_near_the_middle_own_a_thing():
    found, ignored_KL = assigned([Boxes("a", [[22, 22, 38, 38]])])  # its middle (30, 30) is that of a cell
    (cells, strides, weights) = found[0, (22, 22, 38, 38)]
    assert sorted(cells) == [(x, y) for x in (26.0, 30.0, 34.0) for y in (26.0, 30.0, 34.0)]
    assert strides == {4.0} and sum(weights) == pytest.approx(1)
    assert not ignored_KL.any()


@pytest.mark.parametrize("side, stride", [(5, 4), (24, 4), (25, 8), (48, 8), (49, 16), (64, 16)])
def test_size_decides_the_level(side, stride):
    found, _ = assigned([Boxes("a", [[0, 0, side, side]])])
    (entry,) = found.values()
    assert entry[1] == {stride}


def test_a_thing_too_small_for_any_cell_gets_the_nearest():
    found, _ = assigned([Boxes("a", [[12.1, 12.1, 12.9, 12.9]])])
    (entry,) = found.values()
    assert entry[0] == [(14.0, 14.0)]


def test_a_thing_larger_than_every_level_gets_the_coarsest():
    small = detector(levels=(0, 1))
    raw = blank()
    keep = raw.strides_L <= 8
    answers = raw.logits_KL[:, keep], raw.places_KL[:, keep], raw.boxes_BL4[:, keep]
    raw = Detections(*answers, raw.single_K, raw.picture_K, raw.centres_L2[keep], raw.strides_L[keep])
    _, cell_P, _, _, _ = small.assign(raw, [Boxes("a", [[0, 0, 64, 64]])])
    assert len(cell_P) and (raw.strides_L[cell_P] == 8).all()


def test_where_things_overlap_the_smaller_owns_the_cell():
    big, small = (20.0, 20.0, 40.0, 40.0), (20.0, 20.0, 28.0, 28.0)
    found, _ = assigned([Boxes("a", [big, small])])
    assert not set(found[0, big][0]) & set(found[0, small][0])
    assert (26.0, 26.0) in found[0, small][0] and len(found[0, big][0]) == 8
    assert all(sum(weights) == pytest.approx(1) for _, _, weights in found.values())


def test_two_phrases_for_one_thing_share_its_cells_and_two_pictures_do_not_compete():
    big, small = (20.0, 20.0, 40.0, 40.0), (22.0, 22.0, 38.0, 38.0)
    found, _ = assigned([Boxes("a", [big]), Boxes("the same", [big])])
    assert found[0, big][0] == found[1, big][0]
    apart, _ = assigned([Boxes("a", [big]), Boxes("b", [small])], blank(2, [0, 1], 2))
    together, _ = assigned([Boxes("a", [big]), Boxes("b", [small])], blank(2, [0, 0], 1))
    assert len(apart[0, big][0]) == 9 and (0, big) not in together


def test_ignored_regions_cost_nothing():
    target = Boxes("a", [[4, 4, 20, 20], [32, 32, 64, 64]], ignore=[False, True])
    found, ignored_KL = assigned([target])
    raw = blank()
    inside_L = cells_inside(raw.centres_L2, torch.tensor([[32.0, 32, 64, 64]]))[:, 0]
    assert list(found) == [(0, (4, 4, 20, 20))]
    assert torch.equal(ignored_KL[0], inside_L)
    quiet, loud = blank(), blank()
    loud.logits_KL[0, inside_L] = 9.0
    decoder = detector()
    assert decoder.counts([target]) == {"class": 2.0, "giou": 1.0, "place": 1.0, "single": 1.0}
    assert float(decoder.loss(quiet, [target])["class"][0]) == pytest.approx(float(decoder.loss(loud, [target])["class"][0]))
    only = Boxes("a", [[32, 32, 64, 64]], ignore=[True])
    assert assigned([only])[0] == {} and decoder.counts([only]) == {"class": 1.0, "giou": 0.0, "place": 0.0, "single": 0.0}


def test_nothing_there_is_a_target_too():
    decoder, raw = detector(), blank()
    losses = decoder.loss(raw, [Boxes("a", np.zeros((0, 4)))])
    assert losses["giou"] == (0.0, 0.0) and losses["class"][1] == 1.0 and float(losses["class"][0]) > 0


def test_overlap_measures():
    a = torch.tensor([[0.0, 0, 2, 2], [0, 0, 1, 1], [0, 0, 2, 2]])
    b = torch.tensor([[0.0, 0, 2, 2], [2, 2, 3, 3], [1, 0, 3, 2]])
    iou_P, giou_P = generalised_iou(a, b)
    assert iou_P.tolist() == pytest.approx([1, 0, 1 / 3], abs=1e-5)
    assert giou_P.tolist() == pytest.approx([1, 2 / 9 - 1, 1 / 3], abs=1e-5)


def test_suppression_keeps_the_best_of_overlapping_boxes():
    boxes_N4 = np.array([[0, 0, 10, 10], [50, 50, 60, 60], [1, 0, 11, 10], [0, 0, 10, 4]], np.float32)
    scores_N = np.array([0.5, 0.9, 0.6, 0.4], np.float32)
    assert suppress(boxes_N4, scores_N, 0.6).tolist() == [1, 2, 3]
    assert suppress(boxes_N4[:0], scores_N[:0], 0.6).tolist() == []


def best_overlaps(found: Boxes, wanted_N4) -> list[float]:
    best = []
    for box in np.asarray(wanted_N4, np.float32):
        pairs = torch.from_numpy(np.repeat(box[None], found.count, 0)), torch.from_numpy(found.xyxy.copy())
        best.append(float(generalised_iou(*pairs)[0].max()) if found.count else 0.0)
    return best


def test_one_scene_by_heart_in_original_pixels():
    """Enlarged three times, padded below: the answers are in the picture's own pixels, one box a thing, silence for what is absent."""
    canvas = CanvasRule(longest=192, shortest=192, multiple=32).canvas(40, 64)
    assert canvas.scaled == (120, 192) and canvas.size == (128, 192)
    wanted = {"dog": [[2, 3, 20, 30], [30, 10, 44, 22]], "cat": [[48, 20, 63, 39]], "absent": np.zeros((0, 4))}
    targets = [Boxes(label, canvas.boxes_to_canvas(np.array(boxes).reshape(-1, 4))) for label, boxes in wanted.items()]
    decoder, seen = detector(), scenes.scene(canvas)
    asked = scenes.requests(list(wanted), decoder.width)
    first, last = scenes.overfit(decoder, seen, asked, targets, steps=120)
    assert last["giou"] < 0.1 * first["giou"] and last["class"] < 0.3 * first["class"]
    for part, (label, boxes_N4) in zip(decoder.parts(decoder(seen, asked), seen, asked), wanted.items()):
        assert part.label == label and part.image == 0
        shown = part.xyxy[part.scores >= 0.3]
        assert len(shown) == len(boxes_N4)
        assert min(best_overlaps(Boxes(label, shown), boxes_N4), default=1.0) > 0.9
        assert (np.diff(part.scores) <= 0).all() and (part.scores >= 0.01).all() and part.count <= 100
    with torch.no_grad():
        decoder.single.chance.weight.zero_()
        decoder.single.chance.bias.fill_(5.0)
    assert [int((part.scores >= 0.3).sum()) for part in decoder.parts(decoder(seen, asked), seen, asked)] == [1, 1, 0]


def test_gradients_reach_request_vectors_and_features():
    decoder, seen = detector(), scenes.scene(SQUARE)
    asked = scenes.requests(["a"], decoder.width)
    asked.vectors_KnC.requires_grad_()
    seen.levels[0].requires_grad_()
    losses = decoder.loss(decoder(seen, asked), [Boxes("a", [[10, 10, 30, 30]])])
    sum(total for total, _ in losses.values()).backward()
    assert asked.vectors_KnC.grad.abs().sum() > 0 and seen.levels[0].grad.abs().sum() > 0
    decoder.zero_grad()
    decoder.dummy(seen).backward()
    assert all(p.grad is not None and not p.grad.any() for p in decoder.parameters())


def test_requests_can_speak_of_places():
    """Places count for nothing at first; trusted, the place that a request names wins among cells that look alike."""
    model = detector()
    asked = scenes.requests(["star"], 8)
    log_KL, trust_K1 = model.place([(8, 8)], asked)
    assert not trust_K1.any() and torch.isclose(log_KL.exp().mean(), torch.tensor(1.0))
    wanted = 2 * 8 + 5
    with torch.no_grad():
        model.place.waves[-1].bias += 5 * place_waves(8, 8, log_KL)[wanted]
        log_KL, _ = model.place([(8, 8)], asked)
    assert log_KL.argmax() == wanted and log_KL[0, 6 * 8 + 1] < log_KL.max() - 5
    share_KL = torch.eye(64)[wanted][None]
    assert model.place.loss(log_KL, share_KL) < model.place.loss(torch.zeros(1, 64), share_KL)
    assert model.place.loss(log_KL, torch.zeros(1, 64)) == 0


def test_requests_can_ask_for_one_thing():
    """Nothing changes at first; who surely asks for one gets the best as it is and the others for less."""
    sense, asked = SingleSense(8), scenes.requests(["star"], 8)
    scores_N = np.array([0.4, 0.9, 0.6], np.float32)
    (logit,) = sense(asked)
    assert logit == 0 and sense.alone(logit, scores_N).tolist() == scores_N.tolist()
    assert sense.alone(torch.tensor(0.9).logit(), scores_N) == pytest.approx([0.2, 0.9, 0.3])
    assert sense.alone(torch.tensor(-5.0), scores_N).tolist() == scores_N.tolist() and not len(sense.alone(logit, scores_N[:0]))
    sure = torch.tensor([3.0, -3.0])
    assert sense.loss(sure, [1, 4]) < sense.loss(-sure, [1, 4]) and sense.loss(sure, [0, 0]) == 0


def test_places_are_shared_alike_by_boxes():
    model = detector()
    share_KL = model.shares(blank(2), [Boxes("a", [[0, 0, 8, 8], [32, 32, 64, 64]]), Boxes("b", np.zeros((0, 4)))])
    first = cells_inside(blank().centres_L2, torch.tensor([[0.0, 0, 8, 8]]))[:, 0]
    assert torch.isclose(share_KL[0, first].sum(), torch.tensor(0.5)) and torch.isclose(share_KL[0].sum(), torch.tensor(1.0))
    assert not share_KL[1].any()
