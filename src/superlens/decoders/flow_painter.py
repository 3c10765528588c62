"""A light painter of new and changed pictures: rectified flow in pixels, conditioned on a link's query vectors.

Flow matching (Lipman et al., arXiv 2210.02747; Liu et al., 2209.03003): from a noisy picture x_s = (1 - s) x + s noise the clean one is
predicted, and the loss is taken on the velocity that follows from it (Li and He, "Back to basics", arXiv 2511.13720): so patches of
pixels need no autoencoder. The network is diffusers' U-Net with cross-attention (as in latent diffusion, arXiv 2112.10752). It takes in
patches of pixels as channels (Hoogeboom et al., arXiv 2301.11093, section 3). Classifier-free guidance (Ho and Salimans, arXiv
2207.12598) by a learned null request. A changed picture takes the source along on more channels (InstructPix2Pix, arXiv 2211.09800) and
says beside it where it is changed: everywhere else the source itself is the answer.

Shapes: K requests, n vectors a request, C their width, H W pixels that are painted. Pictures are -1..1 inside.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from superlens.decoders.base import Decoder, Losses, Requests
from superlens.message import Image, Part
from superlens.vision.canvas import Canvas
from superlens.vision.scene import Scene

CHANGED = 8 / 255  # a pixel that differs by more, in any channel, has been changed


@dataclass
class Painting:
    """Raw answer: clean_K3HW, and change_KHW logits of being changed. Training only: how noisy it was, and the source."""

    clean_K3HW: Tensor
    change_KHW: Tensor
    sigma_K: Tensor | None = None
    source_K3HW: Tensor | None = None


class FlowPainter(Decoder):
    """Pictures from requests of any number of vectors.

    width: C. side: of new pictures, in pixels; changes are painted with a longer side of at most this, then enlarged.
    patch: pixels along each side of one cell of the net. channels: of the net at every level, each half as fine as the one before it.
    heads: of its attention. guidance: 1 asks once; more exaggerates what the request says over the null request. steps: of the sampler.
    drop: share of training requests that the null request stands in for.
    """

    part = "image"
    least_sigma = 0.3  # velocities are errors over sigma: below this the finest noise would outweigh what is shown
    change_weight, changed_weight = 0.5, 4.0

    def __init__(
        self,
        width: int = 128,
        side: int = 128,
        patch: int = 8,
        channels: tuple[int, ...] = (96, 112),
        heads: int = 4,
        guidance: float = 3.0,
        steps: int = 20,
        drop: float = 0.1,
    ):
        super().__init__()
        from diffusers import UNet2DConditionModel

        self.multiple = patch * 2 ** (len(channels) - 1)
        if side % self.multiple:
            raise ValueError(f"decoders: side must be a multiple of {self.multiple} (patch and levels), got {side}.")
        self.width, self.side, self.patch, self.guidance, self.steps, self.drop = width, side, patch, guidance, steps, drop
        self.null = nn.Parameter(torch.zeros(1, 1, width))
        self.net = UNet2DConditionModel(
            sample_size=side // patch, in_channels=6 * patch**2, out_channels=4 * patch**2, layers_per_block=1,
            block_out_channels=tuple(channels), down_block_types=("CrossAttnDownBlock2D",) * len(channels),
            up_block_types=("CrossAttnUpBlock2D",) * len(channels), cross_attention_dim=width, attention_head_dim=heads,
            norm_num_groups=8, class_embed_type="projection", projection_class_embeddings_input_dim=width,
        )  # fmt: skip
        # Pictures begin grey and unchanged, not as noise.
        nn.init.zeros_(self.net.conv_out.weight)
        nn.init.zeros_(self.net.conv_out.bias)

    def forward(self, scene: Scene | None, requests: Requests) -> Painting:
        source_K3HW = self.sources(scene, requests)
        if requests.targets:
            return self.practise(source_K3HW, requests)
        return self.paint(source_K3HW, requests)

    def sources(self, scene: Scene | None, requests: Requests) -> Tensor:
        """The pictures to be changed, as large as they are painted; zeros for new ones."""
        if scene is None:
            return self.null.new_zeros(len(requests), 3, self.side, self.side)
        pixels_K3HW = to_floats(scene.pixels_BHWC[requests.picture_K], self.null.dtype)
        share = min(1.0, self.side / max(scene.size))
        size = [max(self.multiple, round(side * share / self.multiple) * self.multiple) for side in scene.size]
        return pixels_K3HW if tuple(size) == scene.size else F.interpolate(pixels_K3HW, size, mode="area")

    def draw(self, like_K3HW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Training's dice: noise_K3HW, sigma_K in 0..1 (more often noisy than clean), and which requests the null one stands in for."""
        count = len(like_K3HW)
        sigma_K = torch.sigmoid(0.8 + 0.8 * torch.randn(count, device=like_K3HW.device))
        return torch.randn_like(like_K3HW), sigma_K, torch.rand(count, device=like_K3HW.device) < self.drop

    def practise(self, source_K3HW: Tensor, requests: Requests) -> Painting:
        """One denoising of noisy targets."""
        wanted_K3HW = self.wanted(requests.targets, source_K3HW)
        noise_K3HW, sigma_K, dropped_K = self.draw(wanted_K3HW)
        noisy_K3HW = wanted_K3HW.lerp(noise_K3HW, sigma_K[:, None, None, None])
        vectors_KnC = torch.where(dropped_K[:, None, None], self.null.to(requests.vectors_KnC.dtype), requests.vectors_KnC)
        clean_K3HW, change_KHW = self.denoise(noisy_K3HW, source_K3HW, sigma_K, vectors_KnC)
        return Painting(clean_K3HW, change_KHW, sigma_K, source_K3HW)

    def denoise(self, noisy_K3HW: Tensor, source_K3HW: Tensor, sigma_K: Tensor, vectors_KnC: Tensor) -> tuple[Tensor, Tensor]:
        """(clean_K3HW, change_KHW logits) of noisy pictures."""
        seen_K6HW = torch.cat([noisy_K3HW, source_K3HW], 1)
        # Every cell attends to all vectors, and their mean goes where the time goes (Imagen, arXiv 2205.11487, section 2.3).
        dtype = self.null.dtype
        cells_KChw, vectors_KnC = F.pixel_unshuffle(seen_K6HW, self.patch).to(dtype), vectors_KnC.to(dtype)
        cells_KChw = self.net(cells_KChw, sigma_K * 1000, vectors_KnC, class_labels=vectors_KnC.mean(1)).sample.float()
        said_K4HW = F.pixel_shuffle(cells_KChw, self.patch)
        return said_K4HW[:, :3], said_K4HW[:, 3]

    @torch.no_grad()
    def paint(self, source_K3HW: Tensor, requests: Requests) -> Painting:
        """Sample: from each request's own noise, by diffusers' Euler steps along the flow."""
        from diffusers import FlowMatchEulerDiscreteScheduler

        scheduler = FlowMatchEulerDiscreteScheduler()
        scheduler.set_timesteps(self.steps, device=source_K3HW.device)
        noise = [torch.randn(source_K3HW.shape[1:], generator=torch.Generator().manual_seed(seed)) for seed in requests.seeds]
        x_K3HW = torch.stack(noise).to(source_K3HW.device)
        null_KnC = self.null.to(requests.vectors_KnC.dtype).expand_as(requests.vectors_KnC)
        for step, timestep in enumerate(scheduler.timesteps):
            sigma = scheduler.sigmas[step].to(x_K3HW.device)
            sigma_K = sigma.expand(len(x_K3HW))
            clean_K3HW, change_KHW = self.denoise(x_K3HW, source_K3HW, sigma_K, requests.vectors_KnC)
            if self.guidance != 1:
                plain_K3HW, _ = self.denoise(x_K3HW, source_K3HW, sigma_K, null_KnC)
                clean_K3HW = plain_K3HW + self.guidance * (clean_K3HW - plain_K3HW)
            velocity_K3HW = (x_K3HW - clean_K3HW) / sigma
            x_K3HW = scheduler.step(velocity_K3HW, timestep, x_K3HW).prev_sample
        return Painting(x_K3HW.clamp(-1, 1), change_KHW)

    def wanted(self, targets: list[Image], source_K3HW: Tensor) -> Tensor:
        """Targets as K3HW, as large as they are painted."""
        size = source_K3HW.shape[2:]
        pixels = (torch.from_numpy(np.array(target.pixels))[None].to(source_K3HW.device) for target in targets)
        floats = [to_floats(pixels_1HWC, source_K3HW.dtype) for pixels_1HWC in pixels]
        return torch.cat([one if one.shape[2:] == size else F.interpolate(one, size, mode="area") for one in floats])

    def counts(self, targets: list[Image]) -> dict[str, float]:
        return {"flow": float(len(targets)), "change": float(sum(target.of is not None for target in targets))}

    def loss(self, raw: Painting, targets: list[Image]) -> Losses:
        wanted_K3HW = self.wanted(targets, raw.source_K3HW)
        edits_K = torch.tensor([target.of is not None for target in targets], device=wanted_K3HW.device)
        changed_KHW = (wanted_K3HW - raw.source_K3HW).abs().amax(1) > 2 * CHANGED
        weight_KHW = 1 + self.changed_weight * (changed_KHW & edits_K[:, None, None]).float()
        error_K3HW = (raw.clean_K3HW - wanted_K3HW) / raw.sigma_K.clamp(min=self.least_sigma)[:, None, None, None]
        flow_K = (error_K3HW.square().mean(1) * weight_KHW).mean((1, 2))
        change_KHW = F.binary_cross_entropy_with_logits(raw.change_KHW, changed_KHW.float(), reduction="none")
        change_K = change_KHW.mean((1, 2)) * edits_K
        return {"flow": (flow_K.sum(), float(len(targets))), "change": (change_K.sum() * self.change_weight, float(edits_K.sum()))}

    def parts(self, raw: Painting, scene: Scene | None, requests: Requests) -> list[Part]:
        clean_K3HW, change_KHW = raw.clean_K3HW, raw.change_KHW
        if scene is not None and change_KHW.shape[1:] != scene.size:
            clean_K3HW = F.interpolate(clean_K3HW, scene.size, mode="bicubic")
            change_KHW = F.interpolate(change_KHW[:, None], scene.size, mode="bilinear")[:, 0]
        painted_KHW3 = ((clean_K3HW + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()
        if scene is None:
            return [Image(painted_HW3) for painted_HW3 in painted_KHW3]
        changed_KHW = (change_KHW > 0).cpu().numpy()
        rows = zip(painted_KHW3, changed_KHW, requests.picture_K.tolist(), requests.images, strict=True)
        return [Changed(painted, changed, scene.canvases[picture], image) for painted, changed, picture, image in rows]

    def finish(self, part: Part, pictures: tuple[Image, ...]) -> Part:
        return part.laid_over(pictures[part.of]) if isinstance(part, Changed) else part

    def dummy(self, scene: Scene) -> Tensor:
        side = self.multiple
        black = self.null.new_zeros(1, 3, side, side)
        said = self.denoise(black, black, black.new_ones(1), self.null)
        return self.zero_of(list(said))


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
        amount_HW1 = changed[:, :, None] / 255
        mixed_HW3 = source.pixels * (1 - amount_HW1) + painted * amount_HW1
        return Image(mixed_HW3.round().astype(np.uint8), of=self.of)


def to_floats(pixels_BHWC: Tensor, dtype: torch.dtype) -> Tensor:
    """uint8 [B, H, W, 3] -> [B, 3, H, W] in -1..1."""
    return pixels_BHWC.permute(0, 3, 1, 2).to(dtype) / 127.5 - 1
