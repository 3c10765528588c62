"""Samples of a data set on one sheet: the pictures with their answers drawn, the questions and answers underneath."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from superlens.data.sources.base import Source
from superlens.message import Conversation, Image, Message, Region, Text

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

CELL = 440  # width of a sample on the sheet, pixels
GAP = 14
MOST_TURNS = 3


def preview(source: Source, count: int = 12, seed: int = 0, columns: int = 4) -> Picture:
    """`count` training samples of a source, chosen by `seed` -> an RGB picture, `columns` samples side by side.

    A sample shows its first three questions. Raises ValueError for a source without records, or numbers below 1.
    """
    if count < 1 or columns < 1:
        raise ValueError(f"Got {count} samples in {columns} columns; expected at least 1 of each.")
    if not len(source):
        raise ValueError(f"{source.name} has no records to show.")
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(len(source), size=min(count, len(source)), replace=False))
    conversations = (source.conversation(int(index), np.random.default_rng((seed, int(index)))) for index in chosen)
    return sheet([_cell(conversation) for conversation in conversations], columns)


def drawn(conversation: Conversation, most_turns: int = MOST_TURNS) -> Picture:
    """The first questions of a conversation with their answers, over its pictures."""
    content: list = []
    turns = 0
    for message in conversation.messages:
        if message.role == "system":
            continue
        if message.role == "user":
            if turns == most_turns:
                content.append(Text("..."))
                break
            turns += 1
        words = "Q  " if message.role == "user" else "A  "
        kept = [part for part in message.content if not isinstance(part, Image)]
        content += [Text(words), *_stripped(kept), Text("\n")]
    if content and isinstance(content[-1], Text) and content[-1].text == "\n":
        content.pop()
    return Message("assistant", tuple(content)).about(conversation).draw()


def _stripped(parts: list) -> list:
    """Without a space before the first words, and what the user drew in front, so that it is drawn underneath."""
    regions = [part for part in parts if isinstance(part, Region)]
    rest = [part for part in parts if not isinstance(part, Region)]
    if rest and isinstance(rest[0], Text):
        rest[0] = Text(rest[0].text.lstrip())
    return [*regions, *rest]


def _cell(conversation: Conversation) -> Picture:
    """One sample at the width of a column."""
    from PIL import Image as Pil

    picture = drawn(conversation)
    height = max(1, round(picture.height * CELL / picture.width))
    return picture.resize((CELL, height), Pil.Resampling.LANCZOS)


def sheet(cells: list[Picture], columns: int) -> Picture:
    """Pictures of one width in columns, each put where there is most room left above it."""
    from PIL import Image as Pil

    columns = min(columns, len(cells))
    heights = [GAP] * columns
    places = []
    for cell in cells:
        column = heights.index(min(heights))
        places.append((GAP + column * (CELL + GAP), heights[column]))
        heights[column] += cell.height + GAP
    page = Pil.new("RGB", (GAP + columns * (CELL + GAP), max(heights)), "#e9ecef")
    for cell, place in zip(cells, places, strict=True):
        page.paste(cell, place)
    return page
