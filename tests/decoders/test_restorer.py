"""The restorer: what it learns, what it keeps, any size, and no seams."""

import numpy as np
import pytest
import torch
from scenes import scene

from superlens.decoders.base import Requests
from superlens.decoders.laying import WAYS, laid, likest, undoing
from superlens.decoders.restorer import Restorer
from superlens.message import Image
from superlens.progress import watching
from superlens.vision.canvas import CanvasRule

CANVAS = CanvasRule(multiple=16, shortest=16).canvas(32, 32)
VECTORS = torch.randn(2, 4, 16, generator=torch.Generator().manual_seed(1))


def restorer(**options):
    torch.manual_seed(0)
    return Restorer(**({"width": 16, "channels": (16, 24), "depth": (1, 1), "tile": 64} | options))


def stirred(**options):
    """One that changes what it is given."""
    made = restorer(**options)
    torch.nn.init.normal_(made.net.leave.weight, std=0.1)
    return made


def pixels(height, width, channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)


def seen(pixels_HW3):
    shown = scene(CANVAS)
    shown.pixels_BHWC = torch.from_numpy(np.array(pixels_HW3))[None]
    return shown


def asked(targets=()):
    return Requests(VECTORS, torch.tensor([0, 0]), ["", ""], [0, 0], list(targets))


def copy(pixels_HW3):
    return Image(pixels_HW3, of=0, restored=True)


def answers(made, source):
    where = seen(np.zeros((32, 32, 3), np.uint8))
    return [made.finish(part, (source,)) for part in made.parts(made(where, asked()), where, asked())]


def test_a_new_restorer_gives_the_picture_back():
    source = Image(pixels(37, 21))
    for answer in answers(restorer(), source):
        assert answer.of == 0 and answer.restored
        assert np.array_equal(np.sort(answer.pixels.reshape(-1)), np.sort(source.pixels.reshape(-1)))


def test_the_request_decides_what_is_done():
    """One of two requests asks for a brighter picture, the other for its mirror image."""
    made, shown = restorer(), pixels(32, 32) // 2
    targets = [copy(shown + 60), copy(np.ascontiguousarray(shown[:, ::-1]))]
    optimiser = torch.optim.Adam(made.parameters(), 1e-3)
    for _ in range(250):
        losses = made.loss(made(seen(shown), asked(targets)), targets)
        optimiser.zero_grad()
        sum(total / count for total, count in losses.values()).backward()
        optimiser.step()
    bright, mirrored = answers(made, Image(shown))
    assert np.abs(bright.pixels.astype(int) - targets[0].pixels).mean() < 12
    assert np.abs(mirrored.pixels.astype(int) - targets[1].pixels).mean() < 5


def test_losses_count_pictures_and_vanish_at_the_floor():
    made, shown = restorer(), pixels(32, 32)
    targets = [copy(shown), copy(shown)]
    losses = made.loss(made(seen(shown), asked(targets)), targets)
    assert {name: count for name, (_, count) in losses.items()} == made.counts(targets) == {"restored": 2, "turned": 2}
    assert float(losses["restored"][0].detach()) < 1e-5


@pytest.mark.parametrize("way", range(WAYS))
def test_the_eight_ways_are_told_apart_and_undone(way):
    source = torch.rand(3, 8, 12, generator=torch.Generator().manual_seed(2))
    turned = laid(source, way)
    assert likest(source, turned) == way
    assert torch.equal(laid(turned, undoing(way)), source)


def test_a_quarter_turn_is_exact_and_exchanges_the_sides():
    made = restorer()
    with torch.no_grad():
        made.turn.weight.zero_()
        made.turn.bias[1] = 9.0
    source = Image(pixels(20, 30))
    answer = answers(made, source)[0]
    assert answer.size == (20, 30) and np.array_equal(answer.pixels, np.rot90(source.pixels))


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (64, 64), (129, 200)])
def test_any_size_is_restored_at_its_own_size(size):
    made = stirred()
    source = Image(pixels(*size))
    for answer in answers(made, source):
        assert sorted(answer.size) == sorted(source.size)


def test_tiles_leave_no_seams():
    made = stirred(tile=512)
    picture = pixels(150, 230)
    whole = made.restore(picture, VECTORS[0, 0])
    made.tile = 64
    tiled = made.restore(picture, VECTORS[0, 0])
    assert np.abs(whole.astype(int) - tiled).max() <= 1
    assert np.abs(whole.astype(int) - picture).mean() > 1


def test_tiles_are_told_to_whoever_watches():
    told = []

    def show(pieces, what):
        told.append((len(pieces), what))
        return pieces

    made = stirred()
    with watching(show):
        made.restore(pixels(65, 130), VECTORS[0, 0])
        made.restore(pixels(10, 10), VECTORS[0, 0])
    assert told == [(6, "Restoring")]


def test_the_net_sees_no_further_than_it_says():
    net = stirred().net
    given = torch.rand(1, 3, 160, 160, requires_grad=True)
    net(given, VECTORS[0, :1])[0, :, 80, 80].sum().backward()
    rows = given.grad[0].abs().sum((0, 2)).nonzero().flatten()
    assert 0 < 80 - int(rows.min()) <= net.reach and 0 < int(rows.max()) - 80 <= net.reach


def test_an_alpha_channel_is_turned_along_and_kept():
    made = restorer()
    with torch.no_grad():
        made.turn.weight.zero_()
        made.turn.bias[4] = 9.0
    rgba = pixels(10, 14, 4)
    answer = answers(made, Image(rgba))[0]
    assert np.array_equal(answer.transparent, rgba[:, ::-1])


def test_sizes_that_can_not_be_are_refused():
    with pytest.raises(ValueError, match="tile"):
        restorer(tile=30)
    with pytest.raises(ValueError, match="levels"):
        restorer(channels=(8, 8), depth=(1,))
