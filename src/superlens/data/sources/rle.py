"""COCO segmentations (polygons, plain and compressed RLE) to masks, through pycocotools."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from superlens.formats import rle_decode


def to_rles(shapes: Sequence[Any], height: int, width: int) -> list[dict]:
    """One compressed RLE for each COCO `segmentation` of a picture of height x width pixels.

    Raises ValueError with a sentence when one of them is no segmentation, or is of another size.
    """
    from pycocotools import mask as coco_mask

    rles = []
    for shape in shapes:
        wrong = what_is_wrong(shape, height, width)
        if wrong:
            raise ValueError(f"Broken segmentation: {wrong}.")
        if isinstance(shape, list):
            polygons = [[float(value) for value in polygon] for polygon in shape]
            rle = coco_mask.merge(coco_mask.frPyObjects(polygons, height, width))
        elif isinstance(shape["counts"], list):
            rle = coco_mask.frPyObjects({"size": [height, width], "counts": shape["counts"]}, height, width)
        else:
            counts = shape["counts"]
            rle = {"size": [height, width], "counts": counts.encode("ascii") if isinstance(counts, str) else counts}
        rles.append(rle)
    return rles


def decode(rles: Sequence[dict], height: int, width: int) -> np.ndarray:
    """Masks (n, height, width) bool of compressed RLEs, read-only."""
    if not rles:
        return np.zeros((0, height, width), bool)
    from pycocotools import mask as coco_mask

    masks_HWN = coco_mask.decode(list(rles))
    masks_NHW = np.ascontiguousarray(masks_HWN.transpose(2, 0, 1)).view(bool)
    masks_NHW.flags.writeable = False
    return masks_NHW


def what_is_wrong(shape: Any, height: int, width: int) -> str | None:
    """Why `shape` is not a COCO segmentation of a height x width picture, in words, or None."""
    if isinstance(shape, list):
        return _wrong_polygons(shape)
    if not isinstance(shape, dict) or "size" not in shape or "counts" not in shape:
        return 'a segmentation is a list of polygons or an RLE {"size": [height, width], "counts": ...}'
    size = shape["size"]
    if not (isinstance(size, (list, tuple)) and list(size) == [height, width]):
        return f"the RLE is of size {size}, the picture is {[height, width]} (height, width)"
    try:
        # Ours looks before it walks; pycocotools would read past the end of a broken string.
        rle_decode(shape)
    except ValueError as error:
        return str(error).rstrip(".").replace("The counts", "the counts", 1)
    return None


def leaves_picture(shape: Any, height: int, width: int) -> str | None:
    """Which polygon of a well-formed `segmentation` lies outside the picture by more than a pixel, or None.

    Masks are cut at the border, so this does no harm in training, but it hints at a wrong size.
    """
    for polygon in shape if isinstance(shape, list) else ():
        xs, ys = polygon[0::2], polygon[1::2]
        if min(xs) < -1 or min(ys) < -1 or max(xs) > width + 1 or max(ys) > height + 1:
            return f"a polygon leaves the picture of {width} x {height} pixels"
    return None


def _wrong_polygons(polygons: list) -> str | None:
    if not polygons:
        return "the segmentation is an empty list"
    for polygon in polygons:
        numbers = isinstance(polygon, (list, tuple)) and all(isinstance(value, (int, float)) for value in polygon)
        if not numbers or len(polygon) < 6 or len(polygon) % 2:
            return "a polygon is a flat list x1, y1, x2, y2, ... of at least three points"
        if not np.isfinite(polygon).all():
            return "a polygon holds a number that is not finite"
    return None
