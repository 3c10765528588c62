"""The options that point at a picture: --point, --not-point, --box, --mask, --scribble, and the regions they mean."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from superlens.message import Part, Region

PLACE = "<region>"

Points = Annotated[list[str] | None, typer.Option("--point", help="x,y in pixels: a click on what is meant; may be repeated.")]
NotPoints = Annotated[list[str] | None, typer.Option("--not-point", help="x,y in pixels: a click on what is not meant.")]
BoxOption = Annotated[list[str] | None, typer.Option("--box", help="x1,y1,x2,y2 in pixels around what is meant.")]
MaskOption = Annotated[list[str] | None, typer.Option("--mask", help="A picture of the same size; what is not black is meant.")]
ScribbleOption = Annotated[
    list[str] | None, typer.Option("--scribble", help="A JSON file [[x, y], ...], or a picture of the line, drawn on black.")
]


def regions(
    points: list[str] | None,
    not_points: list[str] | None,
    boxes: list[str] | None,
    masks: list[str] | None,
    scribbles: list[str] | None,
) -> list[Region]:
    """All regions that the options give, in this order. ValueError with a sentence for what can not be read."""
    from superlens.message import Region

    found = [Region.point(*_numbers("--point", "x,y", words)) for words in points or ()]
    found += [Region.point(*_numbers("--not-point", "x,y", words), positive=False) for words in not_points or ()]
    found += [Region.box(*_numbers("--box", "x1,y1,x2,y2", words)) for words in boxes or ()]
    found += [Region.from_mask(_drawn("--mask", path)) for path in masks or ()]
    found += [_scribble(path) for path in scribbles or ()]
    return found


def placed(words: str, pointed: list[Region]) -> list[Part]:
    """The words with the regions in them: where they say `<region>`, the first at the first; those left over at the end."""
    from superlens.message import Text

    pieces = words.split(PLACE)
    if len(pieces) - 1 > len(pointed):
        have = f"only {len(pointed)} regions are given" if pointed else "no region is given"
        raise ValueError(f"The words say {PLACE} {len(pieces) - 1} times, but {have}: use --point, --box, --mask or --scribble.")
    parts: list[Part] = [Text(pieces[0])]
    for region, text in zip(pointed, pieces[1:]):
        parts += [region, Text(text)]
    return [part for part in parts if not isinstance(part, Text) or part.text] + pointed[len(pieces) - 1 :]


def _numbers(option: str, form: str, words: str) -> list[float]:
    try:
        numbers = [float(word) for word in words.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != form.count(",") + 1:
        raise ValueError(f"{option}: expected {form} in pixels, got '{words}'.")
    return numbers


def _scribble(path: str) -> Region:
    """A line: a JSON list of points, or the drawn pixels of a picture."""
    import numpy as np

    from superlens.message import Region

    if Path(path).suffix.lower() != ".json":
        return Region.from_mask(_drawn("--scribble", path))
    try:
        points = np.array(json.loads(Path(path).read_text(encoding="utf-8")), float)
        if points.ndim != 2 or points.shape[1] != 2:
            raise ValueError
    except FileNotFoundError:
        raise ValueError(f"--scribble: there is no file '{path}'.") from None
    except (ValueError, TypeError):
        raise ValueError(f"--scribble: '{path}' is not a list of points [[x, y], ...].") from None
    return Region.scribble(points)


def _drawn(option: str, path: str):
    """bool (H, W): the pixels of a picture that are not black."""
    from superlens.message import Image

    picture = Image(path)
    if not Path(path).is_file():
        raise ValueError(f"{option}: there is no file '{path}'.")
    mask_HW = picture.pixels.any(2)
    if not mask_HW.any():
        raise ValueError(f"{option}: '{path}' is all black: draw what is meant in another colour.")
    return mask_HW
