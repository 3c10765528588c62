"""How a category is worded in a question: lower case, one or many, where a naive rule is safe."""

from __future__ import annotations

import re

import numpy as np

# Words whose plural or singular the naive rule would spoil.
FIXED = frozenset(
    ("aircraft", "background", "bread", "broccoli", "clothes", "clothing", "copper", "debris", "deer",
     "equipment", "fish", "foliage", "food", "furniture", "gas", "glasses", "goggles", "grass", "gravel", "ground",
     "hair", "ice", "jeans", "lens", "luggage", "misc", "mud", "open", "other", "pants", "people", "rice", "sand",
     "scissors", "series", "sheep", "short", "shorts", "skis", "sky", "snow", "stuff", "sunglasses", "terrain",
     "traffic", "trousers", "unknown", "vegetation", "void", "water", "wood")
)
# Those of them that take "a" all the same.
COUNTABLE = frozenset(("aircraft", "deer", "fish", "lens", "open", "other", "sheep", "short", "sky"))
IRREGULAR = {
    "person": "people",
    "man": "men",
    "woman": "women",
    "child": "children",
    "mouse": "mice",
    "knife": "knives",
    "leaf": "leaves",
    "tooth": "teeth",
    "foot": "feet",
    "goose": "geese",
    "bus": "buses",
    "giraffe": "giraffes",
}
REGULAR_SINGULAR = {many: one for one, many in IRREGULAR.items()}


def lower(name: str) -> str:
    """The name as evaluation asks for it: the file's as it stands, lower-cased, outer spaces dropped."""
    return " ".join(name.split()).lower()


def spaced(name: str) -> str:
    """"SignSymbol" -> "sign symbol", "traffic_light" -> "traffic light"; other names are only lower-cased."""
    return lower(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("_", " "))


def is_acronym(name: str) -> bool:
    """True for "RBC", "WBC", "T1": no lower-case letter."""
    return bool(name) and name.upper() == name


def plural(phrase: str) -> str | None:
    """Many of a thing named in the singular, or None where the rule is not safe."""
    head, word = _split(phrase)
    if word in IRREGULAR:
        return head + IRREGULAR[word]
    if not word.isalpha() or len(word) < 3 or word in FIXED or word in REGULAR_SINGULAR or _looks_plural(word):
        return None
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return head + word + "es"
    if word.endswith("y") and word[-2] not in "aeiou":
        return head + word[:-1] + "ies"
    return None if word.endswith(("f", "fe")) else head + word + "s"


def singular(phrase: str) -> str | None:
    """One of the things named in the plural, or None where the rule is not safe."""
    head, word = _split(phrase)
    if word in REGULAR_SINGULAR:
        return head + REGULAR_SINGULAR[word]
    if not word.isalpha() or word in FIXED or not _looks_plural(word):
        return None
    if word.endswith("ies"):
        return head + word[:-3] + "y" if len(word) > 4 else None
    if word.endswith(("ches", "shes", "xes", "sses", "zes")):
        return head + word[:-2]
    return head + word[:-1]


def vary(name: str, rng: np.random.Generator) -> str:
    """A way to ask for category `name`: mostly as evaluation does, else spaced, in the other number, or as written."""
    plain = lower(name)
    if is_acronym(name):
        return name.strip() if rng.random() < 0.2 else plain
    draw = rng.random()
    if draw < 0.05:
        return " ".join(name.split())
    if draw < 0.25:
        plain = spaced(name)
    if rng.random() < 0.35:
        return plural(plain) or singular(plain) or plain
    return plain


def one(name: str) -> str:
    """The singular of a category where the rule is safe, lower-cased (acronyms too): "is there a ...?"."""
    return lower(name) if is_acronym(name) else singular(spaced(name)) or spaced(name)


def some(name: str) -> str:
    """One of a category with its article, for "is there ...?": "a car", "an rbc", "any sky", "any skis"."""
    thing = one(name)
    word = _split(thing)[1]
    if not is_acronym(name) and (word in FIXED - COUNTABLE or _looks_plural(word)):
        return f"any {thing}"
    sounds_open = "aefhilmnorsx" if is_acronym(name) else "aeiou"
    return f"{'an' if thing[0] in sounds_open and not thing.startswith(('uni', 'use', 'euro', 'one')) else 'a'} {thing}"


def many(name: str) -> str:
    """The plural of a category where the rule is safe, lower-cased: "how many ...?"."""
    return lower(name) + "s" if is_acronym(name) and name.strip().isalpha() else plural(spaced(name)) or spaced(name)


def _split(phrase: str) -> tuple[str, str]:
    head, space, word = phrase.rpartition(" ")
    return head + space, word


def _looks_plural(word: str) -> bool:
    return len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is", "as", "os"))
