"""nano with links and decoders that it does not have yet: a model to go on training from. What it had stays bit-equal.

    python tools/extend_nano.py links.yaml runs/nano-more [--weights more.safetensors]

links.yaml holds `links` and `decoders` as in a recipe. New parts are fresh, but for what --weights holds.
"""

import argparse
import copy
from pathlib import Path

import yaml
from safetensors.torch import load_file

import superlens
from superlens.recipes.build import build

SECTIONS = ("links", "decoders")


def extended(added: dict, weights: Path | None = None, seed: int = 0):
    """nano with more links and decoders. ValueError for other sections, for names that nano has, and for weights of parts that it then
    does not have."""
    if not isinstance(added, dict) or set(added) != set(SECTIONS):
        raise ValueError(f"expected the sections {' and '.join(SECTIONS)}, got {added!r:.60}")
    nano = superlens.load("nano", device="cpu")
    recipe = copy.deepcopy(nano.config.recipe)
    for section, entries in added.items():
        if known := sorted(set(entries) & set(recipe[section])):
            raise ValueError(f"nano has {section} of these names: {', '.join(known)}. Choose others.")
        recipe[section] = recipe[section] | entries
    model = build(recipe, seed)
    state = nano.state_dict() | (load_file(weights) if weights else {})
    unknown = model.load_state_dict(state, strict=False).unexpected_keys
    if unknown:
        raise ValueError(f"{weights} holds weights of parts that this model does not have: {', '.join(unknown[:3])} ...")
    return model


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("links", type=Path)
    parser.add_argument("out")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    try:
        added = yaml.safe_load(options.links.read_text())
        model = extended(added, options.weights, options.seed)
    except (OSError, ValueError, yaml.YAMLError) as error:
        parser.error(str(error))
    model.save_pretrained(options.out, whole=True)
    print(f"nano with {', '.join(added['links'])}: {options.out}")
