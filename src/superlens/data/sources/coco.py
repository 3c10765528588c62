"""COCO JSON files: instances, keypoints, semantic masks and captions, told apart by what is in them."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from superlens.data import templates
from superlens.data.augment import Augment
from superlens.data.sources import phrases
from superlens.data.sources.annotated import AnnotatedSource, Picture, read_pixels
from superlens.data.sources.base import Example, LazyExamples, Problem, Source, refuse
from superlens.data.sources.cache import ByteCache
from superlens.data.sources.coco_records import structure_problems
from superlens.data.sources.files import read_json
from superlens.message import Conversation, Image, Message, Text


def is_captions(data: dict) -> bool:
    """True when the annotations are captions."""
    annotations = data.get("annotations") or []
    return bool(annotations) and "caption" in annotations[0] and "bbox" not in annotations[0]


def is_semantic(data: dict, path: str | os.PathLike = "") -> bool:
    """True when a mask is all pixels of a class in its picture, not one object."""
    info = data.get("info")
    if isinstance(info, dict) and "semantic" in info:
        return bool(info["semantic"])
    return any("label_file" in image for image in data["images"]) or "semantic" in Path(path).name.lower()


def open_coco(path: str | os.PathLike, **options: Any) -> Source:
    """`CocoCaptions` or `CocoSource`, by content; options as theirs. ValueError for files with nothing to ask."""
    data = _read(path)
    return CocoCaptions(path, data=data, **options) if is_captions(data) else CocoSource(path, data=data, **options)


class CocoSource(AnnotatedSource):
    """A COCO file with boxes, masks or keypoints; what is asked of it is described in `AnnotatedSource`.

    path: the JSON; pictures are looked for relative to its folder, or to `root`. tasks, augment, cache_mb: as there.
    data: the content of the file where it has been read already.
    Objects with `iscrowd` are ignored. Categories in an image's `unlabelled_classes` are never asked for there.
    Files with keypoints do not claim that everybody is labelled: nothing is counted or denied in them. Each category names its own
    points; objects without a labelled point are ignored where points are asked for.
    Raises ValueError with one sentence when the file has broken records or names pictures that are not there.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        tasks: dict[str, float] | None = None,
        augment: Augment | None = None,
        cache_mb: float = 600,
        root: str | os.PathLike | None = None,
        data: dict | None = None,
    ) -> None:
        data = _read(path) if data is None else data
        categories = data.get("categories") or []
        if not categories or not data["images"]:
            raise ValueError(f"{path} has no categories or no images, so there is nothing to ask; expected both.")
        # Some exports list a category twice, under two ids: to words they are one.
        names: dict[str, str] = {}
        for category in categories:
            names.setdefault(phrases.lower(category["name"]), category["name"])
        order = {phrase: at for at, phrase in enumerate(names)}
        places = {category["id"]: order[phrases.lower(category["name"])] for category in categories}
        semantic = is_semantic(data, path)
        point_names = _point_names(path, categories, places)
        pictures = _pictures(data, places, Path(root or Path(path).parent))
        _refuse_missing(path, pictures)
        super().__init__(
            str(path),
            list(names.values()),
            pictures,
            tasks,
            augment,
            cache_mb,
            semantic=semantic,
            complete=not any("keypoints" in category for category in categories),
            point_names=point_names if any(picture.points is not None for picture in pictures) else None,
        )
        if semantic and not self.has_masks:
            raise ValueError(f'{path} says it is semantic, but its annotations have no "segmentation"; add them.')


class CocoCaptions(Source):
    """A COCO file with captions: a picture is asked to be described, one of its captions is the answer.

    Arguments as those of `CocoSource`; `augment` is accepted and not used, since captions speak of places.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        tasks: dict[str, float] | None = None,
        augment: Augment | None = None,
        cache_mb: float = 600,
        root: str | os.PathLike | None = None,
        data: dict | None = None,
    ) -> None:
        data = _read(path) if data is None else data
        for task in tasks or {}:
            if task != "caption":
                raise ValueError(f'{path} can not teach the task "{task}"; it has labels for caption.')
        said = defaultdict(list)
        for annotation in data["annotations"]:
            said[annotation["image_id"]].append(annotation["caption"].strip())
        self.name = str(path)
        self.captions = tuple(tuple(said[image["id"]]) for image in data["images"] if said[image["id"]])
        empty = np.zeros(0, int), np.zeros((0, 4), np.float32), np.zeros(0, bool)
        folder = Path(root or Path(path).parent)
        self.pictures = tuple(
            Picture(image["id"], str(folder / image["file_name"]), image["width"], image["height"], *empty)
            for image in data["images"]
            if said[image["id"]]
        )
        _refuse_missing(path, self.pictures)
        self._cache = ByteCache(cache_mb)

    def __len__(self) -> int:
        return len(self.pictures)

    def conversation(self, index: int, rng: np.random.Generator) -> Conversation:
        """See `Source`: the question is worded by the training templates, the caption is drawn."""
        picture = self.pictures[self._check_index(index)]
        captions = self.captions[index]
        question = templates.ask("caption", rng)
        answer = _sentence(captions[int(rng.integers(len(captions)))])
        shown = Image(self._cache.get(picture.id, partial(read_pixels, picture)))
        return Conversation((Message("user", (shown, Text(question))), Message("assistant", (Text(answer),))))

    def examples(self, part: str, seed: int = 0, limit: int | None = None) -> Sequence[Example]:
        """See `Source`: one question a picture, the first caption is the reference."""
        if part != "text":
            raise ValueError(f'{self.name} has no part "{part}" to evaluate; it has captions: choose text.')
        return LazyExamples(range(len(self)), partial(self.example, seed=seed), limit)

    def example(self, index: int, seed: int = 0, held_out: bool = True, which: int = 0) -> Example:
        """The question about picture `index`, and its caption `which` (from 0)."""
        picture = self.pictures[index]
        question = templates.ask("caption", np.random.default_rng((seed, index, which)), held_out=held_out)
        shown = Image(picture.path, size=(picture.width, picture.height))
        answer = Message("assistant", (Text(_sentence(self.captions[index][which])),))
        return Example(Conversation((Message("user", (shown, Text(question))),)), answer, picture.id, "caption")


def _read(path: str | os.PathLike) -> dict:
    data = read_json(path)
    refuse(str(path), list(structure_problems(data)))
    return data


def _refuse_missing(path: str | os.PathLike, pictures: Sequence[Picture]) -> None:
    gone = [picture for picture in pictures if not os.path.isfile(picture.path)]
    refuse(str(path), [Problem(f"image {picture.id}", f"There is no picture {picture.path}.") for picture in gone])


def _pictures(data: dict, places: dict, folder: Path) -> list[Picture]:
    found = defaultdict(list)
    for annotation in data.get("annotations") or []:
        found[annotation["image_id"]].append(annotation)
    named = {phrases.lower(category["name"]): places[category["id"]] for category in data["categories"]}
    any_masks = any(annotation.get("segmentation") for annotation in data.get("annotations") or [])
    any_points = any(annotation.get("keypoints") for annotation in data.get("annotations") or [])
    counts = {category["id"]: len(category.get("keypoints") or ()) for category in data["categories"]}
    pictures = []
    for image in data["images"]:
        objects = found[image["id"]]
        size = (image["width"], image["height"])
        masked = any_masks and all(annotation.get("segmentation") for annotation in objects)
        pictures.append(
            Picture(
                image["id"],
                str(folder / image["file_name"]),
                *size,
                classes_N=np.array([places[annotation["category_id"]] for annotation in objects], int),
                xyxy_N4=_corners([annotation["bbox"] for annotation in objects], *size),
                crowd_N=np.array([bool(annotation.get("iscrowd", 0)) for annotation in objects], bool),
                shapes=tuple(annotation["segmentation"] for annotation in objects) if masked else None,
                unlabelled=frozenset(_unlabelled(image, named, places)),
                points=tuple(_points(item, counts[item["category_id"]], *size) for item in objects) if any_points else None,
                area_N=_areas(objects) if any_points else None,
            )
        )
    return pictures


def _point_names(path: str | os.PathLike, categories: list, places: dict) -> dict[int, tuple[str, ...]]:
    """Category (index) -> the names of its points in words, for those that have points."""
    names: dict[int, tuple[str, ...]] = {}
    for category in categories:
        words = tuple(phrases.spaced(name) for name in category.get("keypoints") or ())
        if words and names.setdefault(places[category["id"]], words) != words:
            raise ValueError(f'{path} has the category "{category["name"]}" twice, with different keypoints; rename one of them.')
    return names


def _points(annotation: dict, count: int, width: int, height: int) -> np.ndarray:
    """(K, 3) float32: x, y, v; zeros where a point is not labelled."""
    xyv_K3 = np.array(annotation.get("keypoints") or [0] * (3 * count), np.float32).reshape(-1, 3)
    xyv_K3[:, :2] = xyv_K3[:, :2].clip(0, [width, height])
    xyv_K3[xyv_K3[:, 2] == 0] = 0
    return xyv_K3


def _areas(objects: list) -> np.ndarray:
    """(N,) float32 square pixels: `area` of the file, else that of the box."""
    return np.array([item.get("area") or item["bbox"][2] * item["bbox"][3] for item in objects], np.float32)


def _corners(bboxes: list, width: int, height: int) -> np.ndarray:
    xywh_N4 = np.array(bboxes, np.float64).reshape(-1, 4)
    xyxy_N4 = np.concatenate([xywh_N4[:, :2], xywh_N4[:, :2] + xywh_N4[:, 2:]], axis=1)
    return xyxy_N4.clip(0, [width, height, width, height]).astype(np.float32)


def _unlabelled(image: dict, named: dict, places: dict):
    """Indices of the categories in `unlabelled_classes`, given by name or id."""
    for word in image.get("unlabelled_classes") or ():
        if word in places:
            yield places[word]
        elif isinstance(word, str) and phrases.lower(word) in named:
            yield named[phrases.lower(word)]


def _sentence(caption: str) -> str:
    """A caption with a capital at its start and a full stop at its end, spaces tidied."""
    words = " ".join(caption.split())
    words = words[:1].upper() + words[1:]
    return words if words.endswith((".", "!", "?")) else words.rstrip(" ,;") + "."
