"""Scenes made of fixed random features, so that a decoder alone has something to tell cells apart by."""

from dataclasses import replace

import torch

from superlens.decoders.base import Requests
from superlens.vision.canvas import Canvas
from superlens.vision.scene import Scene

CHANNELS = 16


def scene(canvas: Canvas, pictures: int = 1, seed: int = 0) -> Scene:
    generator = torch.Generator().manual_seed(seed)
    height, width = canvas.size
    levels = [torch.randn(pictures, CHANNELS, height // s, width // s, generator=generator) for s in (4, 8, 16, 32)]
    pixels_BHWC = torch.randint(0, 256, (pictures, height, width, 3), generator=generator, dtype=torch.uint8)
    return Scene(levels, levels[1], [canvas] * pictures, pixels_BHWC)


def requests(labels, width, pictures=None, seed=1) -> Requests:
    """One random vector a label; the same label, the same vector."""
    known = {
        label: torch.randn(1, width, generator=torch.Generator().manual_seed(seed + i)) for i, label in enumerate(sorted(set(labels)))
    }
    pictures = pictures or [0] * len(labels)
    return Requests(torch.stack([known[label] for label in labels]), torch.tensor(pictures), list(labels), [0] * len(labels))


def overfit(decoder, seen, asked, targets, steps, lr=1e-2):
    """Adam on one batch. -> (first losses, last losses), each name -> sum / count."""
    optimiser = torch.optim.Adam(decoder.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, total_steps=steps)
    told = []
    for _ in range(steps):
        losses = decoder.loss(decoder(seen, replace(asked, targets=targets)), targets)
        optimiser.zero_grad()
        sum(total / max(count, 1) for total, count in losses.values()).backward()
        optimiser.step()
        schedule.step()
        told.append({name: float(total.detach()) / max(count, 1) for name, (total, count) in losses.items()})
    return told[0], told[-1]
