"""PSNR and SSIM of restored pictures, against the formula and the library."""

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from superlens.data.sources.base import Example
from superlens.evaluate.metrics import metric_class
from superlens.message import Conversation, Image, Message

RNG = np.random.default_rng(0)
CLEAN = RNG.integers(40, 200, (48, 60, 3), np.uint8)


def noisy(deviation, seed=0):
    return (CLEAN + np.random.default_rng(seed).normal(0, deviation, CLEAN.shape)).clip(0, 255).astype(np.uint8)


def example(shown=None, target=CLEAN):
    shown = noisy(20) if shown is None else shown
    question = Conversation((Message("user", (Image(shown), "Remove the noise.")),))
    return Example(question, Message("assistant", (Image(target, of=0, restored=True),)), "p", "restore_image")


def answered(pixels):
    return Message("assistant", () if pixels is None else (Image(pixels, of=0, restored=True),))


def figures(name, *answers, shown=None, target=CLEAN):
    metric = metric_class("image", name)()
    for pixels in answers:
        metric.add(example(shown, target), answered(pixels))
    return metric.result()


def test_psnr_is_the_mean_of_the_pictures_figures():
    found = figures("psnr", noisy(5, 1), noisy(9, 2))
    wanted = [peak_signal_noise_ratio(CLEAN, noisy(*args)) for args in ((5, 1), (9, 2))]
    assert found["psnr"] == pytest.approx(np.mean(wanted), abs=1e-3)
    assert found["before"] == pytest.approx(peak_signal_noise_ratio(CLEAN, noisy(20)), abs=1e-3)


def test_ssim_is_that_of_wang():
    found = figures("ssim", noisy(9, 1))["ssim"]
    wanted = structural_similarity(CLEAN, noisy(9, 1), channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False)
    assert found == pytest.approx(wanted, abs=5e-3)


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (3, 40), (7, 7), (10, 200)])
def test_ssim_of_pictures_smaller_than_a_window(size):
    rng = np.random.default_rng(0)
    clean = rng.integers(20, 230, (*size, 3)).astype(np.uint8)
    nearly, other = clean + np.uint8(1), rng.integers(0, 256, clean.shape).astype(np.uint8)
    assert figures("ssim", clean, target=clean)["ssim"] == pytest.approx(1, abs=1e-3)
    assert figures("ssim", nearly, target=clean)["ssim"] > 0.99 > figures("ssim", other, target=clean)["ssim"]


def test_equal_pictures_get_the_most_and_missing_ones_nothing():
    assert figures("psnr", CLEAN)["psnr"] == 60 and figures("ssim", CLEAN)["ssim"] == pytest.approx(1)
    assert figures("psnr", None)["psnr"] == 0 and figures("psnr", CLEAN[:40])["psnr"] == 0
    assert figures("psnr", CLEAN, None)["psnr"] == 30


def test_a_turned_picture_has_no_figure_before():
    assert figures("psnr", CLEAN, shown=np.ascontiguousarray(np.rot90(CLEAN)))["before"] is None


def test_restoration_is_measured_in_decibels_unless_said_otherwise():
    assert metric_class("image", None, "restore_image").name == "psnr"
