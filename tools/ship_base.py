"""Write the language model and projector of a comparison's base into one file, in half precision.

python tools/ship_base.py OUT/base-merge/model benchmarks/words.safetensors
"""

import sys
from pathlib import Path

from safetensors.torch import load_file, save_file

from superlens.evaluate.compare import BASED


def main(model: Path, file: Path) -> None:
    weights = {name: tensor for path in sorted(model.glob("*.safetensors")) for name, tensor in load_file(path).items()}
    kept = {name: tensor.half().contiguous() for name, tensor in weights.items() if name.startswith(BASED)}
    if not kept:
        raise SystemExit(f"'{model}' holds no language model.")
    save_file(kept, file, metadata={"format": "pt"})
    print(f"{file}: {len(kept)} tensors, {file.stat().st_size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
