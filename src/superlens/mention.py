"""Mentions: which words of a text name which things of a picture (Flickr30k Entities and GRIT mark phrases so).

They are for learning alone: what a question's words stand for may be taught (`gaze.py`), and is never told to a model that answers.
"""

from dataclasses import dataclass

import numpy as np

from superlens.media import Part, frozen_array

MOST_WORDS = 3  # longer labels are descriptions that also speak of other things ("the ring left of the small star")


@dataclass(frozen=True, eq=False)
class Mention(Part):
    """Characters start..end of a text name the things at xyxy (N, 4), in pixels of picture `image` of the conversation.

    Without boxes they name what is not there.
    """

    start: int
    end: int
    xyxy: np.ndarray
    image: int = 0

    def __post_init__(self):
        if not (isinstance(self.start, int) and isinstance(self.end, int) and 0 <= self.start < self.end):
            raise ValueError(f"A mention needs whole numbers 0 <= start < end, got {self.start!r} and {self.end!r}.")
        if not isinstance(self.image, int) or self.image < 0:
            raise ValueError(f"A mention's image must be a whole number >= 0, got {self.image!r}.")
        boxes_N4 = frozen_array(self.xyxy, np.float32, "The boxes of a mention", (None, 4))
        if (boxes_N4[:, 2:] < boxes_N4[:, :2]).any():
            raise ValueError("The boxes of a mention need x1 <= x2 and y1 <= y2.")
        object.__setattr__(self, "xyxy", boxes_N4)

    def contains(self, other: "Mention") -> bool:
        """Whether the other stands inside this one: "the moon" in "the star left of the moon"."""
        return other is not self and self.start <= other.start and other.end <= self.end


def checked_mentions(mentions, text: str) -> tuple[Mention, ...]:
    """ValueError for what is no mention of these words."""
    for mention in mentions:
        if not isinstance(mention, Mention):
            raise ValueError(f"The mentions of a text must be Mentions, got {type(mention).__name__}.")
        if mention.end > len(text):
            raise ValueError(f"A mention ends at character {mention.end} of a text of {len(text)}.")
    return tuple(mentions)
