"""Eyes: pictures -> feature maps that the language model and every decoder share.

Shapes: B pictures of one canvas size, H W canvas pixels, C channels; a level l is a map of H/s_l x W/s_l cells.
"""

from __future__ import annotations

import inspect

import torch
from torch import Tensor, nn

from superlens.vision.cache import FeatureCache
from superlens.vision.canvas import Canvas
from superlens.vision.pyramid import FeaturePyramid
from superlens.vision.scene import Scene

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Eye(nn.Module):
    """Base of all eyes: normalises pixels, calls `features`, builds the pyramid.

    level_channels: C of the pyramid levels. token_channels: C' of the token map. token_stride: its stride in canvas pixels.
    multiple: canvas sides must be multiples of this. fixed_size: the one canvas side it can see, if there is only one.
    """

    level_channels: int
    token_channels: int
    token_stride: int
    multiple: int = 1
    fixed_size: int | None = None
    cache: FeatureCache | None = None  # of an eye that stays as it is

    def __init__(self, mean, std):
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1) * 255)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1) * 255)

    def normalise(self, pixels_BHWC: Tensor) -> Tensor:
        """uint8 [B, H, W, 3] -> float [B, 3, H, W], zero mean and unit deviation over natural pictures."""
        pixels_B3HW = pixels_BHWC.permute(0, 3, 1, 2).to(self.mean.dtype)
        return (pixels_B3HW - self.mean) / self.std

    def check_canvas(self, size: tuple[int, int]) -> None:
        """ValueError with a sentence when this eye can not see a canvas of (height, width) pixels."""
        shown = f"got a canvas of {size[1]} x {size[0]} pixels"
        if self.fixed_size is not None and size != (self.fixed_size, self.fixed_size):
            side = self.fixed_size
            raise ValueError(
                f"this eye sees {side} x {side} pixels only, {shown}: set canvas to {{square: true, longest: {side}}} in the recipe."
            )
        if size[0] % self.multiple or size[1] % self.multiple:
            raise ValueError(
                f"this eye sees sides that are multiples of {self.multiple}, {shown}: set canvas.multiple: {self.multiple}."
            )

    def forward(self, pixels_BHWC: Tensor, canvases: list[Canvas]) -> Scene:
        if self.cache is not None:
            return self.cache.scene(self.see, pixels_BHWC, canvases)
        return self.see(pixels_BHWC, canvases)

    def see(self, pixels_BHWC: Tensor, canvases: list[Canvas]) -> Scene:
        """Pictures of one canvas size, uint8 -> what is seen of them."""
        raise NotImplementedError


class BackboneEye(Eye):
    """Any Transformers backbone with feature maps (`AutoBackbone`: ConvNeXt, Swin, ResNet, DINOv2 ...) and a feature pyramid.

    config: the backbone's config as a dict with `model_type`. channels: width of the pyramid. token_level: which pyramid level
    (0 = finest) the visual tokens come from. Lin et al., Feature Pyramid Networks, arXiv 1612.03144.
    Batch normalisation keeps its published statistics, also in training: features of a picture must not depend on its neighbours.
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
        self.multiple = max(self.strides)
        self.pyramid = FeaturePyramid(self.backbone.channels, channels)
        self.level_channels = self.token_channels = channels
        if not 0 <= token_level < len(self.strides):
            raise ValueError(
                f"eye.token_level is one of the {len(self.strides)} levels of this backbone, 0 the finest; got {token_level}."
            )
        self.token_level = token_level
        self.token_stride = self.strides[token_level]

    def train(self, mode: bool = True) -> BackboneEye:
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        return self

    def see(self, pixels_BHWC: Tensor, canvases: list[Canvas]) -> Scene:
        self.check_canvas(canvases[0].size)
        maps = self.backbone(self.normalise(pixels_BHWC)).feature_maps
        levels = self.pyramid(list(maps))
        return Scene(levels, levels[self.token_level], canvases, pixels_BHWC)


class HiddenStateEye(Eye):
    """A vision transformer of Transformers read at a hidden layer (CLIP, SigLIP, ViT, DINOv2, ViT-MAE ...).

    config: the vision model's config as a dict with `model_type`. layer: index into hidden_states (-2 as in LLaVA).
    The patch tokens become a map; leading class or register tokens are dropped. Its pyramid is made by resampling, as in
    Li et al., Exploring Plain Vision Transformer Backbones for Object Detection, arXiv 2203.16527.
    Most of these know one input size (CLIP, SigLIP, ViT, ViT-MAE) and want a square canvas of it; DINOv2 sees any.
    """

    def __init__(self, config: dict, channels: int = 96, layer: int = -2, mean=IMAGENET_MEAN, std=IMAGENET_STD):
        from transformers import AutoModel

        from superlens.parts import resolve_config

        super().__init__(mean, std)
        self.backbone = AutoModel.from_config(resolve_config(config))
        if hasattr(self.backbone, "vision_model") and not hasattr(self.backbone.config, "patch_size"):
            self.backbone = self.backbone.vision_model
        config = self.backbone.config
        width, patch = config.hidden_size, config.patch_size
        self.layer = layer
        self.token_stride = patch if isinstance(patch, int) else patch[0]
        accepted = inspect.signature(self.backbone.forward).parameters
        # A family that offers to interpolate its position embeddings does not do so unasked.
        if "interpolate_pos_encoding" in accepted:
            self.fixed_size = config.image_size if isinstance(config.image_size, int) else config.image_size[0]
        self.multiple = self.token_stride if self.fixed_size else 2 * self.token_stride  # whole cells at the coarsest level
        self.keeps_order = "noise" not in accepted
        if not self.keeps_order:  # ViT-MAE hides and shuffles patches; here it is to see them all, in order
            config.mask_ratio = 0.0
        self.token_channels = width
        self.level_channels = channels
        self.strides = [self.token_stride / 4, self.token_stride / 2, self.token_stride, self.token_stride * 2]
        self.pyramid = FeaturePyramid([width] * 4, channels)

    def see(self, pixels_BHWC: Tensor, canvases: list[Canvas]) -> Scene:
        self.check_canvas(canvases[0].size)
        rows, columns = (side // self.token_stride for side in canvases[0].size)
        cells_BT = torch.arange(rows * columns, device=pixels_BHWC.device).float().expand(len(pixels_BHWC), -1)
        options = {} if self.keeps_order else {"noise": cells_BT}
        outputs = self.backbone(self.normalise(pixels_BHWC), output_hidden_states=True, **options)
        hidden_BTC = outputs.hidden_states[self.layer]
        tokens_BCHW = hidden_BTC[:, -rows * columns :].transpose(1, 2).unflatten(2, (rows, columns))
        resampled = [nn.functional.interpolate(tokens_BCHW, scale_factor=s, mode="bilinear") for s in (4.0, 2.0)]
        levels = self.pyramid([*resampled, tokens_BCHW, nn.functional.max_pool2d(tokens_BCHW, 2, ceil_mode=True)])
        return Scene(levels, tokens_BCHW, canvases, pixels_BHWC)


def feature_strides(config, backbone: nn.Module) -> list[int]:
    """Stride in pixels of each feature map, measured on a blank picture (families name it differently or not at all)."""
    side = 224  # 32 x 7 and 14 x 16: whole cells for every usual stride
    with torch.device("cpu"), torch.no_grad():
        if next(backbone.parameters()).is_meta:
            from transformers import AutoBackbone

            backbone = AutoBackbone.from_config(config)
        training, _ = backbone.training, backbone.eval()
        maps = backbone(torch.zeros(1, 3, side, side)).feature_maps
        backbone.train(training)
    return [round(side / level.shape[-1]) for level in maps]
