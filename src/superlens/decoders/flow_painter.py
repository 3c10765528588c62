"""A light painter of new and changed pictures: rectified flow in pixels, conditioned on a link's query vectors.

Flow matching (Lipman et al., arXiv 2210.02747; Liu et al., 2209.03003): from a noisy picture x_s = (1 - s) x + s noise the clean one is
predicted, and the loss is taken on the velocity that follows from it (Li and He, "Back to basics", arXiv 2511.13720): so patches of
pixels need no autoencoder. The network is diffusers' U-Net with cross-attention (as in latent diffusion, arXiv 2112.10752). It takes in
patches of pixels as channels (Hoogeboom et al., arXiv 2301.11093, section 3), and where each lies. Classifier-free guidance (Ho and
Salimans, arXiv 2207.12598) by a learned null request. A changed picture takes the source along on more channels (InstructPix2Pix, arXiv
2211.09800). Where it is changed says a segmenter, from the first two vectors of its request; only there it is painted, as in inpainting
(RePaint, arXiv 2201.09865), and everywhere else the source itself is the answer.

Shapes: K requests, n vectors a request, C their width, H W pixels that are painted. Pictures are -1..1 inside.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from superlens.decoders.base import Decoder, Losses, Requests
from superlens.decoders.pixel_segmenter import PixelMaps, PixelSegmenter, whole
from superlens.message import Image, Masks, Part
from superlens.vision.canvas import Canvas
from superlens.vision.scene import Scene

CHANGED = 8 / 255  # a pixel that differs by more, in any channel, has been changed
FOUND = ("pixel", "dice", "place")  # losses of what finds the places of changes
POINTERS = 2  # the first vectors of a request say where a picture is changed, the others what is painted


@dataclass
class Painting:
    """Raw answer: clean_K3HW, and where_K1HW, which pixels are painted (0 or 1). found: where the segmenter would paint.

    Training only: how noisy it was (sigma_K), and the source.
    """

    clean_K3HW: Tensor
    where_K1HW: Tensor
    found: PixelMaps | None = None
    sigma_K: Tensor | None = None
    source_K3HW: Tensor | None = None


class FlowPainter(Decoder):
    """Pictures from requests of three vectors or more.

    in_channels: of the eye's maps, for what finds the places of changes (`PixelSegmenter`; finder: its channels and depth). width: C.
    side: of new pictures, in pixels. shrink: they are painted this much smaller, then enlarged; changes too, with a longer side of at
    most side / shrink. patch: pixels along each side of one cell of the net. channels: of the net at every level, each half as fine as
    the one before it. heads: of its attention, which is where cells are fewest. guidance: 1 asks once; more exaggerates what the
    request says over the null request. steps: of the sampler. drop: share of training requests that the null request stands in for.
    turns: in which a new picture is painted, each from its own share of the request's vectors, consecutive and equally many. It learns
    them from the drafts of a picture (`media.Drafted`); one without is painted in the first turn and left as it is in all others.
    """

    part = "image"
    least_sigma = 0.3  # velocities are errors over sigma: below this the finest noise would outweigh what is shown
    change_weight = 0.25
    clear = 0.55  # share of training's pictures that are shown with little noise
    wider = 3  # pixels, at most, by which the place of a change is widened in training: what finds it is not exact

    def __init__(
        self,
        in_channels: int,
        width: int = 128,
        side: int = 128,
        shrink: int = 2,
        patch: int = 4,
        channels: tuple[int, ...] = (64, 88),
        heads: int = 4,
        guidance: float = 3.0,
        steps: int = 20,
        drop: float = 0.1,
        finder: tuple[int, int] = (96, 2),
        turns: int = 2,
    ):
        super().__init__()
        from diffusers import UNet2DConditionModel

        self.multiple = patch * 2 ** (len(channels) - 1)
        if side % (self.multiple * shrink):
            raise ValueError(f"decoders: side must be a multiple of {self.multiple * shrink} (shrink, patch and levels), got {side}.")
        self.width, self.side, self.shrink, self.patch = width, side, shrink, patch
        self.guidance, self.steps, self.drop, self.turns = guidance, steps, drop, turns
        self.null = nn.Parameter(torch.zeros(1, 1, width))
        self.finder = PixelSegmenter(in_channels, *finder, width)
        # Cells attend to the request where they are fewest, and once more, to it alone, where they are finest, on the way out: which
        # outline belongs to which of two things is a matter of place. diffusers' `attention_head_dim` is the number of heads in the
        # blocks of the coarsest level, and their width in the last block.
        coarser = len(channels) - 1
        self.net = UNet2DConditionModel(
            sample_size=side // shrink // patch, in_channels=7 * patch**2 + 2, out_channels=3 * patch**2, layers_per_block=1,
            block_out_channels=tuple(channels), down_block_types=(*["DownBlock2D"] * coarser, "CrossAttnDownBlock2D"),
            up_block_types=(*["UpBlock2D"] * coarser, "SimpleCrossAttnUpBlock2D"), cross_attention_dim=width,
            attention_head_dim=(*(size // heads for size in channels[:-1]), heads), mid_block_only_cross_attention=False,
            only_cross_attention=(*[True] * coarser, False), norm_num_groups=8, time_embedding_dim=2 * channels[0],
            class_embed_type="projection", projection_class_embeddings_input_dim=width, resnet_time_scale_shift="scale_shift",
        )  # fmt: skip
        # Pictures begin grey, not as noise.
        nn.init.zeros_(self.net.conv_out.weight)
        nn.init.zeros_(self.net.conv_out.bias)

    def forward(self, scene: Scene | None, requests: Requests) -> Painting:
        if requests.vectors_KnC.shape[1] <= POINTERS:
            raise ValueError(f"a painter wants more than {POINTERS} vectors a request, got {requests.vectors_KnC.shape[1]}.")
        source_K3HW = self.sources(scene, requests)
        found = None
        if scene is not None:
            found = self.finder(scene, replace(requests, vectors_KnC=requests.vectors_KnC[:, :POINTERS]))
        vectors_KnC = requests.vectors_KnC[:, POINTERS:]
        if not requests.targets:
            shares = self.shares(vectors_KnC) if scene is None else [vectors_KnC]
            return replace(self.paint(source_K3HW, self.places(found, source_K3HW), shares, requests.seeds), found=found)
        wanted_K3HW = self.wanted(requests.targets, source_K3HW)
        if scene is None:
            source_K3HW, wanted_K3HW, vectors_KnC = self.one_turn(requests.targets, source_K3HW, wanted_K3HW, vectors_KnC)
        return replace(self.practise(source_K3HW, wanted_K3HW, vectors_KnC, scene is not None), found=found)

    def sources(self, scene: Scene | None, requests: Requests) -> Tensor:
        """The pictures to be changed, as large as they are painted; zeros for new ones."""
        fine = self.side // self.shrink
        if scene is None:
            return self.null.new_zeros(len(requests), 3, fine, fine)
        pixels_K3HW = to_floats(scene.pixels_BHWC[requests.picture_K], self.null.dtype)
        share = min(1.0, fine / max(scene.size))
        size = [max(self.multiple, round(side * share / self.multiple) * self.multiple) for side in scene.size]
        return pixels_K3HW if tuple(size) == scene.size else F.interpolate(pixels_K3HW, size, mode="area")

    def places(self, found: PixelMaps | None, source_K3HW: Tensor) -> Tensor:
        """[K, 1, H, W] what is painted: where the segmenter says, wider by the mean of what training widens; all of a new picture."""
        if found is None:
            return torch.ones_like(source_K3HW[:, :1])
        rows = zip(found.masks_Khw, found.looks_Khw, found.votes_B2hw[found.picture_K])
        masks_K1hw = torch.stack([whole(mask_hw, looks_hw, votes_2hw) for mask_hw, looks_hw, votes_2hw in rows])[:, None]
        chance_K1HW = F.interpolate(masks_K1hw.float(), source_K3HW.shape[2:], mode="bilinear").sigmoid()
        wider = (1 + self.wider) // 2
        return F.max_pool2d((chance_K1HW > 0.5).to(source_K3HW.dtype), 2 * wider + 1, 1, wider)

    def shares(self, vectors_KnC: Tensor) -> list[Tensor]:
        """The vectors of each turn, of as many turns as there are vectors at most; those that can not be dealt evenly are left out."""
        turns = min(self.turns, vectors_KnC.shape[1])
        count = vectors_KnC.shape[1] // turns
        return list(vectors_KnC[:, : count * turns].split(count, 1))

    def one_turn(
        self, targets: list[Image], source_K3HW: Tensor, wanted_K3HW: Tensor, vectors_KnC: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One turn of each new picture, by chance: what it begins with, what it leaves, and its share of the vectors."""
        shares = self.shares(vectors_KnC)
        stages: list[tuple[Tensor, Tensor, Tensor]] = []
        for k, target in enumerate(targets):
            turn = int(torch.randint(len(shares), ()))
            drafts = [self.wanted([draft], source_K3HW)[0] for draft in getattr(target, "drafts", ())[: len(shares) - 1]]
            drafts = [source_K3HW[k], *drafts, *[wanted_K3HW[k]] * (len(shares) - len(drafts))]
            stages.append((drafts[turn], drafts[turn + 1], shares[turn][k]))
        return tuple(torch.stack(column) for column in zip(*stages))

    def draw(self, like_K3HW: Tensor) -> tuple[Tensor, Tensor, Tensor, int]:
        """Training's dice: noise, sigma_K in 0..1, which requests the null one stands in for, and by how many pixels the places of
        changes are widened.

        Little less than half of the sigmas are high: what is where is decided while little is seen. The others are as often low as in
        the middle: a net that seldom sees clear outlines spoils those it has found.
        """
        count, device = len(like_K3HW), like_K3HW.device
        high_K = torch.sigmoid(1.9 + 1.2 * torch.randn(count, device=device))
        low_K = 0.05 + 0.7 * torch.rand(count, device=device)
        sigma_K = torch.where(torch.rand(count, device=device) < self.clear, low_K, high_K)
        dropped_K = torch.rand(count, device=device) < self.drop
        return torch.randn_like(like_K3HW), sigma_K, dropped_K, 1 + int(torch.randint(self.wider, ()))

    def practise(self, source_K3HW: Tensor, wanted_K3HW: Tensor, vectors_KnC: Tensor, changes: bool) -> Painting:
        """One denoising of noisy targets; of changes in their true places, more or less widened."""
        noise_K3HW, sigma_K, dropped_K, wider = self.draw(wanted_K3HW)
        where_K1HW = torch.ones_like(source_K3HW[:, :1])
        if changes:
            where_K1HW = changed(source_K3HW, wanted_K3HW)[:, None].to(source_K3HW.dtype)
            where_K1HW = F.max_pool2d(where_K1HW, 2 * wider + 1, 1, wider)
        noisy_K3HW = wanted_K3HW.lerp(noise_K3HW, sigma_K[:, None, None, None])
        vectors_KnC = torch.where(dropped_K[:, None, None], self.null.to(vectors_KnC.dtype), vectors_KnC)
        clean_K3HW = self.denoise(noisy_K3HW, source_K3HW, where_K1HW, sigma_K, vectors_KnC)
        return Painting(clean_K3HW, where_K1HW, None, sigma_K, source_K3HW)

    def denoise(self, noisy_K3HW: Tensor, source_K3HW: Tensor, where_K1HW: Tensor, sigma_K: Tensor, vectors_KnC: Tensor) -> Tensor:
        """clean_K3HW of noisy pictures; where nothing is painted the source is shown in place of noise."""
        source_K3HW, where_K1HW = source_K3HW.to(noisy_K3HW.dtype), where_K1HW.to(noisy_K3HW.dtype)
        seen_K7HW = torch.cat([source_K3HW.lerp(noisy_K3HW, where_K1HW), source_K3HW, where_K1HW], 1)
        # Cells attend to all vectors, and their mean goes where the time goes (Imagen, arXiv 2205.11487, section 2.3).
        dtype = self.null.dtype
        cells_KChw = with_places(F.pixel_unshuffle(seen_K7HW, self.patch))
        cells_KChw, vectors_KnC = cells_KChw.to(dtype), vectors_KnC.to(dtype)
        cells_KChw = self.net(cells_KChw, sigma_K * 1000, vectors_KnC, class_labels=vectors_KnC.mean(1)).sample.float()
        return F.pixel_shuffle(cells_KChw, self.patch)

    @torch.no_grad()
    def paint(self, source_K3HW: Tensor, where_K1HW: Tensor, shares: list[Tensor], seeds: list[int]) -> Painting:
        """Sample, from each request's own noise: a turn for each share of its vectors [K, n, C], going on from the one before."""
        dice = [torch.Generator().manual_seed(seed) for seed in seeds]
        for turn_KnC in shares:
            noise_K3HW = torch.stack([torch.randn(source_K3HW.shape[1:], generator=die) for die in dice]).to(source_K3HW.device)
            source_K3HW = self.flow(noise_K3HW, source_K3HW, where_K1HW, turn_KnC)
        return Painting(source_K3HW, where_K1HW)

    def flow(self, x_K3HW: Tensor, source_K3HW: Tensor, where_K1HW: Tensor, vectors_KnC: Tensor) -> Tensor:
        """From noise to pictures, by diffusers' Euler steps along the flow."""
        from diffusers import FlowMatchEulerDiscreteScheduler

        scheduler = FlowMatchEulerDiscreteScheduler()
        scheduler.set_timesteps(self.steps, device=source_K3HW.device)
        null_KnC = self.null.to(vectors_KnC.dtype).expand_as(vectors_KnC)
        for step, timestep in enumerate(scheduler.timesteps):
            sigma = scheduler.sigmas[step].to(x_K3HW.device)
            sigma_K = sigma.expand(len(x_K3HW))
            clean_K3HW = self.denoise(x_K3HW, source_K3HW, where_K1HW, sigma_K, vectors_KnC)
            if self.guidance != 1:
                plain_K3HW = self.denoise(x_K3HW, source_K3HW, where_K1HW, sigma_K, null_KnC)
                clean_K3HW = plain_K3HW + self.guidance * (clean_K3HW - plain_K3HW)
            velocity_K3HW = (x_K3HW - clean_K3HW) / sigma
            x_K3HW = scheduler.step(velocity_K3HW, timestep, x_K3HW).prev_sample
        return x_K3HW.clamp(-1, 1)

    def wanted(self, targets: list[Image], source_K3HW: Tensor) -> Tensor:
        """Targets as K3HW, as large as they are painted."""
        size = source_K3HW.shape[2:]
        pixels = (torch.from_numpy(np.array(target.pixels))[None].to(source_K3HW.device) for target in targets)
        floats = [to_floats(pixels_1HWC, source_K3HW.dtype) for pixels_1HWC in pixels]
        return torch.cat([one if one.shape[2:] == size else F.interpolate(one, size, mode="area") for one in floats])

    def counts(self, targets: list[Image]) -> dict[str, float]:
        edits = float(sum(target.of is not None for target in targets))
        return {"flow": float(len(targets))} | dict.fromkeys(FOUND, edits)

    def loss(self, raw: Painting, targets: list[Image]) -> Losses:
        """flow: of the pixels that are painted. pixel, dice, place: of the segmenter, as in `PixelSegmenter`."""
        wanted_K3HW = self.wanted(targets, raw.source_K3HW)
        error_K3HW = (raw.clean_K3HW - wanted_K3HW) / raw.sigma_K.clamp(min=self.least_sigma)[:, None, None, None]
        error_K1HW = error_K3HW.square().mean(1, keepdim=True) * raw.where_K1HW
        flow_K = error_K1HW.sum((1, 2, 3)) / raw.where_K1HW.sum((1, 2, 3)).clamp(min=1)
        counts = self.counts(targets)
        if raw.found is None:
            return {"flow": (flow_K.sum(), counts["flow"])} | {name: (self.zero_of(flow_K), 0.0) for name in FOUND}
        masks_KHW = changed(raw.source_K3HW, wanted_K3HW).cpu().numpy()
        found = self.finder.loss(raw.found, [Masks("", mask_HW[None]) for mask_HW in masks_KHW])
        losses = {name: (found[name][0] * self.change_weight, counts[name]) for name in FOUND}
        return losses | {"flow": (flow_K.sum() + self.zero_of(raw.found), counts["flow"])}  # middles and votes are not learned

    def parts(self, raw: Painting, scene: Scene | None, requests: Requests) -> list[Part]:
        size = (self.side, self.side) if scene is None else scene.size
        clean_K3HW, where_K1HW = raw.clean_K3HW, raw.where_K1HW
        if clean_K3HW.shape[2:] != size:
            clean_K3HW = F.interpolate(clean_K3HW, size, mode="bicubic")
            where_K1HW = F.interpolate(where_K1HW, size, mode="bilinear")
        painted_KHW3 = ((clean_K3HW + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()
        if scene is None:
            return [Image(painted_HW3) for painted_HW3 in painted_KHW3]
        changed_KHW = (where_K1HW[:, 0] > 0.5).cpu().numpy()
        rows = zip(painted_KHW3, changed_KHW, requests.picture_K.tolist(), requests.images, strict=True)
        return [Changed(painted, mask, scene.canvases[picture], image) for painted, mask, picture, image in rows]

    def finish(self, part: Part, pictures: tuple[Image, ...]) -> Part:
        return part.laid_over(pictures[part.of]) if isinstance(part, Changed) else part

    def dummy(self, scene: Scene) -> Tensor:
        """As in `Decoder`: the segmenter on the scene, the net on the smallest picture."""
        side = self.multiple
        black = self.null.new_zeros(1, 3, side, side)
        said = self.denoise(black, black, black[:, :1], black.new_ones(1), self.null)
        where = torch.zeros(1, dtype=torch.long, device=black.device)
        return self.zero_of([said, self.finder(scene, Requests(self.null.expand(1, POINTERS, -1), where, [""], [0]))])


def changed(source_K3HW: Tensor, wanted_K3HW: Tensor) -> Tensor:
    """bool [K, H, W]: pixels that differ by more than `CHANGED`, in any channel."""
    return (wanted_K3HW - source_K3HW).abs().amax(1) > 2 * CHANGED


def with_places(cells_KChw: Tensor) -> Tensor:
    """Two more channels: how far right and how far down each cell lies, -1..1 (CoordConv, Liu et al., arXiv 1807.03247): a request may
    say "left of"."""
    right_w, down_h = (torch.linspace(-1, 1, count, device=cells_KChw.device) for count in cells_KChw.shape[:1:-1])
    places_2hw = torch.stack(torch.broadcast_tensors(right_w, down_h[:, None]))
    return torch.cat([cells_KChw, places_2hw.to(cells_KChw.dtype).expand(len(cells_KChw), -1, -1, -1)], 1)


class Changed(Image):
    """A picture on the canvas of its source, and where it is to be laid over it."""

    def __init__(self, painted_HW3: np.ndarray, changed_HW: np.ndarray, canvas: Canvas, of: int):
        height, width = canvas.scaled
        super().__init__(painted_HW3[:height, :width], of=of)
        self.changed_HW = changed_HW[:height, :width]

    def laid_over(self, source: Image) -> Image:
        """At the source's own size: its own pixels where nothing is to be changed."""
        from PIL import Image as PilImage

        size = source.size
        painted = np.asarray(self.pil().resize(size, PilImage.Resampling.BICUBIC))
        changed = np.asarray(PilImage.fromarray(self.changed_HW.astype(np.uint8) * 255).resize(size, PilImage.Resampling.BILINEAR))
        amount_HW1 = changed[:, :, None] / np.float32(255)
        mixed_HW3 = source.pixels * (1 - amount_HW1) + painted * amount_HW1
        return Image(mixed_HW3.round().astype(np.uint8), of=self.of)


def to_floats(pixels_BHWC: Tensor, dtype: torch.dtype) -> Tensor:
    """uint8 [B, H, W, 3] -> [B, 3, H, W] in -1..1."""
    return pixels_BHWC.permute(0, 3, 1, 2).to(dtype) / 127.5 - 1
