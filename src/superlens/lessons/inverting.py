"""Hiding, inverting, tokenizing: what an eye that can be inverted is taught before anything else, from pictures alone.

Hiding is the pre-training of masked autoencoders (He et al., arXiv 2111.06377) and of BEiT (Bao et al., 2106.08254). Inverting tunes
the way back to draw the whole picture, by the mean absolute error (LM4LV, 2405.15734, adds a perceptual term, which is the lesson
`perceiving`): train `eye.backbone.decoder.*` alone, and the encoder stays as it was pre-trained. Tokenizing makes the codes that BEiT
is to predict: train `eye.book.*`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from superlens.batch import Batch
from superlens.parts import BUILT_IN, find_class
from superlens.vision.scene import Scene


@dataclass
class OfPictures:
    """Base: a lesson about every picture of a batch. count: how many there are. needs: what the eye must have for it."""

    count: float
    deep: ClassVar[bool] = False
    needs: ClassVar[str] = "inverse"

    @classmethod
    def check(cls, model) -> None:
        """ValueError with a sentence for an eye that this can not be taught to."""
        if not hasattr(model.eye, cls.needs):
            able = ", ".join(name for name in BUILT_IN["eye"] if hasattr(find_class("eye", name), cls.needs))
            raise ValueError(f"the lesson {cls.__name__.lower()} is for eyes of the type {able}; this recipe has another.")

    @classmethod
    def of(cls, processor) -> Callable[[Batch], OfPictures]:
        """The teacher."""
        return cls.about

    @classmethod
    def about(cls, batch: Batch) -> OfPictures:
        return cls(float(sum(len(pictures.numbers) for pictures in batch.pictures)))

    def to(self, device) -> OfPictures:
        return self

    def loss(self, model, outputs) -> tuple[Tensor, float]:
        """-> (sum over the pictures, count)."""
        raise NotImplementedError


class Hiding(OfPictures):
    """Which patches are hidden is left to chance, anew in every forward."""

    needs = "masked_loss"

    def loss(self, model, outputs) -> tuple[Tensor, float]:
        totals = [model.eye.masked_loss(scene.pixels_BHWC).sum() for scene in outputs.scenes]
        return torch.stack(totals).sum(), self.count


class Inverting(OfPictures):
    """The way back, taught on whole pictures."""

    @classmethod
    def begin(cls, model, batch: Batch) -> None:
        """An eye that evens its features out chooses their coordinates; what this changes in the way back is no longer as published."""
        if getattr(model.eye, "even", False):
            model.eye.even_out(torch.cat([pictures.pixels_BHWC for pictures in batch.pictures]))
            model.left_published -= {name for name in model.left_published if ".decoder_embed." in name}

    def loss(self, model, outputs) -> tuple[Tensor, float]:
        """Sum over pictures of the mean absolute difference, of 0..1, within the picture; a quantised eye's codebook beside it."""
        return self.drawing(model.eye, outputs.scenes), self.count

    @staticmethod
    def drawing(eye, scenes: list[Scene]) -> Tensor:
        """The loss of these scenes, each drawn again by its own way back: a scalar, the sum over their pictures."""
        total = torch.zeros((), device=eye.mean.device)
        for scene in scenes:
            drawn_B3HW = scene.inverse(scene.tokens.flatten(2).transpose(1, 2))
            wanted_B3HW = scene.pixels_BHWC.permute(0, 3, 1, 2).float() / 255
            for canvas, drawn_3HW, wanted_3HW in zip(scene.canvases, drawn_B3HW, wanted_B3HW, strict=True):
                height, width = canvas.scaled
                total = total + (drawn_3HW - wanted_3HW)[:, :height, :width].abs().mean()
            if hasattr(eye, "quantiser_loss"):
                total = total + eye.quantiser_loss(scene.pixels_BHWC) * len(scene.canvases)
        return total


class Tokenizing(Inverting):
    """Inverting, of the codebook that an eye predicts."""

    needs = "seen_by_book"

    def loss(self, model, outputs) -> tuple[Tensor, float]:
        eye = model.eye
        return self.drawing(eye.book, [eye.seen_by_book(scene.pixels_BHWC, scene.canvases) for scene in outputs.scenes]), self.count
