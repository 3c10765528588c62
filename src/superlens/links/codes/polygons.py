"""Masks as the corners of their outlines: PolyFormer (arXiv 2302.07387), Pix2Seq v2 (2206.07669), VisionLLM v1 (2305.11175).

An outline is traced, thinned to a few corners and written corner by corner; reading fills it again. Holes are lost, as there.

Shapes: N masks, P corners of an outline, (x, y) in pixels of the original picture.
"""

from __future__ import annotations

import re

import numpy as np

from superlens.formats import import_supervision
from superlens.links.codes.base import Code, Spelled, in_line, sides
from superlens.links.codes.bins import offset_bin
from superlens.message import Masks
from superlens.vision.canvas import Canvas

FEWEST, LEAST = 3, 0.05  # corners; share of a mask's largest piece that a piece must have to be written


class PolygonCode(Code):
    """Base: `begin words corners separator corners end`, each mask between its own `begin` and `end` behind the words.

    bins: of each side; bin i is the place i / (bins - 1). corners: at most, of one outline. y_first: which coordinate comes first.
    """

    part = "masks"
    y_first = box_first = False
    bin_name: str
    wrap: tuple[str, str]  # around words and masks
    next_mask: str  # between two masks
    next_piece: str  # between two pieces of one mask

    def __init__(self, bins: int, corners: int):
        if bins < 2 or corners < FEWEST:
            raise ValueError(f"an outline needs at least 2 bins and {FEWEST} corners, got {bins} and {corners}.")
        self.bins, self.corners = bins, corners
        begin, end = map(re.escape, self.wrap)
        self.one = re.compile(re.escape(self.bin_name).replace(re.escape("{}"), r"(-?\d{1,9})"))
        places = rf"(?:\s|{self.one.pattern.replace('(', '(?:')}|{re.escape(self.next_mask)}|{re.escape(self.next_piece)})+"
        # What is not ended is read as far as its corners go; words that follow are words again.
        self.pattern = re.compile(rf"{begin}(?P<body>[^<]*(?:{places}|(?={end})))(?P<end>{end})?")

    def bin(self, index: int) -> str:
        return self.bin_name.format(index)

    def numbers(self, text: str) -> list[int]:
        """The bins of a text, 0 to `bins` - 1."""
        return [min(max(int(number), 0), self.bins - 1) for number in self.one.findall(text)]

    @property
    def tokens(self) -> tuple[str, ...]:
        return (*self.wrap, self.next_mask, self.next_piece, *(self.bin(index) for index in range(self.bins)))

    @property
    def opening(self) -> str:
        return self.wrap[0]

    @property
    def places(self) -> dict[str, tuple[float, ...]]:
        return in_line([self.bin(index) for index in range(self.bins)])

    def spell(self, part: Masks, canvas: Canvas) -> str:
        kept_NHW = part.masks if part.ignore is None else part.masks[~part.ignore]
        masks = [self.spelled_mask(mask_HW, canvas) for mask_HW in kept_NHW if mask_HW.any()]
        label = f" {self.words(part.label)}" if part.label else ""
        return f"{self.wrap[0]}{label}{self.next_mask.join(masks)}{self.wrap[1]}"

    def spelled_mask(self, mask_HW: np.ndarray, canvas: Canvas) -> str:
        pieces = outlines(mask_HW, self.corners)
        if self.box_first:
            every_P2 = np.concatenate(pieces)
            pieces[0] = np.concatenate([every_P2.min(0)[None], every_P2.max(0)[None], pieces[0]])
        return self.next_piece.join(self.spelled_piece(outline_P2, canvas) for outline_P2 in pieces)

    def spelled_piece(self, outline_P2: np.ndarray, canvas: Canvas) -> str:
        grid_P2 = np.rint(outline_P2 / sides(canvas)[:2] * (self.bins - 1)).astype(int)
        ordered_P2 = grid_P2[:, ::-1] if self.y_first else grid_P2
        return "".join(self.bin(number) for number in ordered_P2.ravel().tolist())

    def read(self, match: re.Match[str], canvas: Canvas, image: int) -> list[Spelled]:
        body, notes = match["body"], [] if match["end"] else ["the corners were not finished"]
        first = self.one.search(body)
        label, start = (body.strip(), len(body)) if first is None else (body[: first.start()].strip(), first.start())
        masks, spans, lost = [], [], 0
        for said in re.finditer(rf"(?:(?!{re.escape(self.next_mask)}).)+", body[start:], re.DOTALL):
            corners = [self.corners_of(piece, canvas) for piece in said[0].split(self.next_piece)]
            corners[0] = corners[0][2 * self.box_first :]
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
        numbers = self.numbers(text)
        grid_P2 = np.array(numbers[: len(numbers) // 2 * 2], np.float64).reshape(-1, 2)
        return (grid_P2[:, ::-1] if self.y_first else grid_P2) / (self.bins - 1) * sides(canvas)[:2]


class PolyFormer(PolygonCode):
    """`<poly> a dog<x12><x40>...<sep>...</poly>`: x first; the corners of the box, then those of the outline, clockwise from the one
    nearest the picture's upper left. There a corner lies between 64 bins, mixed from four embeddings going in and regressed coming out;
    here it is the nearest bin, so there are more of them. `corners` is ours; theirs go up to 200."""

    box_first = True
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
    """`<m> a dog<p-410><p-508>...</m>`: x first, outlines of up to 24 corners, as the boxes of the same system in 1025 bins."""

    bin_name, wrap, next_mask, next_piece = "<p{}>", ("<m>", "</m>"), "<next_mask>", "<next_piece>"

    def __init__(self, bins: int = 1025, corners: int = 24):
        super().__init__(bins, corners)

    def bin(self, index: int) -> str:
        return offset_bin(index, self.bins)

    def numbers(self, text: str) -> list[int]:
        return [min(max(int(number) + self.bins // 2, 0), self.bins - 1) for number in self.one.findall(text)]


def outlines(mask_HW: np.ndarray, corners: int) -> list[np.ndarray]:
    """The outer outlines of a mask's pieces, the largest first, each (P, 2) x, y with at most `corners` corners, clockwise from the
    one nearest the picture's upper left; holes and specks are left out. What has no outline (a line, a pixel) is its bounds."""
    supervision = import_supervision()
    found = [(filled([outline_P2 + 0.5], mask_HW.shape), outline_P2) for outline_P2 in supervision.mask_to_polygons(mask_HW)]
    kept: list[tuple[np.ndarray, np.ndarray]] = []
    for inside_HW, outline_P2 in sorted(found, key=lambda one: -int(one[0].sum())):
        # Read back, an outline is filled: what lies within another one, a hole or an island in it, says nothing more.
        within = any((inside_HW & ~other).sum() == 0 for other, _ in kept)
        if not within and (not kept or inside_HW.sum() >= LEAST * kept[0][0].sum()):
            kept.append((inside_HW, outline_P2))
    if not kept:
        rows, columns = np.flatnonzero(mask_HW.any(1)), np.flatnonzero(mask_HW.any(0))
        x1, x2, y1, y2 = columns[0], columns[-1], rows[0], rows[-1]
        return [np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]]) + 0.5]
    thinned = []
    for _, outline_P2 in kept:
        share = max(0.0, 1 - corners / len(outline_P2))
        step = max(mask_HW.shape) / 2000
        fewer_P2 = supervision.approximate_polygon(outline_P2, share, step) if share else outline_P2
        thinned.append(clockwise(fewer_P2[: max(corners, FEWEST)] + 0.5))
    return thinned


def clockwise(outline_P2: np.ndarray) -> np.ndarray:
    """The same corners, clockwise as one sees them (y points down), from the one nearest (0, 0)."""
    x_P, y_P = outline_P2.T
    turned = (x_P * np.roll(y_P, -1) - np.roll(x_P, -1) * y_P).sum() < 0
    outline_P2 = outline_P2[::-1] if turned else outline_P2
    return np.roll(outline_P2, -int((outline_P2**2).sum(1).argmin()), axis=0)


def filled(pieces: list[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    """bool (H, W): the pixels inside any of some outlines (P, 2) of x, y, rims included."""
    from PIL import Image, ImageDraw

    image = Image.new("1", (size[1], size[0]))
    pen = ImageDraw.Draw(image)
    for corners_P2 in pieces:
        # From the middles of the rim's pixels to their numbers; Pillow would cut off what lies behind the point.
        pen.polygon([tuple(corner) for corner in np.rint(corners_P2 - 0.5).astype(int).tolist()], fill=1, outline=1)
    return np.array(image)
