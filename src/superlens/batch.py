"""Samples -> one batch: packed rows, pictures grouped by canvas size, and where everything stands.

Legend: R rows, T tokens a row, P positions, B pictures of one canvas size. Flat positions are row * T + column.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from superlens.links.base import Group
from superlens.processor import NO_LABEL, Sample
from superlens.vision.canvas import Canvas
from superlens.vision.clip import Clip


@dataclass
class Pictures:
    """Pictures of one canvas size: pixels_BHWC uint8, canvases, and their numbers in the batch."""

    pixels_BHWC: Tensor
    canvases: list[Canvas]
    numbers: list[int]


@dataclass
class Placed:
    """A group with its read positions in the flat batch and its picture's number in the batch (-1: it speaks of none)."""

    group: Group
    positions: list[int]
    picture: int


@dataclass
class Pointed:
    """A region: its flat position in the batch, its picture's number, bool mask_HW on the canvas, and whether it is wanted."""

    position: int
    picture: int
    mask_HW: Tensor
    positive: bool


@dataclass
class Mentioned:
    """Words that name things: flat position of their last token in the batch, their picture's number, their ids, boxes on its
    canvas; nested: whether other such words stand in them."""

    position: int
    picture: int
    words: tuple[int, ...]
    xyxy_N4: np.ndarray
    nested: bool


@dataclass
class Shown:
    """A video: flat position of its first token in the batch, how many it has, the numbers of its frames among the batch's pictures,
    its geometry, and the ids of what is said of each frame's time."""

    position: int
    count: int
    frames: list[int]
    clip: Clip
    stamps: list[list[int]]


@dataclass
class Values:
    """What one link's continuous values are, in order: flat positions_P in the batch, values_P, and learned_P: whether it is to say
    them."""

    positions_P: Tensor
    values_P: Tensor
    learned_P: Tensor


@dataclass
class Tally:
    """Samples in a batch, and how many were dropped because they are longer than a row."""

    samples: int = 0
    dropped: int = 0


@dataclass
class Batch:
    """Everything a forward needs.

    ids_RT; position_ids_RT restart at 0 for every sample; labelled_P flat positions with a label and their wanted_P ids.
    visual: (flat first position, count, picture number). slots: link -> flat first positions. values: by link. features: link ->
    (flat first position, count, picture number, whether it is to be said) of pictures that it writes. lessons: what a stage
    teaches beside the answers (lessons/).
    """

    ids_RT: Tensor
    position_ids_RT: Tensor
    labelled_P: Tensor
    wanted_P: Tensor
    pictures: list[Pictures] = field(default_factory=list)
    visual: list[tuple[int, int, int]] = field(default_factory=list)
    slots: dict[str, list[int]] = field(default_factory=dict)
    values: dict[str, Values] = field(default_factory=dict)
    features: dict[str, list[tuple[int, int, int, bool]]] = field(default_factory=dict, init=False)
    groups: list[Placed] = field(default_factory=list)
    regions: list[Pointed] = field(default_factory=list)
    videos: list[Shown] = field(default_factory=list)
    mentions: list[Mentioned] = field(default_factory=list)
    lessons: dict[str, Any] = field(default_factory=dict, init=False)
    tally: Tally = field(default_factory=Tally, init=False)

    @property
    def canvases(self) -> dict[int, Canvas]:
        """Picture number -> its canvas."""
        return {number: canvas for pictures in self.pictures for number, canvas in zip(pictures.numbers, pictures.canvases)}

    def to(self, device, **unused) -> Batch:
        """The batch with its tensors on `device`."""
        for entry in fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, Tensor):
                setattr(self, entry.name, value.to(device))
        for pictures in self.pictures:
            pictures.pixels_BHWC = pictures.pixels_BHWC.to(device)
        for region in self.regions:
            region.mask_HW = region.mask_HW.to(device)
        for values in self.values.values():
            for entry in fields(values):
                setattr(values, entry.name, getattr(values, entry.name).to(device))
        self.lessons = {name: lesson.to(device) for name, lesson in self.lessons.items()}
        return self


def collate(samples: list[Sample], rows: list[list[int]] | None = None) -> Batch:
    """Samples -> Batch. `rows`: which samples stand in which row, one after another; default one sample a row.

    The tail of a shorter row is filled with positions of its own that restart at 0, so that padding is just another sample.
    """
    rows = rows or [[index] for index in range(len(samples))]
    T = max(sum(len(samples[index]) for index in row) for row in rows)
    ids_RT = np.zeros((len(rows), T), np.int64)
    position_RT = np.zeros((len(rows), T), np.int64)
    labels_RT = np.full((len(rows), T), NO_LABEL, np.int64)
    batch = Batch(torch.empty(0), torch.empty(0), torch.empty(0), torch.empty(0))
    batch.tally = Tally(len(samples))
    shown: list[tuple[np.ndarray, Canvas]] = []
    values: dict[str, list[tuple[int, float, bool]]] = {}
    for row, members in enumerate(rows):
        column = 0
        for sample in (samples[index] for index in members):
            end = column + len(sample)
            ids_RT[row, column:end] = sample.ids_T
            labels_RT[row, column:end] = sample.labels_T
            position_RT[row, column:end] = np.arange(len(sample))
            start, first = row * T + column, len(shown)
            shown += list(zip(sample.pictures, sample.canvases))
            batch.visual += [(start + at, count, first + picture) for at, count, picture in sample.visual]
            for at, picture, mask_HW, positive in sample.regions:
                batch.regions.append(Pointed(start + at, first + picture, torch.from_numpy(mask_HW), positive))
            batch.mentions += [Mentioned(start + at, first + picture, *rest) for at, picture, *rest in sample.mentions]
            for at, count, frames_FHWC, clip, stamps in sample.videos:
                numbers = list(range(len(shown), len(shown) + len(frames_FHWC)))
                shown += [(frame_HWC, clip.canvas) for frame_HWC in frames_FHWC]
                batch.videos.append(Shown(start + at, count, numbers, clip, stamps))
            for at, link in sample.slots:
                batch.slots.setdefault(link, []).append(start + at)
            for at, count, picture, link, learned in sample.features:
                batch.features.setdefault(link, []).append((start + at, count, first + picture, learned))
            for at, link, value, learned in sample.values:
                values.setdefault(link, []).append((start + at, value, learned))
            for group in sample.groups:
                positions = [start + at for at in group.positions]
                batch.groups.append(Placed(group, positions, first + group.image if group.image >= 0 else -1))
            column = end
        position_RT[row, column:] = np.arange(T - column)
    labelled_P = np.flatnonzero(labels_RT != NO_LABEL)
    batch.ids_RT, batch.position_ids_RT = torch.from_numpy(ids_RT), torch.from_numpy(position_RT)
    batch.labelled_P = torch.from_numpy(labelled_P)
    batch.wanted_P = torch.from_numpy(labels_RT.reshape(-1)[labelled_P])
    batch.pictures = group_pictures(shown)
    batch.values = {link: Values(*map(torch.tensor, zip(*rows))) for link, rows in values.items()}
    return batch


def group_pictures(shown: list[tuple[np.ndarray, Canvas]]) -> list[Pictures]:
    """Pictures of equal canvas size together, in order of first appearance."""
    sizes: dict[tuple[int, int], list[int]] = {}
    for number, (_, canvas) in enumerate(shown):
        sizes.setdefault(canvas.size, []).append(number)
    return [
        Pictures(torch.from_numpy(np.stack([shown[n][0] for n in numbers])), [shown[n][1] for n in numbers], numbers)
        for numbers in sizes.values()
    ]


def with_blanks(batch: Batch, canvases: int, blank: Canvas) -> Batch:
    """The batch with blank pictures, each a group of its own, until there are `canvases` groups; no sample looks at them."""
    shown = sum(len(pictures.numbers) for pictures in batch.pictures)
    missing = range(shown, shown + canvases - len(batch.pictures))
    pixels_1HWC = torch.zeros(1, *blank.size, 3, dtype=torch.uint8, device=batch.ids_RT.device)
    filled = copy.copy(batch)
    filled.pictures = batch.pictures + [Pictures(pixels_1HWC, [blank], [number]) for number in missing]
    return filled
