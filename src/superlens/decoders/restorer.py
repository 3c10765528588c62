"""A light restorer: the same picture, freed of what spoiled it, at its own size and with its own detail.

The eye shrinks a large picture and keeps what tells things apart; detail is lost there for good (the limit that LM4LV states of itself,
arXiv 2405.15734). So the pixels themselves go through a small convolutional U-Net that writes what is to be added to them, as DnCNN
does (arXiv 1608.03981) and, at several sizes at once and without normalisation, DRUNet (2008.13751). The request scales and shifts the
channels of every block (FiLM, 1709.07871), so that the words decide what is done. Beside it the request says how the picture is to be
turned or mirrored, which is done to the pixels exactly.

Shapes: K requests, n vectors a request, C their width, H W pixels of a picture, h w cells of a level. Pictures are 0..1 inside.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from superlens.decoders.base import Decoder, Losses, Requests
from superlens.decoders.laying import WAYS, laid, lay, likest, shares, undoing
from superlens.message import Image, Part
from superlens.progress import watched
from superlens.vision.scene import Scene


@dataclass
class Restoration:
    """Raw answer: vectors_KC; turn_K8, logits. Training only: clean_K3HW, and source_K3HW with the sizes of the pictures in it."""

    vectors_KC: Tensor
    turn_K8: Tensor
    clean_K3HW: Tensor | None = None
    source_K3HW: Tensor | None = None
    sizes: list[tuple[int, int]] | None = None


class Restorer(Decoder):
    """Restored pictures. It looks at pixels, at no feature of the eye.

    width: C. channels: of the net at 1/2, 1/4, 1/8 ... of the picture's size. depth: blocks at each, on the way down and again on the
    way up. tile: longest side, in pixels, of a picture that is restored at once; larger ones in tiles of that side, each shown to the
    net with `net.reach` pixels more all around, which is all that it can see, so that there are no seams.
    """

    part = "image"
    # Mean squared error (of 0..1) below which little more is to be gained: 30 dB. Much lower, and pictures that are to come back as
    # they are forbid every first step away from them: at 1e-5, nothing was learned in 900 steps.
    floor = 1e-3

    def __init__(
        self, width: int = 128, channels: tuple[int, ...] = (48, 96, 128), depth: tuple[int, ...] = (2, 2, 3), tile: int = 768
    ):
        super().__init__()
        self.width = width
        self.net = RestoringNet(width, tuple(channels), tuple(depth))
        self.turn = nn.Linear(width, WAYS)
        least = 2 * self.net.reach
        if tile < least or tile % self.net.multiple:
            raise ValueError(f"decoders: tile must be a multiple of {self.net.multiple} and at least {least}, got {tile}.")
        self.tile = tile

    def forward(self, scene: Scene, requests: Requests) -> Restoration:
        vectors_KC = requests.vectors_KnC.mean(1)
        turn_K8 = self.turn(vectors_KC).float()
        if not requests.targets:
            return Restoration(vectors_KC, turn_K8)
        source_K3HW = shares(scene.pixels_BHWC[requests.picture_K])
        sizes = [scene.canvases[picture].scaled for picture in requests.picture_K.tolist()]
        clean_K3HW = self.net(source_K3HW, vectors_KC)
        return Restoration(vectors_KC, turn_K8, clean_K3HW, source_K3HW, sizes)

    def counts(self, targets: list[Image]) -> dict[str, float]:
        return {"restored": float(len(targets)), "turned": float(len(targets))}

    def loss(self, raw: Restoration, targets: list[Image]) -> Losses:
        """restored: decibels of error above the floor, over 10; what is measured is what is learned (as in NAFNet, arXiv 2204.04676).
        turned: which of the eight ways of laying it the target has, as the one that is most like the picture shown."""
        restored, wanted_K = raw.clean_K3HW.sum() * 0.0, []
        for row, (target, (height, width)) in enumerate(zip(targets, raw.sizes, strict=True)):
            source_3HW = raw.source_K3HW[row, :, :height, :width]
            target_3HW = shares(torch.from_numpy(np.array(target.pixels))[None].to(source_3HW.device))[0]
            way = likest(source_3HW, target_3HW)
            error = (raw.clean_K3HW[row, :, :height, :width] - laid(target_3HW, undoing(way))).square().mean()
            restored = restored + (1 + error / self.floor).log10()
            wanted_K.append(way)
        turned = F.cross_entropy(raw.turn_K8, torch.tensor(wanted_K, device=raw.turn_K8.device), reduction="sum")
        return {"restored": (restored, float(len(targets))), "turned": (turned, float(len(targets)))}

    def parts(self, raw: Restoration, scene: Scene, requests: Requests) -> list[Part]:
        ways = raw.turn_K8.argmax(1).tolist()
        rows = zip(raw.vectors_KC, ways, requests.images, strict=True)
        return [Unfinished(self, vector_C, way, image) for vector_C, way, image in rows]

    def finish(self, part: Part, pictures: tuple[Image, ...]) -> Part:
        return part.of_picture(pictures[part.of]) if isinstance(part, Unfinished) else part

    @torch.no_grad()
    def restore(self, pixels_HW3: np.ndarray, vector_C: Tensor) -> np.ndarray:
        """uint8 [H, W, 3] of any size -> the same, restored, in bounded memory."""
        height, width = pixels_HW3.shape[:2]
        multiple, reach = self.net.multiple, self.net.reach
        # Mirrored at the edges as far as the picture goes, then repeated: a picture may be smaller than the net's coarsest cell.
        pads = [(0, -side % multiple) for side in (height, width)]
        mode = "reflect" if all(after < side for (_, after), side in zip(pads, (height, width))) else "edge"
        padded_HW3 = np.pad(pixels_HW3, (*pads, (0, 0)), mode=mode)
        out_HW3 = np.empty_like(padded_HW3)
        core = self.tile if max(padded_HW3.shape[:2]) > self.tile else max(padded_HW3.shape[:2])
        corners = [(top, left) for top in range(0, padded_HW3.shape[0], core) for left in range(0, padded_HW3.shape[1], core)]
        for top, left in watched(corners, "Restoring"):
            up, west = max(0, top - reach), max(0, left - reach)
            piece_HW3 = padded_HW3[up : top + core + reach, west : left + core + reach]
            given_13HW = shares(torch.from_numpy(np.ascontiguousarray(piece_HW3))[None].to(vector_C.device))
            clean_3HW = self.net(given_13HW, vector_C[None])[0]
            clean_HW3 = (clean_3HW * 255).round().clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy()
            out_HW3[top : top + core, left : left + core] = clean_HW3[top - up : top - up + core, left - west : left - west + core]
        return out_HW3[:height, :width]

    def dummy(self, scene: Scene) -> Tensor:
        vector_1C = self.turn.weight.new_zeros(1, self.width)
        black = vector_1C.new_zeros(1, 3, self.net.multiple, self.net.multiple)
        return self.zero_of([self.net(black, vector_1C), self.turn(vector_1C)])


class Unfinished(Image):
    """A restored picture before its source is at hand: what is wanted, and how it is to be laid."""

    def __init__(self, restorer: Restorer, vector_C: Tensor, way: int, of: int):
        super().__init__(np.zeros((1, 1, 3), np.uint8), of=of, restored=True)
        self.restorer, self.vector_C, self.way = restorer, vector_C, way

    def of_picture(self, source: Image) -> Image:
        """The restored copy; an alpha channel is turned with it, and kept."""
        rgba_HW4 = source.transparent
        pixels_HW3 = source.pixels if rgba_HW4 is None else np.ascontiguousarray(rgba_HW4[..., :3])
        clean = self.restorer.restore(pixels_HW3, self.vector_C)
        if rgba_HW4 is not None:
            clean = np.concatenate([clean, rgba_HW4[..., 3:]], 2)
        return Image(lay(clean, self.way), of=self.of, restored=True)


class RestoringNet(nn.Module):
    """Pixels [K, 3, H, W] of 0..1 and vectors [K, C] -> the restored pixels, not clipped, in full precision (what half precision rounds
    away would be seen). H and W are multiples of `multiple`.

    reach: how many pixels away, at most, a pixel has an influence.
    """

    def __init__(self, width: int, channels: tuple[int, ...], depth: tuple[int, ...]):
        super().__init__()
        if len(channels) != len(depth) or not channels:
            raise ValueError(f"decoders: channels and depth name the same levels, got {len(channels)} and {len(depth)}.")
        self.multiple = 2 ** len(channels)
        coarsest = len(channels) - 1
        radius = sum(2 * blocks * (1 if level == coarsest else 2) * 2 ** (level + 1) for level, blocks in enumerate(depth))
        # Two more for entering and leaving, and what halving and doubling add; whole cells of the coarsest level.
        self.reach = -(-(radius + 2 * 2 + 2 * self.multiple) // self.multiple) * self.multiple
        self.enter = nn.Conv2d(3 * 4, channels[0], 3, 1, 1)
        self.down = nn.ModuleList(FilmBlocks(width, at, blocks) for at, blocks in zip(channels, depth))
        self.coarser = nn.ModuleList(nn.Conv2d(fine, coarse, 2, 2) for fine, coarse in pairwise(channels))
        self.finer = nn.ModuleList(nn.Conv2d(coarse, 4 * fine, 1) for fine, coarse in pairwise(channels))
        self.up = nn.ModuleList(FilmBlocks(width, at, blocks) for at, blocks in zip(channels[:-1], depth))
        self.leave = nn.Conv2d(channels[0], 3 * 4, 3, 1, 1)
        self.amount = nn.Linear(width, 1)
        for layer in (self.leave, self.amount):  # a picture comes back as it is until something is learned
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        nn.init.ones_(self.amount.bias)

    def forward(self, pixels_K3HW: Tensor, vectors_KC: Tensor) -> Tensor:
        x_Kchw = F.pixel_unshuffle(pixels_K3HW - 0.5, 2).to(self.enter.weight.dtype)
        # Colours side by side in memory: half the time of the other layout on a CPU.
        x_Kchw = self.enter(x_Kchw.contiguous(memory_format=torch.channels_last))
        kept = []
        for level, blocks in enumerate(self.down):
            x_Kchw = blocks(self.coarser[level - 1](x_Kchw) if level else x_Kchw, vectors_KC)
            kept.append(x_Kchw)
        for level in reversed(range(len(self.up))):
            x_Kchw = self.up[level](F.pixel_shuffle(self.finer[level](x_Kchw), 2) + kept[level], vectors_KC)
        change_K3HW = F.pixel_shuffle(self.leave(x_Kchw).float(), 2)
        return pixels_K3HW.float() + change_K3HW * self.amount(vectors_KC).float()[:, :, None, None]


class FilmBlocks(nn.Module):
    """Residual blocks of two 3 x 3 convolutions whose inner channels the request scales and shifts."""

    def __init__(self, width: int, channels: int, blocks: int):
        super().__init__()
        self.first = nn.ModuleList(nn.Conv2d(channels, channels, 3, 1, 1) for _ in range(blocks))
        self.film = nn.ModuleList(nn.Linear(width, 2 * channels) for _ in range(blocks))
        self.second = nn.ModuleList(nn.Conv2d(channels, channels, 3, 1, 1) for _ in range(blocks))
        for film, second in zip(self.film, self.second):
            nn.init.zeros_(film.bias)
            nn.init.normal_(film.weight, std=0.02)
            # Without normalisation, blocks start as almost nothing, so that depth does not add up (Fixup, arXiv 1901.09321).
            with torch.no_grad():
                second.weight.mul_(0.1)
            nn.init.zeros_(second.bias)

    def forward(self, x_Kchw: Tensor, vectors_KC: Tensor) -> Tensor:
        for first, film, second in zip(self.first, self.film, self.second):
            scale_Kc, shift_Kc = film(vectors_KC).chunk(2, 1)
            inner_Kchw = first(x_Kchw) * (1 + scale_Kc[:, :, None, None]) + shift_Kc[:, :, None, None]
            x_Kchw = x_Kchw + second(F.silu(inner_Kchw))
        return x_Kchw
