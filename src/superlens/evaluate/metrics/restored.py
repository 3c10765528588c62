"""Restored pictures: how near they come to what they were before they were spoiled.

Both figures are torchmetrics', of 8-bit RGB at the picture's own size, as a mean over pictures. "before" is that of the spoiled picture
itself: what an answer has to be better than. It is None where the picture was turned and has another size.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from superlens.data.sources.base import Example
from superlens.evaluate.metrics.base import Metric
from superlens.message import Image, Message


class PeakSignal(Metric):
    """{"psnr", "before"} in decibels, at most 60 a picture (what one that is equal gets). The first picture of an answer counts;
    without one, or with one of another size than the target, it is 0 dB."""

    name, worst = "psnr", 0.0

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._figures: list[float] = []
        self._before: list[float] = []

    def add(self, example: Example, answer: Message) -> None:
        if not example.answer.images:
            return
        target = example.answer.images[0]
        self._figures.append(self.figure_of(answer.images[0] if answer.images else None, target, self.worst))
        if target.of is not None:
            self._before.append(self.figure_of(example.question.images[target.of], target, np.nan))

    def figure_of(self, image: Image | None, target: Image, otherwise: float = 0.0) -> float:
        """Of one picture; `otherwise` for none, or one of another size."""
        if image is None or image.size != target.size:
            return otherwise
        import torch

        return self.figure(*(torch.from_numpy(np.array(one.pixels)).permute(2, 0, 1)[None].float() for one in (image, target)))

    def figure(self, image_13HW: Any, target_13HW: Any) -> float:
        """Of two tensors of 0..255."""
        from torchmetrics.functional.image import peak_signal_noise_ratio

        found = float(peak_signal_noise_ratio(image_13HW, target_13HW, data_range=255.0))
        return min(found, 60.0)

    def result(self) -> dict[str, float | None]:
        before = None if np.isnan(self._before).any() or not self._before else float(np.mean(self._before))
        return {self.name: float(np.mean(self._figures)) if self._figures else None, "before": before}


class Likeness(PeakSignal):
    """{"ssim", "before"}: structural similarity (Wang et al., 2004) in windows of 11 pixels, deviation 1.5; at most 1. In a picture
    smaller than that the window is as large as it can be, 3 pixels at least, for which each pixel is made three where need be."""

    name = "ssim"
    window, deviation, least = 11, 1.5, 3

    def figure(self, image_13HW: Any, target_13HW: Any) -> float:
        from torchmetrics.functional.image import structural_similarity_index_measure

        if min(target_13HW.shape[2:]) < self.least:
            pair = (one.repeat_interleave(3, 2).repeat_interleave(3, 3) for one in (image_13HW, target_13HW))
            return self.figure(*pair)
        side = min(*target_13HW.shape[2:], self.window)
        sigma = self.deviation * (side - 1 + side % 2) / self.window  # torchmetrics makes the window 7 deviations wide
        return float(structural_similarity_index_measure(image_13HW, target_13HW, sigma=sigma, data_range=255.0))
