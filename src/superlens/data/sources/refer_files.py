"""Files of referring expressions: RefCOCO, RefCOCO+, RefCOCOg and gRefCOCO (their refs beside COCO's instances), and ReasonSeg.

Names carry shapes: N objects, 4 = x1 y1 x2 y2 in pixels.
"""

from __future__ import annotations

import io
import os
import pickle
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from superlens.data.sources.annotated import Picture
from superlens.data.sources.base import Problem
from superlens.data.sources.coco_records import structure_problems
from superlens.data.sources.files import read_json

INSTANCES = "instances.json"
# Where the usual downloads put COCO's pictures, seen from the folder of the refs.
PICTURES = (".", "images", "train2014", "../images", "../train2014", "../images/train2014", "../images/mscoco/images/train2014")


@dataclass(frozen=True)
class Referred:
    """What some sentences speak of in one picture.

    record: how a message names it. picture: index. objects: indices into the picture's objects, none for what is not there.
    sentences: in words. asks: they are questions whose answer the objects are, not names for them. split: the file's, or "".
    """

    record: str
    picture: int
    objects: tuple[int, ...]
    sentences: tuple[str, ...]
    asks: bool = False
    split: str = ""


@dataclass(frozen=True)
class Referring:
    """A whole file: its pictures, what is referred to in them, and what is broken."""

    pictures: tuple[Picture, ...]
    referred: tuple[Referred, ...]
    problems: tuple[Problem, ...]


class _Plain(pickle.Unpickler):
    """Reads numbers, words, lists and dictionaries; whatever would run code is refused."""

    def find_class(self, module: str, name: str) -> Any:
        raise ValueError(f"it names {module}.{name}, which could run code; only plain lists and dictionaries are read.")

    def persistent_load(self, key: Any) -> Any:
        raise ValueError("it points outside itself; only plain lists and dictionaries are read.")


def read_pickle(path: str | os.PathLike) -> Any:
    """The content of a pickle of plain data (RefCOCO's `refs(unc).p`, written by Python 2), without executing it.

    ValueError for one that holds anything else, or is broken.
    """
    try:
        return _Plain(io.BytesIO(Path(path).read_bytes()), encoding="latin1").load()
    except ValueError as error:
        raise ValueError(f"{path} is no pickle of plain data: {error}") from error
    except Exception as error:  # whatever a broken pickle makes of the machine that reads it
        raise ValueError(f"{path} is no readable pickle: {type(error).__name__}.") from error


def read_refcoco(path: str | os.PathLike, root: str | os.PathLike | None = None) -> Referring:
    """RefCOCO's refs (a pickle) or gRefCOCO's (JSON), with `instances.json` beside them.

    Pictures are looked for in `root`, or in the usual places near the file. ValueError when there are no instances, or no refs.
    """
    path = Path(path)
    refs = read_json(path) if _is_json(path) else read_pickle(path)
    if not isinstance(refs, list) or not all(isinstance(ref, dict) for ref in refs):
        raise ValueError(f"{path} is no list of refs; a file of RefCOCO is one.")
    beside = path.parent / INSTANCES
    if not beside.is_file():
        raise ValueError(f"{path} needs COCO's {INSTANCES} beside it: there is no {beside}.")
    data = read_json(beside)
    problems = list(structure_problems(data))
    if problems:
        return Referring((), (), tuple(problems))
    used = {ref.get("image_id") for ref in refs}
    images = [image for image in data["images"] if image["id"] in used]
    objects = defaultdict(list)
    for annotation in data["annotations"]:
        objects[annotation["image_id"]].append(annotation)
    places = [Path(root)] if root is not None else [path.parent / place for place in PICTURES]
    pictures = tuple(_coco_picture(image, objects[image["id"]], places) for image in images)
    problems += [Problem(f"image {p.id}", f"There is no picture {p.path}.") for p in pictures if not os.path.isfile(p.path)]
    number = {image["id"]: at for at, image in enumerate(images)}
    row = {a["id"]: at for image in images for at, a in enumerate(objects[image["id"]])}
    referred = []
    for at, ref in enumerate(refs):
        one = _ref(ref, at, number, row)
        (problems if isinstance(one, Problem) else referred).append(one)
    return Referring(pictures, tuple(referred), tuple(problems))


def _ref(ref: dict, at: int, number: dict, row: dict) -> Referred | Problem:
    record = f"ref {ref.get('ref_id', at)}"
    if ref.get("image_id") not in number:
        return Problem(record, f"Its image {ref.get('image_id')!r} is not in {INSTANCES}.")
    ids = ref.get("ann_id")
    ids = ids if isinstance(ids, list) else [ids]
    ids = [] if ref.get("no_target") or ids == [-1] else ids
    unknown = [one for one in ids if one not in row]
    if unknown:
        return Problem(record, f"Its annotation {unknown[0]!r} is not in {INSTANCES}.")
    said = [s.get("sent") or s.get("raw") for s in ref.get("sentences") or () if isinstance(s, dict)]
    sentences = tuple(dict.fromkeys(" ".join(words.split()) for words in said if isinstance(words, str) and words.strip()))
    if not sentences:
        return Problem(record, "It has no sentence.")
    return Referred(record, number[ref["image_id"]], tuple(row[one] for one in ids), sentences, split=str(ref.get("split") or ""))


def _coco_picture(image: dict, annotations: list[dict], places: Iterable[Path]) -> Picture:
    candidates = [str(place / image["file_name"]) for place in places]
    path = next((name for name in candidates if os.path.isfile(name)), candidates[0])
    xywh_N4 = np.array([a["bbox"] for a in annotations], np.float32).reshape(-1, 4)
    limits = [image["width"], image["height"]] * 2
    xyxy_N4 = np.concatenate([xywh_N4[:, :2], xywh_N4[:, :2] + xywh_N4[:, 2:]], 1).clip(0, limits)
    masked = bool(annotations) and all(a.get("segmentation") for a in annotations)
    return Picture(
        image["id"],
        os.path.normpath(path),
        image["width"],
        image["height"],
        classes_N=np.zeros(len(annotations), int),
        xyxy_N4=xyxy_N4.astype(np.float32),
        crowd_N=np.array([bool(a.get("iscrowd")) for a in annotations], bool),
        shapes=tuple(a["segmentation"] for a in annotations) if masked else None,
    )


def read_reasonseg(path: str | os.PathLike, root: str | os.PathLike | None = None) -> Referring:
    """A ReasonSeg folder: for each picture X.jpg a X.json with questions (`text`) and polygons (`shapes`: "target", "ignore").

    All target polygons of a picture are one mask; what is to be ignored is another, marked so.
    """
    from superlens.message import Image

    pictures, referred, problems = [], [], []
    for file in sorted(Path(path).glob("*.json")):
        picture = _beside(Path(root) / file.name if root else file)
        try:
            content = _readable(file)
            if picture is None:
                raise ValueError("There is no picture of its name (.jpg, .jpeg or .png) beside it.")
            width, height = Image(str(picture)).size
            polygons = _polygons(content)
        except ValueError as error:
            problems.append(Problem(file.name, str(error)))
            continue
        shapes = [polygons[label] for label in ("target", "ignore") if polygons[label]]
        kinds = [label == "ignore" for label in ("target", "ignore") if polygons[label]]
        boxes_N4 = np.array([_bounds(shape) for shape in shapes], np.float32).reshape(-1, 4).clip(0, [width, height] * 2)
        empty = np.zeros(len(shapes), int)
        pictures.append(Picture(file.stem, str(picture), width, height, empty, boxes_N4, np.array(kinds, bool), tuple(shapes)))
        texts = content["text"] if isinstance(content["text"], list) else [content["text"]]
        asks = bool(content.get("is_sentence"))
        targets = tuple(at for at, ignored in enumerate(kinds) if not ignored)
        referred.append(Referred(file.name, len(pictures) - 1, targets, tuple(" ".join(t.split()) for t in texts), asks))
    return Referring(tuple(pictures), tuple(referred), tuple(problems))


def _readable(file: Path) -> dict:
    content = read_json(file)
    texts = content.get("text") if isinstance(content, dict) else None
    texts = [texts] if isinstance(texts, str) else texts
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        raise ValueError('It has no "text", the question in words.')
    if not isinstance(content.get("shapes"), list):
        raise ValueError('It has no "shapes", a list of polygons.')
    return content


def _polygons(content: dict) -> dict[str, list[list[float]]]:
    """Flat polygons of each label. ValueError for a shape that is none."""
    found: dict[str, list[list[float]]] = {"target": [], "ignore": []}
    for at, shape in enumerate(content["shapes"]):
        try:
            points = np.array(shape["points"], np.float64)
            label = "ignore" if str(shape["label"]).lower().startswith("ignore") else "target"
        except (KeyError, TypeError, ValueError):
            raise ValueError(f'Its shape {at} needs a "label" and "points" [[x, y], ...].') from None
        if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3 or not np.isfinite(points).all():
            raise ValueError(f"Its shape {at} is no polygon of at least three points.")
        found[label].append(points.ravel().tolist())
    return found


def _bounds(polygons: list[list[float]]) -> list[float]:
    points_P2 = np.concatenate([np.reshape(polygon, (-1, 2)) for polygon in polygons])
    return [*points_P2.min(0), *points_P2.max(0)]


def _beside(file: Path) -> Path | None:
    return next((found for end in (".jpg", ".jpeg", ".png") if (found := file.with_suffix(end)).is_file()), None)


def _is_json(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"[", b"{")
