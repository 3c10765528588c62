"""How published systems spell parts as text. A code of one's own is one class (`base.Code`), named by its dotted path."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from superlens.links.codes.base import Code
from superlens.parts import nearest

CODES: Mapping[str, str] = {
    "qwen-vl": "qwen.QwenVL",
    "qwen2-vl": "qwen.Qwen2VL",
    "qwen2.5-vl": "qwen.Qwen25VL",
    "qwen3-vl": "qwen.Qwen3VL",
    "kosmos-2": "kosmos.Kosmos2",
    "shikra": "numbers.Shikra",
    "minigpt-v2": "numbers.MiniGPTv2",
    "paligemma": "bins.PaliGemma",
    "pix2seq-v2": "bins.Pix2Seq",
    "unitab": "bins.UniTAB",
    "visionllm-v1": "bins.VisionLLMv1",
    "polyformer": "polygons.PolyFormer",
    "pix2seq-v2-masks": "polygons.Pix2SeqMasks",
    "visionllm-v1-masks": "polygons.VisionLLMv1Masks",
}


def make_code(name: str, **options) -> Code:
    """A code by name or dotted path; ValueError naming the nearest for one that is not known."""
    if name not in CODES and "." not in name.removeprefix("qwen2.5"):
        raise ValueError(f"unknown code '{name}': {nearest(name, CODES)}")
    module, _, kind = f"{__name__}.{CODES[name]}".rpartition(".") if name in CODES else name.rpartition(".")
    return getattr(importlib.import_module(module), kind)(**options)
