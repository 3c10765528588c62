"""nano with links and decoders that it does not have yet: a model to go on training from. What it had stays bit-equal.

    python tools/extend_nano.py runs/nano-pose [--links links.yaml] [--weights tools/keypoints.safetensors]

links.yaml holds `links` and `decoders` as in a recipe; without it keypoints are added. New parts are fresh, but for what --weights
holds.
tools/keypoints.safetensors: the keypoint decoder and what its link reads of names, trained without the language model (docs/training.md
says how and how far), in half precision. For research only, as nano's own weights: some of the pictures were lspet's.
"""

import argparse
import copy
from pathlib import Path

import yaml
from safetensors.torch import load_file

import superlens
from superlens.recipes.build import build

KEYPOINTS = Path(__file__).with_name("keypoints.safetensors")
ADDED = {
    "links": {"keypoints": {"type": "keypoint", "token": "[POSE]", "point": "[POINT]", "queries": 1, "words": True, "decoder": "pose"}},
    "decoders": {"pose": {"type": "keypoint_detector", "channels": 96, "depth": 2, "width": 128}},
}


def extended(added: dict, weights: Path | None, seed: int = 0):
    """nano with more links and decoders. ValueError for other sections, and for weights of parts that it then does not have."""
    if not isinstance(added, dict) or set(added) != set(ADDED):
        raise ValueError(f"expected the sections {' and '.join(ADDED)}, got {added!r:.60}")
    nano = superlens.load("nano", device="cpu")
    recipe = copy.deepcopy(nano.config.recipe)
    for section, entries in added.items():
        recipe[section] = recipe[section] | entries
    model = build(recipe, seed)
    state = nano.state_dict() | (load_file(weights) if weights else {})
    unknown = model.load_state_dict(state, strict=False).unexpected_keys
    if unknown:
        raise ValueError(f"{weights} holds weights of parts that this model does not have: {', '.join(unknown[:3])} ...")
    return model


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--links")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    try:
        added = yaml.safe_load(Path(options.links).read_text()) if options.links else ADDED
        model = extended(added, options.weights or (None if options.links else KEYPOINTS), options.seed)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    model.save_pretrained(options.out, whole=True)
    print(f"nano with {', '.join(added['links'])}: {options.out}")
