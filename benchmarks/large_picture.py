"""How long a large photograph takes to restore, how much memory, and whether its tiles leave seams.

    python benchmarks/large_picture.py FILE [--model nano] [--megapixels 12] [--spoil noise:25] [--words "Remove the noise."]

FILE is enlarged to the size that is asked for (3 : 2), then spoiled. Prints seconds, the peak of the process's memory and what it was
before, and the largest difference, in steps of 255, to the same picture restored in tiles that are cut elsewhere: over all pixels, and
over those within four pixels of a border of a tile.
"""

import argparse
import resource
import sys
import time

import numpy as np
from PIL import Image as Pil

import superlens
from superlens.data.degrade import degrade, parse
from superlens.evaluate.metrics.restored import PeakSignal
from superlens.message import Image
from superlens.progress import watching


def megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def told(pieces, what):
    for done, piece in enumerate(pieces, 1):
        yield piece
        print(f"\r{what} {done}/{len(pieces)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--model", default="nano")
    parser.add_argument("--megapixels", type=float, default=12.0)
    parser.add_argument("--spoil", default="noise:25")
    parser.add_argument("--words", default="Remove the noise.")
    options = parser.parse_args()
    height = int((options.megapixels * 1e6 / 1.5) ** 0.5)
    size = (int(height * 1.5), height)
    clean_HW3 = np.asarray(Image(options.file).pil().resize(size, Pil.Resampling.BICUBIC))
    shown = Image(degrade(clean_HW3, parse(options.spoil), np.random.default_rng(0)))
    model = superlens.load(options.model, device="cpu")
    before = megabytes()
    start = time.perf_counter()
    with watching(told):
        answer = model.ask(options.words, image=shown)
    seconds = time.perf_counter() - start
    if not answer.images:
        raise SystemExit(f"the answer has no picture: {answer.text!r}")
    print(f"{size[0]} x {size[1]} pixels: {seconds:.1f} s, memory {before:.0f} MB before, at most {megabytes():.0f} MB")
    figures = (PeakSignal(part="image").figure_of(one, Image(clean_HW3)) for one in (shown, answer.images[0]))
    print("PSNR before {:.2f} dB, after {:.2f} dB".format(*figures))
    (decoder,) = [one for one in model.decoders.values() if hasattr(one, "tile")]
    tile, decoder.tile = decoder.tile, decoder.tile * 5 // 8
    again = model.ask(options.words, image=shown).images[0].pixels
    apart_HW = np.abs(answer.images[0].pixels.astype(int) - again).max(2)
    rows, columns = ((np.arange(side) + 4) % tile < 8 for side in apart_HW.shape)
    border_HW = rows[:, None] | columns[None]
    print(f"tiles of {tile} and of {decoder.tile}: at most {apart_HW.max()} of 255 apart, at borders {apart_HW[border_HW].max()}")


if __name__ == "__main__":
    main()
