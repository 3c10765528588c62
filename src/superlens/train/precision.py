"""On which device and in which numbers training computes."""

from __future__ import annotations

import torch


def has_bfloat16(device: torch.device) -> bool:
    """Whether a device has instructions for bfloat16; others count in it many times slower than in float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()


class Precision:
    """device and dtype as asked, or the machine's best. ValueError for one of several devices: a process takes the first it sees."""

    def __init__(self, device: str | None, dtype: str | None):
        number = (device or "").partition(":")[2]
        if number not in ("", "0"):
            raise ValueError(f"training takes the first device, not {device}: set CUDA_VISIBLE_DEVICES={number} and leave it out.")
        cuda = torch.cuda.is_available()
        self.cpu = device == "cpu" or not (cuda or torch.backends.mps.is_available())
        self.device = torch.device("cpu" if self.cpu else "cuda" if cuda else "mps")
        self.dtype = dtype or ("bfloat16" if has_bfloat16(self.device) else "float32")
