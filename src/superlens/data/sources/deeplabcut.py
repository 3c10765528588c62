"""DeepLabCut's labelled frames: `CollectedData_NAME.csv`, beside its pictures or anywhere in the project.

Names carry shapes: K points, 3 = x, y in pixels and v (0 not labelled, 2 labelled).
"""

from __future__ import annotations

import csv
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from superlens.data.augment import Augment
from superlens.data.sources import phrases
from superlens.data.sources.annotated import AnnotatedSource, Picture
from superlens.data.sources.base import Problem, refuse
from superlens.data.sources.coco_records import wrong_points
from superlens.data.sources.files import deeplabcut_files, existing
from superlens.message import Image

HEADERS = ("scorer", "individuals", "bodyparts", "coords")
# The individual under which DeepLabCut writes points of no animal (corners of the cage); what such points are "of", in words.
UNIQUE, SCENE = "single", "scene"
ANIMAL = "animal"
# Names of individuals that say nothing of what they are.
NAMELESS = frozenset(("", "animal", "id", "ind", "indiv", "individual", "instance"))
# No boxes are labelled: a box is the extent of the points, wider by this share of its longer side at each of its four sides.
PADDING = 0.2
LEAST_PADDING = 8.0  # pixels


@dataclass(frozen=True)
class Frame:
    """One row: its picture as the file names it, where that lies, and the points (K, 3) of each thing that is labelled there."""

    name: str
    path: str
    things: tuple[tuple[str, np.ndarray], ...]


@dataclass
class Labels:
    """What a file or project holds. point_names: thing -> the names of its points, in words. problems: of the broken rows."""

    point_names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    frames: list[Frame] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


class DeepLabCutSource(AnnotatedSource):
    """A CollectedData CSV of DeepLabCut, or a folder with such files (a project, its `labeled-data`, or one video in it).

    One animal a picture is asked for as "animal". Several are called by what the names of the individuals share ("mouse" of mouse1 and
    mouse2), else "animal"; points of the individual "single" are those of the "scene". `thing` replaces the word. Rows without points
    say: not there. Boxes are the extent of the points and 20 % of the longer side around it. The only task, unless others are given,
    is "keypoints". The other arguments are those of `AnnotatedSource`; pictures are looked for beside the CSV, in the project, and in
    `root`. Raises ValueError with one sentence for broken rows, missing pictures, or files of one folder that name other points.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        tasks: dict[str, float] | None = None,
        augment: Augment | None = None,
        cache_mb: float = 600,
        root: str | os.PathLike | None = None,
        thing: str | None = None,
    ) -> None:
        labels = read_deeplabcut(path, root, thing)
        pictures, gone = _pictures(labels)
        refuse(str(path), [*labels.problems, *gone])
        if not pictures:
            raise ValueError(f"{path} has no labelled frames, so there is nothing to ask.")
        names = list(labels.point_names)
        super().__init__(
            str(path),
            names,
            pictures,
            {"keypoints": 1.0} if tasks is None else tasks,
            augment,
            cache_mb,
            complete=False,
            point_names={names.index(name): points for name, points in labels.point_names.items()},
        )


def read_deeplabcut(path: str | os.PathLike, root: str | os.PathLike | None = None, thing: str | None = None) -> Labels:
    """The good rows of a CSV or of all in a folder, and the problems of the others; pictures are not opened."""
    path = existing(path)
    labels = Labels()
    for file in deeplabcut_files(path) if path.is_dir() else [path]:
        _read_file(file, root, thing, labels)
    return labels


def _read_file(file: Path, root: str | os.PathLike | None, thing: str | None, labels: Labels) -> None:
    with open(file, newline="", encoding="utf-8-sig") as lines:
        rows = [row for row in csv.reader(lines) if any(cell.strip() for cell in row)]
    header = {row[0].strip().lower(): row for row in rows if row[0].strip().lower() in HEADERS}
    columns = _columns(file, header)
    kinds = _kinds([individual for individual, _ in columns], thing)
    names: dict[str, dict[str, None]] = {}
    for individual, part in columns:
        names.setdefault(kinds[individual], {}).setdefault(phrases.spaced(part))
    for kind, points in names.items():
        if labels.point_names.setdefault(kind, tuple(points)) != tuple(points):
            raise ValueError(f"{file} names other points of the {kind} than the files before it: {', '.join(points)}; open it alone.")
    first = min(min(pair) for pair in columns.values())
    for row in rows[len(header) :]:
        written = "/".join(cell.strip() for cell in row[:first] if cell.strip()).replace("\\", "/")
        things: dict[str, tuple[str, np.ndarray]] = {}
        for (individual, part), pair in columns.items():
            kind = kinds[individual]
            points = labels.point_names[kind]
            xyv_K3 = things.setdefault(individual, (kind, np.zeros((len(points), 3), np.float32)))[1]
            found = _point(row, pair)
            if isinstance(found, str):
                labels.problems.append(Problem(written, f'The {found} of its point "{part}" is no number.'))
            elif found is not None:
                xyv_K3[points.index(phrases.spaced(part))] = *found, 2
        there = tuple(value for value in things.values() if value[1].any())
        labels.frames.append(Frame(written, _find_picture(file, written, root), there))


def _columns(file: Path, header: Mapping[str, Sequence[str]]) -> dict[tuple[str, str], tuple[int, int]]:
    """(individual, body part) -> its columns of x and y; the individual is "" in a file about one animal."""
    if "bodyparts" not in header or "coords" not in header:
        raise ValueError(f'{file} starts like a file of DeepLabCut, but has no row "bodyparts" or no row "coords".')
    coords = [cell.strip().lower() for cell in header["coords"]]
    if "likelihood" in coords:
        raise ValueError(f"{file} holds predictions of DeepLabCut, not labels; give the CollectedData file of its project.")
    found: dict[tuple[str, str], dict[str, int]] = {}
    for at, axis in enumerate(coords):
        if axis in ("x", "y") and all(at < len(row) for row in header.values()):
            individual = header["individuals"][at].strip() if "individuals" in header else ""
            found.setdefault((individual, header["bodyparts"][at].strip()), {})[axis] = at
    if not found or any(set(axes) != {"x", "y"} for axes in found.values()):
        raise ValueError(f"{file} has a point without a column x and a column y.")
    return {point: (axes["x"], axes["y"]) for point, axes in found.items()}


def _kinds(individuals: Sequence[str], thing: str | None) -> dict[str, str]:
    """Individual -> what it is called in questions."""
    stems = {phrases.spaced(re.sub(r"[\W_]*\d*$", "", name)) for name in individuals if name != UNIQUE}
    shared = next(iter(stems)) if len(stems) == 1 else ""
    word = phrases.lower(thing) if thing else ANIMAL if shared in NAMELESS else shared
    return {name: SCENE if name == UNIQUE else word for name in individuals}


def _point(row: Sequence[str], pair: tuple[int, int]) -> tuple[float, float] | str | None:
    """(x, y) of a point, None where it is not labelled, or "x" or "y" where that is no number."""
    values = []
    for axis, at in zip("xy", pair, strict=True):
        cell = row[at].strip() if at < len(row) else ""
        try:
            values.append(float(cell) if cell else math.nan)
        except ValueError:
            return axis
    return None if any(math.isnan(value) for value in values) else (values[0], values[1])


def _find_picture(file: Path, written: str, root: str | os.PathLike | None) -> str:
    """Where the picture of a row lies: the first place that has it, else the first place looked at."""
    name = Path(written).name
    places = [] if root is None else [Path(root) / written, Path(root) / name]
    places += [file.parent / name, file.parent.parent.parent / written, file.parent / written]
    return str(next((place for place in places if place.is_file()), places[0]))


def _pictures(labels: Labels) -> tuple[list[Picture], list[Problem]]:
    """The frames as pictures, and what is wrong with the others: no picture, or points outside it."""
    numbers = {name: number for number, name in enumerate(labels.point_names)}
    pictures, problems = [], []
    for frame in labels.frames:
        try:
            width, height = Image(frame.path).size
        except ValueError as error:
            problems.append(Problem(frame.name, str(error)))
            continue
        problems += list(point_problems(labels, frame, (width, height)))
        clipped = [np.concatenate([xyv_K3[:, :2].clip(0, [width, height]), xyv_K3[:, 2:]], axis=1) for _, xyv_K3 in frame.things]
        pictures.append(
            Picture(
                frame.name,
                frame.path,
                width,
                height,
                classes_N=np.array([numbers[kind] for kind, _ in frame.things], int),
                xyxy_N4=np.array([_around(xyv_K3, width, height) for xyv_K3 in clipped], np.float32).reshape(-1, 4),
                crowd_N=np.zeros(len(frame.things), bool),
                points=tuple(clipped),
            )
        )
    return pictures, problems


def point_problems(labels: Labels, frame: Frame, size: tuple[int, int]) -> Iterator[Problem]:
    """The points of a frame that are outside its picture of `size` (width, height)."""
    for kind, xyv_K3 in frame.things:
        sentence = wrong_points(xyv_K3.ravel().tolist(), labels.point_names[kind], size)
        if sentence:
            yield Problem(frame.name, sentence)


def _around(xyv_K3: np.ndarray, width: int, height: int) -> np.ndarray:
    """(4,) the box of a thing: the extent of its labelled points and some room, inside the picture."""
    seen_K2 = xyv_K3[xyv_K3[:, 2] > 0, :2]
    low_2, high_2 = seen_K2.min(0), seen_K2.max(0)
    room = max(PADDING * float((high_2 - low_2).max()), LEAST_PADDING)
    return np.concatenate([low_2 - room, high_2 + room]).clip(0, [width, height, width, height])
