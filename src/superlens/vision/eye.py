"""Eyes: pictures -> feature maps that the language model and every decoder share.

Shapes: B pictures of one canvas size, H W canvas pixels, C channels; a level l is a map of H/s_l x W/s_l cells.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from superlens.vision.canvas import Canvas
from superlens.vision.pyramid import FeaturePyramid

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass
class Scene:
    """What the eye saw: pictures of one canvas size, computed once and shared by all.

    levels: maps [B, C, h, w], finest first (strides about 4, 8, 16, 32), for decoders.
    tokens: map [B, C', h', w'] from which the projector makes visual tokens.
    canvases: B geometries.
    """

    levels: list[Tensor]
    tokens: Tensor
    canvases: list[Canvas]

    @property
    def size(self) -> tuple[int, int]:
        """Canvas (height, width) in pixels."""
        return self.canvases[0].size

    def stride(self, level: int) -> float:
        """Canvas pixels per cell of a level."""
        return self.size[0] / self.levels[level].shape[-2]


class Eye(nn.Module):
    """Base of all eyes: normalises pixels, calls `features`, builds the pyramid.

    level_channels: C of the pyramid levels. token_channels: C' of the token map. token_stride: its stride in canvas pixels.
    """

    level_channels: int
    token_channels: int
    token_stride: int

    def __init__(self, mean, std):
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1) * 255)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1) * 255)

    def normalise(self, pixels_BHWC: Tensor) -> Tensor:
        """uint8 [B, H, W, 3] -> float [B, 3, H, W], zero mean and unit deviation over natural pictures."""
        pixels_B3HW = pixels_BHWC.permute(0, 3, 1, 2).to(self.mean.dtype)
        return (pixels_B3HW - self.mean) / self.std

    def forward(self, pixels_BHWC: Tensor, canvases: list[Canvas]) -> Scene:
        raise NotImplementedError


class BackboneEye(Eye):
    """Any Transformers backbone with feature maps (`AutoBackbone`: ConvNeXt, Swin, ResNet, DINOv2 ...) and a feature pyramid.

    config: the backbone's config as a dict with `model_type`. channels: width of the pyramid. token_level: which pyramid level
    (0 = finest) the visual tokens come from. Lin et al., Feature Pyramid Networks, arXiv 1612.03144.
    """

    def __init__(self, config: dict, channels: int = 96, token_level: int = 1, mean=IMAGENET_MEAN, std=IMAGENET_STD):
        from transformers import AutoBackbone

        from superlens.parts import resolve_config

        super().__init__(mean, std)
        config = resolve_config(config)
        if not getattr(config, "out_features", None) or len(config.out_features) < 2:
            config.out_features = [name for name in config.stage_names if name != "stem"]
        self.backbone = AutoBackbone.from_config(config)
        self.strides = feature_strides(config, self.backbone)
        self.pyramid = FeaturePyramid(self.backbone.channels, channels)
        self.level_channels = self.token_channels = channels
        self.token_level = token_level
        self.token_stride = self.strides[token_level]

    def forward(self, pixels_BHWC: Tensor, canvases: list[Canvas]) -> Scene:
        maps = self.backbone(self.normalise(pixels_BHWC)).feature_maps
        levels = self.pyramid(list(maps))
        return Scene(levels, levels[self.token_level], canvases)


class HiddenStateEye(Eye):
    """A vision transformer of Transformers read at a hidden layer (CLIP, SigLIP, ViT, DINOv2, ViT-MAE ...).

    config: the vision model's config as a dict with `model_type`. layer: index into hidden_states (-2 as in LLaVA).
    The patch tokens become a map; leading class or register tokens are dropped. Its pyramid is made by resampling, as in
    Li et al., Exploring Plain Vision Transformer Backbones for Object Detection, arXiv 2203.16527.
    """

    def __init__(self, config: dict, channels: int = 96, layer: int = -2, mean=IMAGENET_MEAN, std=IMAGENET_STD):
        from transformers import AutoModel

        from superlens.parts import resolve_config

        super().__init__(mean, std)
        self.backbone = AutoModel.from_config(resolve_config(config))
        if hasattr(self.backbone, "vision_model") and not hasattr(self.backbone.config, "patch_size"):
            self.backbone = self.backbone.vision_model
        width = self.backbone.config.hidden_size
        self.layer = layer
        self.token_stride = self.backbone.config.patch_size
        self.token_channels = width
        self.level_channels = channels
        self.strides = [self.token_stride / 4, self.token_stride / 2, self.token_stride, self.token_stride * 2]
        self.pyramid = FeaturePyramid([width] * 4, channels)

    def forward(self, pixels_BHWC: Tensor, canvases: list[Canvas]) -> Scene:
        outputs = self.backbone(self.normalise(pixels_BHWC), output_hidden_states=True)
        hidden_BTC = outputs.hidden_states[self.layer]
        rows, columns = (side // self.token_stride for side in canvases[0].size)
        tokens_BCHW = hidden_BTC[:, -rows * columns :].transpose(1, 2).unflatten(2, (rows, columns))
        resampled = [nn.functional.interpolate(tokens_BCHW, scale_factor=s, mode="bilinear") for s in (4.0, 2.0)]
        levels = self.pyramid([*resampled, tokens_BCHW, nn.functional.max_pool2d(tokens_BCHW, 2, ceil_mode=True)])
        return Scene(levels, tokens_BCHW, canvases)


def feature_strides(config, backbone: nn.Module) -> list[int]:
    """Stride in pixels of each feature map, measured on a blank picture (families name it differently or not at all)."""
    side = 64
    with torch.device("cpu"), torch.no_grad():
        if next(backbone.parameters()).is_meta:
            from transformers import AutoBackbone

            backbone = AutoBackbone.from_config(config)
        training, _ = backbone.training, backbone.eval()
        maps = backbone(torch.zeros(1, 3, side, side)).feature_maps
        backbone.train(training)
    return [side // level.shape[-1] for level in maps]
