"""Compose the README's picture from what `superlens demo` drew.

    superlens demo --out superlens-demo && python tools/draw_gallery.py superlens-demo docs/images/gallery.png [NAME ...]
"""

import argparse
from pathlib import Path

from PIL import Image, ImageOps

CELL, COLUMNS = 300, 4


def compose(paths: list[Path]) -> Image.Image:
    """A grid of pictures, each fitted into a square cell on white."""
    rows = -(-len(paths) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * CELL, rows * CELL), "white")
    for index, path in enumerate(paths):
        cell = ImageOps.contain(Image.open(path).convert("RGB"), (CELL - 8, CELL - 8))
        row, column = divmod(index, COLUMNS)
        left, top = column * CELL + (CELL - cell.width) // 2, row * CELL + (CELL - cell.height) // 2
        sheet.paste(cell, (left, top))
    return sheet


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("names", nargs="*", help="which pictures, by the beginning of their file names; default the first twelve")
    options = parser.parse_args()
    drawn = sorted(options.folder.glob("*.png"))
    chosen = [next(p for p in drawn if p.name.startswith(name)) for name in options.names] or drawn[:12]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    compose(chosen).save(options.out, optimize=True)
