"""Degradations: their amounts, their seeds, and what they leave alone."""

import numpy as np
import pytest
from sentences import refused

from superlens.data.degrade import DEGRADATIONS, SPOILING, degrade, parse
from superlens.data.wordings_restore import REPAIRS

PICTURE = np.random.default_rng(0).integers(30, 220, (64, 80, 3), np.uint8)
SMOOTH = np.full((200, 300, 3), 120, np.uint8)


def spoiled(words, picture=PICTURE, seed=0):
    return degrade(picture, parse(words), np.random.default_rng(seed))


@pytest.mark.parametrize("words", ["noise:25", "blur:5", "pepper:0.05", "rain:10", "mask:0.1", "rotate:30", "flip", "blur:3,noise:9"])
def test_the_same_seed_does_the_same_and_the_source_stays(words):
    before = PICTURE.copy()
    one, two = spoiled(words), spoiled(words)
    assert one.dtype == np.uint8 and one.shape == PICTURE.shape and np.array_equal(one, two)
    assert np.array_equal(PICTURE, before) and not np.array_equal(one, PICTURE)


@pytest.mark.parametrize("words", ["noise:25", "pepper:0.05", "rain:10", "mask:0.1"])
def test_another_seed_does_something_else(words):
    assert not np.array_equal(spoiled(words), spoiled(words, seed=1))


def test_noise_has_the_deviation_that_is_asked_for():
    error = spoiled("noise:25", SMOOTH).astype(float) - SMOOTH
    assert abs(error.mean()) < 0.3 and abs(error.std() - 25) < 0.3


def test_blur_keeps_the_mean_and_a_window_of_one_changes_nothing():
    assert np.array_equal(spoiled("blur:1"), PICTURE) and np.array_equal(spoiled("blur:7", SMOOTH), SMOOTH)
    assert abs(float(spoiled("blur:7").mean()) - PICTURE.mean()) < 1
    assert spoiled("blur:7").std() < spoiled("blur:3").std() < PICTURE.std()


def test_blur_is_a_gaussian_of_the_stated_window_and_deviation():
    point = np.zeros((9, 9, 3), np.uint8)
    point[4, 4] = 255
    weights = np.exp(-0.5 * (np.arange(-2, 3) / 1.1) ** 2)  # 0.3 ((5 - 1) / 2 - 1) + 0.8
    weights /= weights.sum()
    wanted = np.zeros((9, 9))
    wanted[2:7, 2:7] = np.outer(weights, weights) * 255
    assert np.abs(spoiled("blur:5", point)[..., 0] - wanted).max() <= 0.51


def test_pepper_and_masks_are_black_in_the_share_that_is_asked_for():
    black = (spoiled("pepper:0.05", SMOOTH) == 0).all(-1)
    assert abs(black.mean() - 0.05) < 0.005
    gone = (spoiled("mask:0.1", SMOOTH) == 0).all(-1)
    squares = gone.reshape(50, 4, 75, 4).mean((1, 3))
    assert set(np.unique(squares)) == {0.0, 1.0} and abs(squares.mean() - 0.1) < 0.02


def test_rain_only_brightens_and_more_of_it_more():
    little, much = (spoiled(f"rain:{amount}", SMOOTH).astype(int) - 120 for amount in (5, 20))
    assert little.min() == 0 and much.min() == 0 and 0 < little.mean() < much.mean()
    assert np.array_equal(spoiled("rain:0", SMOOTH), SMOOTH)


def test_quarter_turns_are_exact_and_clockwise():
    assert np.array_equal(spoiled("rotate:90"), np.rot90(PICTURE, -1)) and np.array_equal(spoiled("rotate:-90"), np.rot90(PICTURE))
    assert np.array_equal(spoiled("rotate:180,rotate:180"), PICTURE) and np.array_equal(spoiled("flip,flip"), PICTURE)


def test_values_are_cut_off_at_black_and_white():
    assert spoiled("noise:50", np.full((50, 50, 3), 250, np.uint8)).max() == 255


@pytest.mark.parametrize("name", SPOILING)
def test_what_is_drawn_is_lawful_and_reads_back(name):
    rng = np.random.default_rng(0)
    for _ in range(50):
        drawn = DEGRADATIONS[name].drawn(rng)
        assert parse(f"{name}:{drawn.amount!r}") == (drawn,) and drawn.repair in REPAIRS


@pytest.mark.parametrize(
    "words, said",
    [("nose:3", "noise"), ("noise", "AMOUNT"), ("noise:60", "50"), ("noise:-1", "0"), ("blur:4", "1, 3, 5 or 7"), ("noise:x", "AMOUNT"),
     ("noise:nan", "50"), ("rotate:400", "360"), ("flip:3", "expected flip alone"),
     ("flip:", "expected flip alone"), ("mask:0.9", "0.5"), ("", "noise"), ("noise:5,", "noise")],
)  # fmt: skip
def test_what_can_not_be_done_is_refused(words, said):
    refused(lambda: parse(words), said)


def test_none_is_nothing():
    assert parse("none") == () and np.array_equal(spoiled("none"), PICTURE)
