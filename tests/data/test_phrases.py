import numpy as np
import pytest

from superlens.data.sources.phrases import lower, many, one, plural, singular, some, spaced, vary


@pytest.mark.parametrize(
    ("thing", "things"),
    [("car", "cars"), ("bench", "benches"), ("box", "boxes"), ("city", "cities"), ("toy", "toys"), ("person", "people"),
     ("wine glass", "wine glasses"), ("knife", "knives"), ("mouse", "mice"), ("bus", "buses"),
     ("dining table", "dining tables")],
)
def test_plural_and_back(thing, things):
    assert plural(thing) == things
    if not things.endswith("glasses"):
        assert singular(things) == thing


@pytest.mark.parametrize("word", ["skis", "scissors", "sheep", "broccoli", "spurious copper", "platelets", "k9", "tv"])
def test_unsafe_plurals_are_left(word):
    assert plural(word) is None


def test_articles_and_numbers():
    said = {"car": "a car", "elephant": "an elephant", "RBC": "an rbc", "WBC": "a wbc", "Platelets": "a platelet",
            "skis": "any skis", "spurious copper": "any spurious copper", "Sky": "a sky", "unicycle": "a unicycle"}
    assert {name: some(name) for name in said} == said
    assert [many(name) for name in ("car", "RBC", "SignSymbol")] == ["cars", "rbcs", "sign symbols"]
    assert one("People") == "person" and lower(" Traffic  Light") == "traffic light"
    assert spaced("traffic_light") == "traffic light"


def test_vary_keeps_acronyms():
    said = {vary("RBC", np.random.default_rng(seed)) for seed in range(100)}
    assert said == {"rbc", "RBC"}
