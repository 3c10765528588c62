"""Pascal VOC: one XML file a picture, or a folder of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from superlens.data.augment import Augment
from superlens.data.sources import phrases
from superlens.data.sources.annotated import AnnotatedSource, Picture
from superlens.data.sources.base import Problem, refuse
from superlens.data.sources.coco_records import wrong_box
from superlens.data.sources.files import existing, voc_files


@dataclass(frozen=True)
class VocRecord:
    """One XML file: its name, its picture, the size it states (width, height), names, corners as written, difficult."""

    name: str
    path: str
    size: tuple[int, int]
    names: tuple[str, ...]
    corners: tuple[tuple[float, float, float, float], ...]
    difficult: tuple[bool, ...]


class VocSource(AnnotatedSource):
    """A Pascal VOC XML file, or a folder of them (`Annotations/` with `JPEGImages/` beside it, or XML beside pictures).

    Categories are the names in the files, sorted. `difficult` objects are ignored. VOC counts pixels from 1 and means
    the last one inclusive, so a corner (1, 1) becomes 0, 0; a file set in which a corner is 0 was written by a tool
    that counts from 0, and is taken as it stands. split: read only the pictures that `ImageSets/Main/SPLIT.txt` lists.
    The other arguments are those of `AnnotatedSource`. Raises ValueError with one sentence for broken records.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        tasks: dict[str, float] | None = None,
        augment: Augment | None = None,
        cache_mb: float = 600,
        root: str | os.PathLike | None = None,
        split: str | None = None,
    ) -> None:
        records, problems = read_voc(path, root, split)
        problems += [Problem(record.name, f"There is no picture {record.path}.") for record in records
                     if not os.path.isfile(record.path)]
        refuse(str(path), problems)
        if not records:
            raise ValueError(f"{path} has no annotated pictures, expected at least one XML file.")
        said = {phrases.lower(name): name for record in records for name in record.names}
        names = [said[phrase] for phrase in sorted(said)]
        if not names:
            raise ValueError(f"No object is named in {path}, so there is nothing to ask.")
        first = first_pixel(records)
        places = {phrase: at for at, phrase in enumerate(sorted(said))}
        pictures = [_picture(record, places, first) for record in records]
        super().__init__(str(path), names, pictures, tasks, augment, cache_mb)


def read_voc(
    path: str | os.PathLike, root: str | os.PathLike | None = None, split: str | None = None
) -> tuple[list[VocRecord], list[Problem]]:
    """The good records of a VOC file or folder, and the problems of the others."""
    path = existing(path)
    files = voc_files(path) if path.is_dir() else [path]
    if split is not None:
        listed = path / "ImageSets" / "Main" / f"{split}.txt"
        if not listed.is_file():
            raise ValueError(f"There is no list of the split {split}: {listed} is missing.")
        stems = {line.split()[0] for line in listed.read_text().splitlines() if line.strip()}
        files = [file for file in files if file.stem in stems]
    records: list[VocRecord] = []
    problems: list[Problem] = []
    for file in files:
        found = _read_file(file, root)
        if isinstance(found, str):
            problems.append(Problem(file.name, found))
        else:
            records.append(found)
    first = first_pixel(records)
    for record in records:
        problems += list(_box_problems(record, first))
    return records, problems


def first_pixel(records: list[VocRecord]) -> int:
    """1, or 0 when a corner lies at 0: where these files start to count."""
    return 0 if any(min(corner[:2]) < 1 for record in records for corner in record.corners) else 1


def _picture(record: VocRecord, places: dict[str, int], first: int) -> Picture:
    width, height = record.size
    xyxy_N4 = np.array(record.corners, np.float64).reshape(-1, 4) - np.array([first, first, 0, 0])
    return Picture(
        Path(record.name).stem,
        record.path,
        width,
        height,
        classes_N=np.array([places[phrases.lower(name)] for name in record.names], int),
        xyxy_N4=xyxy_N4.clip(0, [width, height, width, height]).astype(np.float32),
        crowd_N=np.array(record.difficult, bool),
    )


def _box_problems(record: VocRecord, first: int) -> Iterator[Problem]:
    for name, (x1, y1, x2, y2) in zip(record.names, record.corners, strict=True):
        sentence = wrong_box([x1 - first, y1 - first, x2 - x1 + first, y2 - y1 + first], record.size)
        if sentence:
            corners = f"({x1:g}, {y1:g}, {x2:g}, {y2:g})"
            what = "is empty" if "empty" in sentence else "leaves its picture of {} x {} pixels".format(*record.size)
            yield Problem(record.name, f'The box {corners} of "{name}" {what}.')


def _read_file(file: Path, root: str | os.PathLike | None) -> VocRecord | str:
    """The record, or what is wrong with it."""
    from xml.etree import ElementTree

    try:
        tree = ElementTree.parse(file).getroot()
    except ElementTree.ParseError as error:
        return f"It is not valid XML: {error}."
    if tree.tag != "annotation":
        return f"Its outermost element is <{tree.tag}>, expected <annotation>."
    try:
        size = tuple(int(float(tree.findtext(f"size/{side}", ""))) for side in ("width", "height"))
    except ValueError:
        return "It has no <size> with a whole <width> and <height>."
    if min(size) < 1:
        return f"Its <size> is {size[0]} x {size[1]}, expected at least 1 x 1."
    names, corners, difficult = [], [], []
    for at, thing in enumerate(tree.findall("object"), 1):
        name = (thing.findtext("name") or "").strip()
        if not name:
            return f"Object {at} has no <name>."
        try:
            box = tuple(float(thing.findtext(f"bndbox/{edge}", "")) for edge in ("xmin", "ymin", "xmax", "ymax"))
        except ValueError:
            return f'Object {at} ("{name}") has no <bndbox> with four numbers.'
        if not np.isfinite(box).all():
            return f'Object {at} ("{name}") has a <bndbox> that is not finite.'
        names.append(name)
        corners.append(box)
        difficult.append((thing.findtext("difficult") or "0").strip() not in ("0", ""))
    return VocRecord(file.name, _find_picture(file, tree, root), size, tuple(names), tuple(corners), tuple(difficult))


def _find_picture(file: Path, tree: Any, root: str | os.PathLike | None) -> str:
    """Where the picture of an XML file lies: the first place that has it, else the first place looked at."""
    names = [(tree.findtext("filename") or "").strip()]
    names = [name for name in names if name] + [file.stem + end for end in (".jpg", ".jpeg", ".png", ".JPG", ".bmp")]
    up = file.parent.parent
    folders = [Path(root)] if root is not None else []
    folders += [up / "JPEGImages", file.parent, up / "images", up]
    if (tree.findtext("folder") or "").strip():
        folders.append(up / tree.findtext("folder").strip())
    places = [folder / name for name in names for folder in folders]
    if file.parent.name != "Annotations":
        places.sort(key=lambda place: place.parent != file.parent)
    return str(next((place for place in places if place.is_file()), places[0]))
