"""The smallest models of every shape, for tests: same code, random weights, a few thousand parameters."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import torch

from superlens.batch import Batch, Pictures
from superlens.data.world import World
from superlens.recipes.build import build

NANO_FOLDER = Path(__file__).parents[1] / "src" / "superlens" / "nano"

RECIPE = {
    "eye": {
        "type": "backbone",
        "config": {
            "model_type": "convnext", "hidden_sizes": [8, 16, 16, 24], "depths": [1, 1, 1, 1], "layer_scale_init_value": 0.1,
        },
        "channels": 16,
    },
    "canvas": {"longest": 128, "shortest": 64, "multiple": 32},
    "projector": {"type": "merge", "max_tokens": 16},
    "language": {
        "type": "causal_lm",
        "config": {
            "model_type": "llama", "vocab_size": 2048, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
            "num_attention_heads": 4, "max_position_embeddings": 1024, "tie_word_embeddings": True,
            "bos_token_id": None, "eos_token_id": 4, "pad_token_id": 0,
        },
        "tokenizer": "nano",
    },
    "links": {
        "boxes": {"type": "query", "token": "[BOX]", "queries": 2, "decoder": "detect"},
        "masks": {"type": "query", "token": "[SEG]", "queries": 2, "decoder": "segment"},
    },
    "decoders": {
        "detect": {"type": "dense_detector", "channels": 16, "depth": 1, "width": 16},
        "segment": {"type": "pixel_segmenter", "channels": 24, "depth": 1, "width": 16},
    },
    "stages": [{"name": "all", "train": ["*"], "steps": 4, "lr": 1e-3, "batch": 4, "row_tokens": 640, "save_every": 2}],
}
MAE = {"model_type": "vit_mae", "image_size": 32, "patch_size": 8, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
       "intermediate_size": 16, "decoder_hidden_size": 16, "decoder_num_hidden_layers": 1, "decoder_num_attention_heads": 2,
       "decoder_intermediate_size": 16}  # fmt: skip
VQGAN = {"block_out_channels": [8, 16], "down_block_types": ["DownEncoderBlock2D"] * 2, "up_block_types": ["UpDecoderBlock2D"] * 2,
         "latent_channels": 4, "num_vq_embeddings": 16, "norm_num_groups": 4, "layers_per_block": 1}  # fmt: skip
BEIT = {"model_type": "beit", "image_size": 32, "patch_size": 2, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 16, "vocab_size": 16, "use_absolute_position_embeddings": True, "drop_path_rate": 0.0}  # fmt: skip
# What writes pictures as features of an eye that can be inverted.
FEATURES = {
    "eye": {"type": "mae", "config": MAE},
    "canvas": {"square": True, "longest": 32, "shortest": 32},
    "projector": {"type": "tokens", "lead": 1},
    "links": {"restore": {"type": "feature", "decoder": "draw"}},
    "decoders": {"draw": {"type": "inverse"}},
}


def pictures_alone(pixels_BHWC, rule):
    """A batch of square pictures that nothing is said about. rule: of their canvases."""
    empty, canvas = torch.empty(0), rule.canvas(*pixels_BHWC.shape[1:3])
    return Batch(empty, empty, empty, empty, [Pictures(pixels_BHWC, [canvas] * len(pixels_BHWC), list(range(len(pixels_BHWC))))])


def recipe(**changes) -> dict:
    """RECIPE with sections replaced."""
    return copy.deepcopy(RECIPE) | copy.deepcopy(changes)


def model(seed: int = 0, **changes):
    """A tiny model in evaluation mode."""
    return build(recipe(**changes), seed=seed).eval()


def conversations(count: int, start: int = 0, **options):
    """Drawn training conversations."""
    world = World(**options)
    return [world.conversation(start + i, np.random.default_rng((3, start + i))) for i in range(count)]


def talkative(tiny, words: int = 6, seed: int = 1):
    """Steer an untrained model so that its greedy answers visit words, labels, routing tokens and an end.

    Its head rows are made to prefer, after each kind of token, another one; what it says is nonsense, but it walks every path of the
    generation loop, differently for different pictures.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in tiny.language.parameters():
            if parameter.ndim == 2:
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.3)
        for link in tiny.links.values():
            link.head_rows.copy_(torch.randn(link.head_rows.shape, generator=generator) * 2.0)
            link.token_rows.copy_(torch.randn(link.token_rows.shape, generator=generator))
            if getattr(link, "query_rows", None) is not None:
                link.query_rows.copy_(torch.randn(link.query_rows.shape, generator=generator))
    return tiny
