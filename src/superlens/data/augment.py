"""Random views of a picture for training: scale, crop, flip and colour, with boxes, masks and keypoints following.

Names carry shapes: N objects, H rows, W columns, C channels, K points, 4 = x1 y1 x2 y2 in pixels, 3 = x, y in pixels and v.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from superlens.message import Boxes, Conversation, Image, Keypoints, Masks, Message, Text

DROP_BELOW = 0.3
IGNORE_BELOW = 0.6
MOST_UPSCALING = 1.5
# A mirrored picture makes these words wrong.
PLACE_WORDS = re.compile(
    r"\b(left|right|leftmost|rightmost|above|below|top|bottom|upper|lower|under|over|beneath|clockwise|mirrored)\b",
    re.IGNORECASE,
)
# Names of points on one side: "left ear", "leftear", "ear_left"; "l ear". The first pattern tells that a name surely is one.
SIDED = re.compile(r"(?<![a-z])(left|right)")
_OTHER_SIDE = {"left": "right", "right": "left", "l": "r", "r": "l"}


@dataclass(frozen=True)
class View:
    """One random view: a window of the picture, resized, mirrored, recoloured.

    left, top, width, height: the window in pixels of the original picture (integers).
    out_width, out_height: its size after resizing, before a quarter turn.
    gains_C, contrast, saturation: colour factors, 1 = unchanged.
    """

    left: int
    top: int
    width: int
    height: int
    out_width: int
    out_height: int
    flip_x: bool = False
    flip_y: bool = False
    turn: bool = False
    gains_C: tuple[float, ...] = (1.0, 1.0, 1.0)
    contrast: float = 1.0
    saturation: float = 1.0

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the view in pixels."""
        return (self.out_height, self.out_width) if self.turn else (self.out_width, self.out_height)

    @property
    def reflected(self) -> bool:
        """True for a mirror image: an odd number of mirrorings. (The quarter turn is one: it swaps rows and columns.)"""
        return (self.flip_x + self.flip_y + self.turn) % 2 == 1

    def pixels(self, pixels: np.ndarray) -> np.ndarray:
        """The view of uint8 pixels (H, W, C) or (H, W): uint8, C-contiguous, same number of channels."""
        from PIL import Image as Pil

        window = pixels[self.top : self.top + self.height, self.left : self.left + self.width]
        out_size = (self.out_width, self.out_height)
        if (self.width, self.height) != out_size:
            picture = Pil.fromarray(np.ascontiguousarray(window))
            window = np.asarray(picture.resize(out_size, Pil.Resampling.BILINEAR, reducing_gap=2.0))
        return _frozen(self._mirror(self._recolour(window)))

    def labels(self, labels_HW: np.ndarray) -> np.ndarray:
        """The view of a map of whole numbers or booleans (..., H, W), by nearest pixel: same type."""
        rows = self.top + _nearest(self.out_height, self.height)
        columns = self.left + _nearest(self.out_width, self.width)
        # Rows first: it copies whole lines, and the second step then touches the small window only.
        window = labels_HW[..., rows, :][..., columns]
        if self.turn:
            window = np.swapaxes(window, -1, -2)
        if self.flip_x:
            window = window[..., ::-1]
        if self.flip_y:
            window = window[..., ::-1, :]
        return _frozen(window)

    def boxes(self, xyxy_N4: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Boxes of the picture in pixels of the view, clipped, and the share of each box's area that stayed in (N,)."""
        boxes_N4 = np.array(xyxy_N4, dtype=np.float64).reshape(-1, 4)
        area_N = (boxes_N4[:, 2] - boxes_N4[:, 0]) * (boxes_N4[:, 3] - boxes_N4[:, 1])
        boxes_N4[:, 0::2] = (boxes_N4[:, 0::2] - self.left).clip(0, self.width)
        boxes_N4[:, 1::2] = (boxes_N4[:, 1::2] - self.top).clip(0, self.height)
        kept_N = (boxes_N4[:, 2] - boxes_N4[:, 0]) * (boxes_N4[:, 3] - boxes_N4[:, 1])
        boxes_N4[:, 0::2] *= self.out_width / self.width
        boxes_N4[:, 1::2] *= self.out_height / self.height
        if self.turn:
            boxes_N4 = boxes_N4[:, [1, 0, 3, 2]]
        width, height = self.size
        if self.flip_x:
            boxes_N4[:, [0, 2]] = width - boxes_N4[:, [2, 0]]
        if self.flip_y:
            boxes_N4[:, [1, 3]] = height - boxes_N4[:, [3, 1]]
        return boxes_N4.astype(np.float32), kept_N / np.maximum(area_N, 1e-9)

    def points(self, xyv_NK3: np.ndarray) -> np.ndarray:
        """Points of the picture in pixels of the view, (N, K, 3) float32; those outside, and those with v = 0, are zeros."""
        xyv_NK3 = np.array(xyv_NK3, dtype=np.float64)
        xy_NK2 = xyv_NK3[..., :2] - [self.left, self.top]
        seen_NK = (xyv_NK3[..., 2] > 0) & (xy_NK2 >= 0).all(-1) & (xy_NK2 <= [self.width, self.height]).all(-1)
        xy_NK2 *= [self.out_width / self.width, self.out_height / self.height]
        if self.turn:
            xy_NK2 = xy_NK2[..., ::-1]
        flips, size = np.array([self.flip_x, self.flip_y]), np.array(self.size)
        xyv_NK3[..., :2] = np.where(flips, size - xy_NK2, xy_NK2)
        xyv_NK3[~seen_NK] = 0
        return xyv_NK3.astype(np.float32)

    def _mirror(self, window: np.ndarray) -> np.ndarray:
        if self.turn:
            window = np.swapaxes(window, 0, 1)
        if self.flip_x:
            window = window[:, ::-1]
        return window[::-1] if self.flip_y else window

    def _recolour(self, window: np.ndarray) -> np.ndarray:
        if self.contrast == self.saturation == 1.0 and set(self.gains_C) == {1.0}:
            return window
        middle = float(window[::4, ::4].mean())
        levels = (np.arange(256) - middle) * self.contrast + middle
        if window.ndim == 2:
            return np.rint(levels * self.gains_C[0]).clip(0, 255).astype(np.uint8)[window]
        tables = [np.rint(levels * gain).clip(0, 255).astype(np.uint8) for gain in self.gains_C]
        changed = np.stack([tables[channel][window[..., channel]] for channel in range(3)], axis=-1)
        if self.saturation == 1.0:
            return changed
        from PIL import Image as Pil
        from PIL import ImageEnhance

        return np.asarray(ImageEnhance.Color(Pil.fromarray(changed)).enhance(self.saturation))


def _frozen(array: np.ndarray) -> np.ndarray:
    # Parts share a read-only array and copy a writeable one.
    array = np.ascontiguousarray(array)
    if array.flags.writeable:
        array.flags.writeable = False
    return array


def _nearest(out: int, source: int) -> np.ndarray:
    return np.minimum(((np.arange(out) + 0.5) * (source / out)).astype(np.int64), source - 1)


@dataclass(frozen=True)
class Augment:
    """Random training views.

    side: longest side of a view, pixels. long_side: what the whole picture's longer side is resized to, before the
    random factor in `scale` (low, high); the original is never enlarged more than 1.5 times.
    flip, vertical, turn: mirror left-right, mirror top-bottom, turn by a quarter, each in half of the views.
    colour: strength of the brightness, contrast and colour changes, 0 to 1.
    """

    side: int = 256
    long_side: int = 384
    scale: tuple[float, float] = (0.7, 1.4)
    flip: bool = True
    colour: float = 0.3
    vertical: bool = False
    turn: bool = False

    def __post_init__(self) -> None:
        if self.side < 1 or self.long_side < 1:
            raise ValueError(f"side and long_side are pixels, at least 1; got {self.side} and {self.long_side}.")
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(f"scale is (low, high) with 0 < low <= high; got {tuple(self.scale)}.")
        if not 0 <= self.colour <= 1:
            raise ValueError(f"colour is a strength from 0 to 1; got {self.colour}.")

    def view(self, width: int, height: int, rng: np.random.Generator, may_flip: bool = True) -> View:
        """A random view of a picture of width x height pixels. `may_flip=False`: keep left left and up up."""
        wanted = self.long_side / max(width, height) * rng.uniform(*self.scale)
        factor = min(wanted, MOST_UPSCALING)
        window = (min(width, max(1, round(self.side / factor))), min(height, max(1, round(self.side / factor))))
        left = int(rng.integers(0, width - window[0] + 1))
        top = int(rng.integers(0, height - window[1] + 1))
        out = [min(self.side, max(1, round(length * factor))) for length in window]
        flips = rng.random(3) < 0.5
        colours = rng.uniform(-1, 1, 6)
        gains = tuple((1 + self.colour * colours[0]) * (1 + 0.3 * self.colour * tint) for tint in colours[1:4])
        return View(
            left,
            top,
            *window,
            *out,
            flip_x=bool(self.flip and may_flip and flips[0]),
            flip_y=bool(self.vertical and may_flip and flips[1]),
            turn=bool(self.turn and may_flip and flips[2]),
            gains_C=gains if self.colour else (1.0, 1.0, 1.0),
            contrast=1 + 0.7 * self.colour * float(colours[4]),
            saturation=1 + self.colour * float(colours[5]),
        )

    def __call__(self, conversation: Conversation, rng: np.random.Generator) -> Conversation:
        """A random view of a conversation about one picture whose answers are boxes, masks or keypoints.

        Other conversations (several pictures, other parts, regions drawn by the user) come back unchanged.
        """
        if not _can_follow(conversation):
            return conversation
        pixels = conversation.images[0].pixels
        may_flip = not any(PLACE_WORDS.search(message.text) for message in conversation.messages)
        may_flip &= all(mirror_order(part.names) is not None for message in conversation.messages for part in message.keypoints)
        view = self.view(pixels.shape[1], pixels.shape[0], rng, may_flip)
        seen = Image(view.pixels(pixels))
        messages = [
            Message(message.role, tuple(_follow(part, view, seen) for part in message.content), message.notes)
            for message in conversation.messages
        ]
        return Conversation(tuple(messages))


def _can_follow(conversation: Conversation) -> bool:
    parts = [part for message in conversation.messages for part in message.content]
    kinds = {type(part) for part in parts}
    pictures = sum(isinstance(part, Image) for part in parts)
    return pictures == 1 and kinds <= {Text, Image, Boxes, Masks, Keypoints} and bool(kinds - {Text, Image})


def _follow(part, view: View, seen: Image):
    if isinstance(part, Image):
        return seen
    if isinstance(part, Boxes):
        return see_boxes(view, part.label, part.xyxy, part.ignore)
    if isinstance(part, Masks):
        return see_masks(view, part.label, part.masks, part.ignore)
    return see_points(view, part) if isinstance(part, Keypoints) else part


def see_boxes(view: View | None, label: str, xyxy_N4: np.ndarray, ignore_N: np.ndarray | None = None) -> Boxes:
    """Boxes as the view sees them: dropped below 30 % of their area, ignored below 60 %."""
    ignore_N = np.zeros(len(xyxy_N4), bool) if ignore_N is None else np.asarray(ignore_N, bool)
    if view is not None:
        xyxy_N4, share_N = view.boxes(xyxy_N4)
        sides_N2 = xyxy_N4[:, 2:] - xyxy_N4[:, :2]
        keep_N = (share_N >= DROP_BELOW) & (sides_N2 > 0.5).all(1)
        ignore_N = (ignore_N | (share_N < IGNORE_BELOW))[keep_N]
        xyxy_N4 = xyxy_N4[keep_N]
    return Boxes(label, np.asarray(xyxy_N4, np.float32).reshape(-1, 4), ignore=ignore_N if ignore_N.any() else None)


def see_masks(
    view: View | None, label: str, masks_NHW: np.ndarray, ignore_N: np.ndarray | None = None, whole: bool = True
) -> Masks:
    """Masks as the view sees them.

    whole=True: masks are objects, one with less than 60 % of its area in the view is ignored. (It is not dropped
    below 30 % as a box is: its pixels are still there to be seen.) whole=False: masks are stuff, any piece counts.
    """
    ignore_N = np.zeros(len(masks_NHW), bool) if ignore_N is None else np.asarray(ignore_N, bool)
    if view is not None:
        seen_NHW = view.labels(masks_NHW)
        area_N = seen_NHW.sum((1, 2))
        keep_N = area_N > 0
        if whole:
            factor = view.out_width * view.out_height / (view.width * view.height)
            share_N = area_N / np.maximum(masks_NHW.sum((1, 2)) * factor, 1e-9)
            ignore_N = ignore_N | (share_N < IGNORE_BELOW)
        masks_NHW, ignore_N = seen_NHW[keep_N], ignore_N[keep_N]
    return Masks(label, masks_NHW, ignore=ignore_N if ignore_N.any() else None)


def see_points(view: View, part: Keypoints) -> Keypoints:
    """Keypoints as the view sees them: points outside are not labelled there; in a mirror image left and right change names.

    An object is ignored when less than 60 % of its box (where it has none: of its labelled points) is in the view, or no labelled point
    is. It is dropped when that is less than 30 % and no labelled point is.
    Raises ValueError when the view is a mirror image and `mirror_order` of the names is None.
    """
    xyv_NK3, had_NK = view.points(part.xyv), part.xyv[..., 2] > 0
    if view.reflected:
        order = mirror_order(part.names)
        if order is None:
            raise ValueError(f"A mirror image needs the points of both sides, got {', '.join(part.names)}.")
        xyv_NK3 = xyv_NK3[:, order]
    seen_N = (xyv_NK3[..., 2] > 0).any(1)
    if part.xyxy is None:
        xyxy_N4, share_N = None, (xyv_NK3[..., 2] > 0).sum(1) / np.maximum(had_NK.sum(1), 1)
        wide_N = np.ones(part.count, bool)
    else:
        xyxy_N4, share_N = view.boxes(part.xyxy)
        wide_N = (xyxy_N4[:, 2:] - xyxy_N4[:, :2] > 0.5).all(1)
    ignore_N = ~seen_N | (share_N < IGNORE_BELOW)
    ignore_N = ignore_N if part.ignore is None else ignore_N | part.ignore
    factor = view.out_width * view.out_height / (view.width * view.height)
    area_N = None if part.area is None else part.area * factor
    part = replace(part, xyv=xyv_NK3, xyxy=xyxy_N4, area=area_N, ignore=ignore_N)
    part = part.select(seen_N | (wide_N & (share_N >= DROP_BELOW)))
    return part if part.ignore.any() else replace(part, ignore=None)


def mirror_order(names: Sequence[str]) -> np.ndarray | None:
    """(K,) where in `names` stands what each name is called in a mirror image: "left ear" at "right ear", "nose" at "nose".

    None when a name of one side has no counterpart: such points can not be mirrored.
    """
    places = {name.lower(): place for place, name in enumerate(names)}
    order = []
    for place, name in enumerate(places):
        other = next((places[word] for word in _mirrored(name) if word in places), None)
        if other is None and SIDED.search(name):
            return None
        order.append(place if other is None else other)
    return np.array(order, int) if len(places) == len(names) else None


def _mirrored(name: str) -> Iterator[str]:
    """What a name in small letters may be called on the other side."""
    for pattern in (r"left|right", r"(?<![a-z])[lr](?![a-z])"):
        other = re.sub(pattern, lambda match: _OTHER_SIDE[match.group()], name)
        if other != name:
            yield other
