"""What can be wrong in a COCO file without opening a picture: keys, ids, sizes, boxes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from superlens.data.sources import phrases
from superlens.data.sources.base import Problem

# Annotation tools round; boxes may stick out by this many pixels and are clipped on reading.
TOLERANCE = 1.0


def structure_problems(data: Any) -> Iterator[Problem]:
    """Every broken record of the content of a COCO file (instances, semantic, captions, keypoints)."""
    if not isinstance(data, dict) or not isinstance(data.get("images"), list):
        yield Problem("file", 'A COCO file is an object with a list "images"; this one has none.')
        return
    for key in ("annotations", "categories"):
        if not isinstance(data.get(key, []), list):
            yield Problem("file", f'"{key}" is a {type(data[key]).__name__}, expected a list.')
            return
    sizes: dict = {}
    yield from _images(data["images"], sizes)
    categories: dict = {}
    yield from _categories(data.get("categories", []), categories)
    yield from _annotations(data.get("annotations", []), sizes, categories)


def _images(images: list, sizes: dict) -> Iterator[Problem]:
    files: dict = {}
    for at, image in enumerate(images):
        if not isinstance(image, dict) or not _is_id(image.get("id")):
            yield Problem(f"image at position {at}", 'It has no "id" (a whole number or a word).')
            continue
        record = f"image {image['id']}"
        if image["id"] in sizes:
            yield Problem(record, "This id is used by more than one image.")
        width, height = image.get("width"), image.get("height")
        good = all(isinstance(side, int) and not isinstance(side, bool) and side > 0 for side in (width, height))
        sizes[image["id"]] = (width, height) if good else None
        if not good:
            yield Problem(record, f"Its width and height are {width} and {height}, expected whole numbers above 0.")
        name = image.get("file_name")
        if not isinstance(name, str) or not name.strip():
            yield Problem(record, f'Its "file_name" is {name!r}, expected the path of a picture.')
        elif name in files:
            yield Problem(record, f"Its picture {name} is also that of image {files[name]}.")
        else:
            files[name] = image["id"]


def _categories(categories: list, known: dict) -> Iterator[Problem]:
    """Fills `known`: id -> the names of its points, or None where it has none."""
    for at, category in enumerate(categories):
        if not isinstance(category, dict) or not _is_id(category.get("id")):
            yield Problem(f"category at position {at}", 'It has no "id".')
            continue
        record = f"category {category['id']}"
        if category["id"] in known:
            yield Problem(record, "This id is used by more than one category.")
        known[category["id"]] = None
        name = category.get("name")
        if not isinstance(name, str) or not name.strip():
            yield Problem(record, f'Its "name" is {name!r}, expected a word.')
        if category.get("keypoints"):
            points = category["keypoints"]
            if not isinstance(points, list) or not all(isinstance(point, str) and point.strip() for point in points):
                yield Problem(record, f'Its "keypoints" are {points!r:.60}, expected a list of names.')
            elif len({phrases.spaced(point) for point in points}) < len(points):
                yield Problem(record, 'Two of its "keypoints" have the same name.')
            known[category["id"]] = points if isinstance(points, list) else None


def _annotations(annotations: list, sizes: dict, categories: dict) -> Iterator[Problem]:
    seen: set = set()
    for at, annotation in enumerate(annotations):
        if not isinstance(annotation, dict):
            yield Problem(f"annotation at position {at}", f"It is a {type(annotation).__name__}, expected an object.")
            continue
        number = annotation.get("id")
        record = f"annotation {number}" if _is_id(number) else f"annotation at position {at}"
        if not _is_id(number):
            yield Problem(record, 'It has no "id".')
        elif number in seen:
            yield Problem(record, "This id is used by more than one annotation.")
        else:
            seen.add(number)
        sentence = _wrong_annotation(annotation, sizes, categories)
        if sentence:
            yield Problem(record, sentence)


def _wrong_annotation(annotation: dict, sizes: dict, categories: dict) -> str | None:
    image = annotation.get("image_id")
    if not _is_id(image) or image not in sizes:
        return f"Its image_id {image!r} is that of no image."
    if "caption" in annotation and "bbox" not in annotation:
        caption = annotation["caption"]
        return None if isinstance(caption, str) and caption.strip() else "Its caption is empty or no text."
    category = annotation.get("category_id")
    if not _is_id(category) or category not in categories:
        return f"Its category_id {category!r} is that of no category."
    if annotation.get("iscrowd", 0) not in (0, 1):
        return f'Its "iscrowd" is {annotation["iscrowd"]!r}, expected 0 or 1.'
    wrong = wrong_box(annotation.get("bbox"), sizes[image])
    if wrong or not annotation.get("keypoints"):
        return wrong
    if not categories[category]:
        return f'It has keypoints, but no names for them: list them as "keypoints" of category {category}.'
    return wrong_points(annotation["keypoints"], categories[category], sizes[image])


def wrong_box(bbox: Any, size: tuple[int, int] | None) -> str | None:
    """Why [x, y, width, height] is not a box in a picture of `size` (width, height), or None."""
    numbers = isinstance(bbox, (list, tuple)) and len(bbox) == 4
    numbers = numbers and all(isinstance(value, (int, float)) and math.isfinite(value) for value in bbox)
    if not numbers:
        return f"Its bbox is {bbox!r}, expected [x, y, width, height] in pixels."
    x, y, width, height = bbox
    if width <= 0 or height <= 0:
        return f"Its box {list(bbox)} is empty (width {width}, height {height})."
    if size is None:
        return None
    over = max(-x, -y, x + width - size[0], y + height - size[1])
    if over > TOLERANCE:
        return f"Its box {list(bbox)} leaves the picture of {size[0]} x {size[1]} pixels by {over:g}."
    return None


def wrong_points(keypoints: Any, names: Sequence[str], size: tuple[int, int] | None) -> str | None:
    """Why [x, y, v, x, y, v, ...] are not the points `names` in a picture of `size` (width, height), or None."""
    if not isinstance(keypoints, (list, tuple)) or len(keypoints) != 3 * len(names):
        got = len(keypoints) if isinstance(keypoints, (list, tuple)) else repr(keypoints)
        return f"Its keypoints are {got} numbers, expected x, y, v of {len(names)} points: {3 * len(names)} numbers."
    if not all(isinstance(value, (int, float)) and math.isfinite(value) for value in keypoints):
        return "Its keypoints hold something that is no number, expected x, y, v of every point."
    for name, x, y, v in zip(names, keypoints[::3], keypoints[1::3], keypoints[2::3], strict=True):
        if v not in (0, 1, 2):
            return f'The v of its point "{name}" is {v}, expected 0 (not labelled), 1 (hidden) or 2 (visible).'
        if v and size is not None and max(-x, -y, x - size[0], y - size[1]) > TOLERANCE:
            return f'Its point "{name}" ({x:g}, {y:g}) is outside the picture of {size[0]} x {size[1]} pixels.'
    return None


def _is_id(value: Any) -> bool:
    return isinstance(value, (int, str)) and not isinstance(value, bool)
