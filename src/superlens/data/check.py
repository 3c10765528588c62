"""Naming every broken record of a data set, before any work starts."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from superlens.checks import check_videos
from superlens.data.sources.base import Problem
from superlens.data.sources.coco_records import structure_problems
from superlens.data.sources.deeplabcut import point_problems, read_deeplabcut
from superlens.data.sources.files import read_json, recognise
from superlens.data.sources.jsonl import read_lines, wrong_line
from superlens.data.sources.llava import read_llava, to_messages
from superlens.data.sources.pairs import read_pairs
from superlens.data.sources.photos import pictures_of
from superlens.data.sources.referring import read_referring
from superlens.data.sources.rle import decode, leaves_picture, to_rles, what_is_wrong
from superlens.data.sources.voc import read_voc
from superlens.message import Conversation, Image

Progress = Callable[[Iterable], Iterable]
# A mask and its box come from different tools; further apart than this they are of different objects. Pixels.
BOX_TO_MASK = 5.0


def check(
    path: str | os.PathLike, root: str | os.PathLike | None = None, progress: Progress | None = None
) -> list[Problem]:
    """Every broken record of a data set in a supported format, in the order of the file; [] when it is sound.

    root: folder of the pictures, the file's own unless given. Every picture is decoded (about 5 ms each), every mask
    too. progress: wraps the records while they are walked (a progress bar).
    A file that can not be read or recognised is one problem, "file". "world" has none.
    """
    if str(path) == "world":
        return []
    walk = progress or (lambda records: records)
    try:
        form = recognise(path)
        if form == "coco":
            return _check_coco(path, root, walk)
        if form == "voc":
            return _check_voc(path, root, walk)
        if form == "deeplabcut":
            return _check_deeplabcut(path, root, walk)
        if form in ("refcoco", "reasonseg"):
            return _check_referring(path, root, walk)
        if form == "pairs":
            return _check_pairs(path, root, walk)
        if form == "photos":
            return _check_photos(path, root, walk)
        if form == "jsonl":
            return _check_jsonl(path, root, walk)
        return _check_llava(path, root, walk)
    except ValueError as error:
        return [Problem("file", str(error))]


class _Pictures:
    """Opens each picture once, however many records show it."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[int, int] | None, str | None]] = {}

    def look(self, path: str) -> tuple[tuple[int, int] | None, str | None]:
        """((width, height), None) or (None, what is wrong)."""
        if path not in self._known:
            try:
                pixels = Image(path).pixels
                self._known[path] = (pixels.shape[1], pixels.shape[0]), None
            except ValueError as error:
                self._known[path] = None, str(error)
        return self._known[path]

    def compare(self, path: str, width: Any, height: Any) -> str | None:
        """What is wrong with a picture that a record says is width x height, or None."""
        size, wrong = self.look(path)
        if wrong:
            return wrong
        if not (isinstance(width, int) and isinstance(height, int)) or size == (width, height):
            return None
        turned = " (its EXIF block turns it)" if size == (height, width) else ""
        return f"The record says {width} x {height} pixels, the picture {path} is {size[0]} x {size[1]}{turned}."


def _check_photos(path: str | os.PathLike, root: str | os.PathLike | None, walk: Progress) -> list[Problem]:
    pictures = _Pictures()
    looked = ((file, pictures.look(file)[1]) for file in walk(pictures_of(path, root)))
    return [Problem(f"picture {file}", wrong) for file, wrong in looked if wrong]


def _check_coco(path: str | os.PathLike, root: str | os.PathLike | None, walk: Progress) -> list[Problem]:
    data = read_json(path)
    problems = list(structure_problems(data))
    images = [image for image in data["images"] if isinstance(image, dict)]
    folder = Path(root or Path(path).parent)
    categories = [category for category in data.get("categories") or [] if isinstance(category, dict)]
    names = {str(category.get("name")).lower() for category in categories}
    pictures = _Pictures()
    for image in walk(images):
        problems += _coco_image(image, folder, pictures, names)
    sizes = {str(image.get("id")): (image.get("height"), image.get("width")) for image in images}
    for annotation in data.get("annotations") or []:
        if isinstance(annotation, dict) and "segmentation" in annotation:
            sentence = _wrong_mask(annotation, sizes.get(str(annotation.get("image_id"))))
            if sentence:
                problems.append(Problem(f"annotation {annotation.get('id')}", sentence))
    return problems


def _coco_image(image: dict, folder: Path, pictures: _Pictures, names: set[str]) -> Iterator[Problem]:
    record = f"image {image.get('id')}"
    for key in ("file_name", "label_file", "template_file"):
        if isinstance(image.get(key), str) and image[key].strip():
            sentence = pictures.compare(str(folder / image[key]), image.get("width"), image.get("height"))
            if sentence:
                yield Problem(record, sentence)
    for name in image.get("unlabelled_classes") or []:
        if isinstance(name, str) and name.lower() not in names:
            yield Problem(record, f'Its unlabelled class "{name}" is no category of the file.')


def _wrong_mask(annotation: dict, size: tuple | None) -> str | None:
    if size is None or not all(isinstance(side, int) and side > 0 for side in size):
        return None
    shape = annotation["segmentation"]
    if not shape and not annotation.get("iscrowd"):
        # COCO tools write [] for boxes without a mask.
        return None
    wrong = what_is_wrong(shape, *size) or leaves_picture(shape, *size)
    if wrong:
        return f"Its mask is broken: {wrong}."
    mask_HW = decode(to_rles([shape], *size), *size)[0]
    if not mask_HW.any():
        return "Its mask is empty."
    bbox = annotation.get("bbox")
    if isinstance(bbox, list) and len(bbox) == 4 and all(isinstance(value, (int, float)) for value in bbox):
        rows, columns = mask_HW.any(1).nonzero()[0], mask_HW.any(0).nonzero()[0]
        x, y, width, height = bbox
        apart = max(x - columns[-1], columns[0] - x - width, y - rows[-1], rows[0] - y - height)
        if apart > BOX_TO_MASK:
            return f"Its mask and its box do not touch: they are {apart:.0f} pixels apart."
    return None


def _check_voc(path: str | os.PathLike, root: str | os.PathLike | None, walk: Progress) -> list[Problem]:
    records, problems = read_voc(path, root)
    pictures = _Pictures()
    used: dict[str, str] = {}
    for record in walk(records):
        sentence = pictures.compare(record.path, *record.size)
        if sentence:
            problems.append(Problem(record.name, sentence))
        if record.path in used:
            problems.append(Problem(record.name, f"Its picture {record.path} is also that of {used[record.path]}."))
        used.setdefault(record.path, record.name)
    return problems


def _check_deeplabcut(path: str | os.PathLike, root: str | os.PathLike | None, walk: Progress) -> list[Problem]:
    labels = read_deeplabcut(path, root)
    problems = list(labels.problems)
    pictures = _Pictures()
    for frame in walk(labels.frames):
        size, wrong = pictures.look(frame.path)
        problems += [Problem(frame.name, wrong)] if wrong else point_problems(labels, frame, size)
    return problems


def _check_referring(path: str | os.PathLike, root: str | os.PathLike | None, walk: Progress) -> list[Problem]:
    content = read_referring(path, root)
    problems = list(content.problems)
    told = {problem.record for problem in problems}
    pictures = _Pictures()
    for picture in walk(content.pictures):
        size = (picture.height, picture.width)
        sentence = pictures.compare(picture.path, picture.width, picture.height)
        wrong = [what_is_wrong(shape, *size) or leaves_picture(shape, *size) for shape in picture.shapes or ()]
        sentence = sentence or next((f"A mask is broken: {words}." for words in wrong if words), None)
        if sentence and f"image {picture.id}" not in told:
            problems.append(Problem(f"image {picture.id}", sentence))
    return problems


def _check_pairs(path: str | os.PathLike, root: str | os.PathLike | None, walk: Progress) -> list[Problem]:
    pairs, problems = read_pairs(path, root)
    if not pairs and not problems:
        raise ValueError(f"{path} has no records; expected at least one picture with words.")
    pictures = _Pictures()
    for pair in walk(pairs):
        size, sentence = pictures.look(pair.picture)
        if pair.source is not None and sentence is None:
            sentence = pictures.compare(pair.source, *size)
        if sentence:
            problems.append(Problem(pair.place, sentence))
    return problems


def _check_jsonl(path: str | os.PathLike, root: str | os.PathLike | None, walk: Progress) -> list[Problem]:
    folder = str(root or Path(path).parent)
    problems: list[Problem] = []
    pictures = _Pictures()
    for line, _, raw in walk(list(read_lines(path))):
        sentence = wrong_line(raw) or _wrong_conversation(json.loads(raw), folder, pictures)
        if sentence:
            problems.append(Problem(f"line {line}", sentence))
    return problems


def _check_llava(path: str | os.PathLike, root: str | os.PathLike | None, walk: Progress) -> list[Problem]:
    folder = str(root or Path(path).parent)
    records, problems = read_llava(path)
    pictures = _Pictures()
    seen: dict[str, str] = {}
    for place, record in walk(records):
        text = json.dumps(record, sort_keys=True)
        if text in seen:
            problems.append(Problem(place, f"It repeats {seen[text]}, word for word."))
        seen.setdefault(text, place)
        sentence = _wrong_conversation(to_messages(record), folder, pictures)
        if sentence:
            problems.append(Problem(place, sentence))
    return problems


def _wrong_conversation(record: dict, folder: str, pictures: _Pictures) -> str | None:
    try:
        # Without its pictures first: a missing one must not hide behind what depends on its size.
        conversation = Conversation.from_json(record, root=folder, strict=False)
    except ValueError as error:
        return str(error)
    for image in conversation.images:
        if image.kind == "path":
            wrong = pictures.look(image.source)[1]
            if wrong:
                return wrong
        elif image.kind == "data":
            try:
                image.size  # noqa: B018  (opens the picture)
            except ValueError as error:
                return str(error)
    try:
        Conversation(conversation.messages)
        check_videos(conversation)
    except ValueError as error:
        return str(error)
    if not any(message.role == "assistant" for message in conversation.messages):
        return "It has no message of the assistant, so there is nothing to learn from it."
    return None
