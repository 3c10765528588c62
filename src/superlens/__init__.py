"""Superlens: one language model, linked to every vision task.

>>> import superlens
>>> model = superlens.load("nano")
>>> answer = model.ask("Detect every platelet.", image="blood.jpg")
>>> answer.boxes[0].xyxy

Importing this package imports nothing heavy; names below are fetched when they are first used.
"""

import importlib
from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("superlens")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0.1.0"

_HOMES = {
    "superlens.message": (
        "Text", "Image", "Video", "Region", "Boxes", "Masks", "Keypoints", "Polygons", "Moments", "Map", "Message", "Conversation",
    ),
    "superlens.recipes.build": ("load", "build"),
    "superlens.model": ("Superlens", "SuperlensConfig"),
}
__all__ = [name for names in _HOMES.values() for name in names]


def __getattr__(name: str):
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module 'superlens' has no attribute '{name}'")
