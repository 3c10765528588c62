"""Masks as the corners of their outlines: PolyFormer (arXiv 2302.07387), Pix2Seq v2 (2206.07669), VisionLLM v1 (2305.11175).

An outline is traced, thinned to a few corners and written corner by corner; reading fills it again. Holes are lost, as there.

Shapes: N masks, P corners of an outline, (x, y) in pixels of the original picture.
"""

from __future__ import annotations

import re

import numpy as np

from superlens.formats import import_supervision
from superlens.links.codes.base import Code, Spelled, sides
from superlens.message import Masks
from superlens.vision.canvas import Canvas

FEWEST, LEAST = 3, 0.05  # corners; share of a mask's largest piece that a piece must have to be written


class PolygonCode(Code):
    """Base: `begin words corners separator corners end`, each mask between its own `begin` and `end` behind the words.

    bins: of each side; bin i is the place i / (bins - 1). corners: at most, of one outline. y_first: which coordinate comes first.
    """

    part = "masks"
    y_first = False
    bin_name: str
    wrap: tuple[str, str]  # around words and masks
    next_mask: str  # between two masks
    next_piece: str  # between two pieces of one mask

    def __init__(self, bins: int, corners: int):
        if bins < 2 or corners < FEWEST:
            raise ValueError(f"an outline needs at least 2 bins and {FEWEST} corners, got {bins} and {corners}.")
        self.bins, self.corners = bins, corners
        begin, end = map(re.escape, self.wrap)
        self.pattern = re.compile(rf"{begin}(?P<body>(?:(?!{begin}|{end}).)*)(?P<end>{end})?", re.DOTALL)
        self.one = re.compile(re.escape(self.bin_name).replace(re.escape("{}"), r"(\d{1,9})"))

    @property
    def tokens(self) -> tuple[str, ...]:
        return (*self.wrap, self.next_mask, self.next_piece, *(self.bin_name.format(index) for index in range(self.bins)))

    @property
    def opening(self) -> str:
        return self.wrap[0]

    def spell(self, part: Masks, canvas: Canvas) -> str:
        kept_NHW = part.masks if part.ignore is None else part.masks[~part.ignore]
        masks = [self.spelled_mask(mask_HW, canvas) for mask_HW in kept_NHW if mask_HW.any()]
        label = f" {part.label}" if part.label else ""
        return f"{self.wrap[0]}{label}{self.next_mask.join(masks)}{self.wrap[1]}"

    def spelled_mask(self, mask_HW: np.ndarray, canvas: Canvas) -> str:
        pieces = []
        for outline_P2 in outlines(mask_HW, self.corners):
            grid_P2 = np.rint(outline_P2 / sides(canvas)[:2] * (self.bins - 1)).astype(int)
            ordered_P2 = grid_P2[:, ::-1] if self.y_first else grid_P2
            pieces.append("".join(self.bin_name.format(number) for number in ordered_P2.ravel().tolist()))
        return self.next_piece.join(pieces)

    def read(self, match: re.Match[str], canvas: Canvas, image: int) -> list[Spelled]:
        body, notes = match["body"], [] if match["end"] else ["the corners were not finished"]
        first = self.one.search(body)
        label, start = (body.strip(), len(body)) if first is None else (body[: first.start()].strip(), first.start())
        masks, spans, lost = [], [], 0
        for said in re.finditer(rf"(?:(?!{re.escape(self.next_mask)}).)+", body[start:], re.DOTALL):
            corners = [self.corners_of(piece, canvas) for piece in said[0].split(self.next_piece)]
            whole = [corners_P2 for corners_P2 in corners if len(corners_P2) >= FEWEST]
            lost += len(corners) - len(whole)
            if whole:
                masks.append(filled(whole, canvas.original))
                spans.append((match.start("body") + start + said.start(), match.start("body") + start + said.end()))
        if lost:
            notes.append(f"{lost} outlines of '{label}' have fewer than {FEWEST} corners")
        masks_NHW = np.stack(masks) if masks else np.zeros((0, *canvas.original), bool)
        return [Spelled(Masks(label, masks_NHW, image=image), spans, notes)]

    def corners_of(self, text: str, canvas: Canvas) -> np.ndarray:
        """(P, 2) x, y; a last number without its partner is dropped."""
        numbers = [min(int(number), self.bins - 1) for number in self.one.findall(text)]
        grid_P2 = np.array(numbers[: len(numbers) // 2 * 2], np.float64).reshape(-1, 2)
        return (grid_P2[:, ::-1] if self.y_first else grid_P2) / (self.bins - 1) * sides(canvas)[:2]


class PolyFormer(PolygonCode):
    """`<poly> a dog<x12><x40>...<sep>...</poly>`: x first, up to 24 corners a piece. There a corner lies between bins, its place mixed
    from four embeddings; here it is the nearest of 256."""

    bin_name, wrap, next_mask, next_piece = "<x{}>", ("<poly>", "</poly>"), "<next>", "<sep>"

    def __init__(self, bins: int = 256, corners: int = 24):
        super().__init__(bins, corners)


class Pix2SeqMasks(PolygonCode):
    """`<mask> a dog<bin_40><bin_12>...</mask>`: y first, 1000 bins, 32 corners of a contour at most."""

    y_first = True
    bin_name, wrap, next_mask, next_piece = "<bin_{}>", ("<mask>", "</mask>"), "<next_mask>", "<next_piece>"

    def __init__(self, bins: int = 1000, corners: int = 32):
        super().__init__(bins, corners)


class VisionLLMv1Masks(PolygonCode):
    """`<m> a dog<p12><p40>...</m>`: x first, outlines of 14 corners, as the boxes of the same system in 513 bins."""

    bin_name, wrap, next_mask, next_piece = "<p{}>", ("<m>", "</m>"), "<next_mask>", "<next_piece>"

    def __init__(self, bins: int = 513, corners: int = 14):
        super().__init__(bins, corners)


def outlines(mask_HW: np.ndarray, corners: int) -> list[np.ndarray]:
    """The outer outlines of a mask's pieces, the largest first, each (P, 2) x, y with at most about `corners` corners; holes and specks
    are left out. A mask of a few pixels is its bounds."""
    supervision = import_supervision()
    areas = []
    for outline_P2 in supervision.mask_to_polygons(mask_HW):
        filled_HW = filled([outline_P2 + 0.5], mask_HW.shape)
        share = (filled_HW & mask_HW).sum() / max(filled_HW.sum(), 1)
        if share > 0.5:  # the outline of a hole holds none of the mask but its rim
            areas.append((int(filled_HW.sum()), outline_P2))
    if not areas:
        rows, columns = np.flatnonzero(mask_HW.any(1)), np.flatnonzero(mask_HW.any(0))
        x1, x2, y1, y2 = columns[0], columns[-1] + 1, rows[0], rows[-1] + 1
        return [np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], np.float64)]
    areas.sort(key=lambda one: -one[0])
    kept = [outline_P2 for area, outline_P2 in areas if area >= LEAST * areas[0][0]]
    thinned = []
    for outline_P2 in kept:
        share = max(0.0, 1 - corners / len(outline_P2))
        step = max(mask_HW.shape) / 2000
        fewer_P2 = supervision.approximate_polygon(outline_P2, share, step) if share else outline_P2
        thinned.append(fewer_P2[: max(corners, FEWEST)] + 0.5)
    return thinned


def filled(pieces: list[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    """bool (H, W): the pixels inside any of some outlines (P, 2) of x, y, rims included."""
    from PIL import Image, ImageDraw

    image = Image.new("1", (size[1], size[0]))
    pen = ImageDraw.Draw(image)
    for corners_P2 in pieces:
        # From the middles of the rim's pixels to their numbers; Pillow would cut off what lies behind the point.
        pen.polygon([tuple(corner) for corner in np.rint(corners_P2 - 0.5).astype(int).tolist()], fill=1, outline=1)
    return np.array(image)
