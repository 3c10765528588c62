"""The shipped nano on a photograph it has never seen (scikit-image's): spoiled, and asked in plain words to mend it."""

import functools

import numpy as np
import pytest
from skimage import data

import superlens
from superlens.data.degrade import degrade, parse
from superlens.evaluate.metrics.restored import PeakSignal
from superlens.message import Image

CLEAN = np.ascontiguousarray(data.astronaut()[100:356, 100:400])
# What is done, what is asked, the least gain in dB: somewhat below what the shipped weights reach, so that a break is noticed.
ASKED = (
    ("noise:25", "Remove the noise.", 6.0),
    ("pepper:0.05", "Remove the black dots.", 8.0),
    ("rain:10", "Take away the rain.", 2.0),
    ("mask:0.1", "Fill in the black squares.", 8.0),
)


@functools.cache
def nano():
    return superlens.load("nano", device="cpu")


def decibels(pixels):
    return PeakSignal(part="image").figure_of(Image(pixels), Image(CLEAN))


def spoiled(how):
    return degrade(CLEAN, parse(how), np.random.default_rng(0))


def asked(words, pixels):
    answer = nano().ask(words, image=Image(pixels))
    assert len(answer.images) == 1 and answer.images[0].restored and not answer.outputs, answer
    return answer.images[0].pixels


@pytest.mark.parametrize("how, words, least", ASKED)
def test_it_mends_what_it_is_asked_to(how, words, least):
    shown = spoiled(how)
    assert decibels(asked(words, shown)) >= decibels(shown) + least


def test_a_quarter_turn_is_a_quarter_turn():
    turned = asked("Make a quarter turn to the left.", spoiled("rotate:90"))
    assert turned.shape == CLEAN.shape and decibels(turned) > 35


def test_a_clean_picture_stays_nearly_what_it_is():
    assert decibels(asked("Remove the noise.", CLEAN)) > 34


def test_questions_about_a_photograph_are_answered_in_words_and_boxes_still():
    assert not nano().ask("Detect every circle.", image=Image(CLEAN)).images
