"""A dense, anchor-free detector with an open vocabulary, light enough to train from scratch on a CPU.

Every cell of every pyramid level proposes one box; how well it fits a phrase is the dot product of the cell with the phrase's query
vector. Assignment as in FCOS (Tian et al., arXiv 1904.01355). Class targets are the boxes' IoU, and empty cells weigh by the square of
their score (varifocal loss, Zhang et al., arXiv 2008.13367). Boxes learn by generalised IoU (Rezatofighi et al., arXiv 1902.09630).

Shapes: B pictures, C channels, L cells of all levels together, K requests, N boxes of a target, P positive (request, cell) pairs.
Boxes are xyxy in canvas pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from superlens.decoders.base import Decoder, DotProduct, Losses, PlaceSense, Requests, SingleSense, counted
from superlens.message import Boxes
from superlens.vision.pyramid import ConvNormAct
from superlens.vision.scene import Scene


@dataclass
class Detections:
    """Raw answer: logits_KL, places_KL (`PlaceSense`), boxes_BL4 (canvas pixels), single_K (`SingleSense`), picture_K, and the cells:
    centres_L2 and strides_L (canvas pixels)."""

    logits_KL: Tensor
    places_KL: Tensor
    boxes_BL4: Tensor
    single_K: Tensor
    picture_K: Tensor
    centres_L2: Tensor
    strides_L: Tensor


class DenseDetector(Decoder):
    """in_channels: of the pyramid levels. width: of the requests. levels: which pyramid levels propose boxes (0 is the finest).

    reach: an object belongs to the first level whose stride times `reach` is at least the square root of its area.
    """

    part = "boxes"
    class_weight = 0.25  # an object owns about nine cells; this keeps its class loss near its box loss

    def __init__(
        self,
        in_channels: int,
        channels: int = 96,
        depth: int = 2,
        width: int = 128,
        levels: tuple[int, ...] = (0, 1, 2, 3),
        reach: float = 6.0,
        overlap: float = 0.6,
    ):
        super().__init__()
        self.width, self.levels, self.reach, self.overlap = width, tuple(levels), reach, overlap
        self.tower = nn.Sequential(
            *(ConvNormAct(in_channels if i == 0 else channels, channels) for i in range(depth)),
        )
        self.sides = nn.Conv2d(channels, 4, 3, padding=1)
        self.cells = nn.Conv2d(channels, channels, 1)
        self.level_scale = nn.Parameter(torch.zeros(len(self.levels)))
        self.match = DotProduct(width, channels, prior=0.01)
        self.place, self.single = PlaceSense(width), SingleSense(width)
        nn.init.normal_(self.sides.weight, std=0.01)
        nn.init.constant_(self.sides.bias, 0.7)  # e^0.7 = 2 strides to each side: a box of 4 cells

    def forward(self, scene: Scene, requests: Requests) -> Detections:
        return self.detect(self.features(scene), scene, requests)

    def features(self, scene: Scene) -> list[Tensor]:
        """[B, channels, h, w] of every level that proposes boxes."""
        return [self.tower(scene.levels[level]) for level in self.levels]

    def detect(self, features: list[Tensor], scene: Scene, requests: Requests) -> Detections:
        """Boxes and scores of every cell."""
        cells, boxes, centres, strides = [], [], [], []
        for index, (level, features_BChw) in enumerate(zip(self.levels, features)):
            stride = scene.stride(level)
            sides_B4hw = (self.sides(features_BChw).float() + self.level_scale[index]).clamp(max=6).exp() * stride
            centres_L2 = cell_centres(*features_BChw.shape[-2:], stride, features_BChw.device)
            sides_BL4 = sides_B4hw.flatten(2).transpose(1, 2)
            boxes.append(torch.cat([centres_L2 - sides_BL4[..., :2], centres_L2 + sides_BL4[..., 2:]], -1))
            cells.append(self.cells(features_BChw))
            centres.append(centres_L2)
            strides.append(torch.full((len(centres_L2),), stride, device=centres_L2.device))
        place_KL, trust_K1 = self.place([tuple(cells_BChw.shape[-2:]) for cells_BChw in cells], requests)
        logits_KL = self.match(cells, requests) + trust_K1 * place_KL
        said = logits_KL, place_KL, torch.cat(boxes, 1), self.single(requests)
        return Detections(*said, requests.picture_K, torch.cat(centres), torch.cat(strides))

    def counts(self, targets: list[Boxes]) -> dict[str, float]:
        boxes = counted(targets)
        present = float(sum(n > 0 for n in boxes))
        return {"class": float(sum(boxes) + len(targets)), "giou": float(sum(boxes)), "place": present, "single": present}

    def loss(self, raw: Detections, targets: list[Boxes]) -> Losses:
        counts = self.counts(targets)
        request_P, cell_P, wanted_P4, weight_P, ignored_KL = self.assign(raw, targets)
        proposed_P4 = raw.boxes_BL4[raw.picture_K[request_P], cell_P]
        iou_P, giou_P = generalised_iou(proposed_P4, wanted_P4)
        quality_KL = torch.zeros_like(raw.logits_KL)
        quality_KL[request_P, cell_P] = iou_P.detach().clamp(min=0)
        weight_KL = 0.75 * raw.logits_KL.detach().sigmoid().square()
        weight_KL[request_P, cell_P] = 1.0
        focal_KL = F.binary_cross_entropy_with_logits(raw.logits_KL, quality_KL, reduction="none") * weight_KL
        return {
            "class": (focal_KL[~ignored_KL].sum() * self.class_weight, counts["class"]),
            "giou": (((1 - giou_P) * weight_P).sum(), counts["giou"]),
            "place": (self.place.loss(raw.places_KL, self.shares(raw, targets)), counts["place"]),
            "single": (self.single.loss(raw.single_K, counted(targets)), counts["single"]),
        }

    @torch.no_grad()
    def shares(self, raw: Detections, targets: list[Boxes]) -> Tensor:
        """[K, L] how the cells share the places of a target's boxes, all boxes and levels alike: rows of sum 1, or 0 without boxes."""
        share_KL = torch.zeros_like(raw.places_KL)
        for request, target in enumerate(targets):
            kept_N4 = target.xyxy if target.ignore is None else target.xyxy[~target.ignore]
            inside_LN = cells_inside(raw.centres_L2, torch.as_tensor(kept_N4.copy(), device=share_KL.device)).float()
            share_KL[request] = (inside_LN / inside_LN.sum(0).clamp(min=1)).sum(1)
        return share_KL / share_KL.sum(1, keepdim=True).clamp(min=1e-6)

    @torch.no_grad()
    def assign(self, raw: Detections, targets: list[Boxes]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Positive pairs: request_P, cell_P, the wanted box_P4, weight_P (an object's weights sum to 1), and ignored_KL."""
        centres_L2, strides_L = raw.centres_L2, raw.strides_L
        ignored_KL = torch.zeros_like(raw.logits_KL, dtype=torch.bool)
        steps = torch.unique(strides_L)
        pairs = []
        for request, target in enumerate(targets):
            if not target.count:
                continue
            boxes_N4 = torch.as_tensor(target.xyxy.copy(), device=centres_L2.device)
            inside_LN = cells_inside(centres_L2, boxes_N4)
            if target.ignore is not None and target.ignore.any():
                crowd_N = torch.as_tensor(target.ignore.copy(), device=centres_L2.device)
                ignored_KL[request] = inside_LN[:, crowd_N].any(1)
                boxes_N4, inside_LN = boxes_N4[~crowd_N], inside_LN[:, ~crowd_N]
            if not len(boxes_N4):
                continue
            sides_N2 = boxes_N4[:, 2:] - boxes_N4[:, :2]
            fits = steps[None] * self.reach >= sides_N2.prod(1).sqrt()[:, None]
            step_N = steps[torch.where(fits.any(1), fits.float().argmax(1), len(steps) - 1)]
            away_LN = (centres_L2[:, None] - (boxes_N4[:, :2] + boxes_N4[:, 2:])[None] / 2).abs().amax(-1)
            level_LN = strides_L[:, None] == step_N[None]
            near_LN = level_LN & inside_LN & (away_LN <= 1.5 * step_N)
            nearest_LN = level_LN & (away_LN <= away_LN.masked_fill(~level_LN, 1e9).amin(0) + 1e-3)
            cell_P, object_P = (near_LN | nearest_LN).nonzero(as_tuple=True)
            area_P = sides_N2.prod(1)[object_P]
            pairs.append((torch.full_like(cell_P, request), cell_P, boxes_N4[object_P], area_P))
        if not pairs:
            none = torch.zeros(0, dtype=torch.long, device=centres_L2.device)
            return none, none, raw.boxes_BL4.new_zeros(0, 4), raw.boxes_BL4.new_zeros(0), ignored_KL
        request_P, cell_P, wanted_P4, area_P = (torch.cat(column) for column in zip(*pairs))
        keep_P = smallest_of_each(raw.picture_K[request_P] * len(centres_L2) + cell_P, area_P)
        request_P, cell_P, wanted_P4 = request_P[keep_P], cell_P[keep_P], wanted_P4[keep_P]
        ignored_KL[request_P, cell_P] = False
        _, object_P = torch.unique(torch.cat([request_P[:, None].float(), wanted_P4], 1), dim=0, return_inverse=True)
        weight_P = 1.0 / torch.bincount(object_P)[object_P].float()
        return request_P, cell_P, wanted_P4, weight_P, ignored_KL

    @torch.no_grad()
    def parts(self, raw: Detections, scene: Scene, requests: Requests) -> list[Boxes]:
        answers = []
        for request, (label, image) in enumerate(zip(requests.labels, requests.images)):
            canvas = scene.canvases[int(requests.picture_K[request])]
            boxes_P4, scores_P, _ = self.kept(raw, request)
            boxes_P4 = canvas.boxes_to_original(boxes_P4.cpu().numpy())
            order_P = suppress(boxes_P4, scores_P.cpu().numpy(), self.overlap)[:100]
            scores_P = self.single.alone(raw.single_K[request], scores_P.cpu().numpy()[order_P])
            keep_P = scores_P >= 0.01
            answers.append(Boxes(label, boxes_P4[order_P][keep_P], scores=scores_P[keep_P], image=image))
        return answers

    def kept(self, raw: Detections, request: int) -> tuple[Tensor, Tensor, Tensor]:
        """A request's boxes_P4 (canvas pixels), scores_P and cell_P that score at least 0.01, 300 at most, best first."""
        scores_L = raw.logits_KL[request].sigmoid()
        scores_P, cell_P = scores_L.topk(min(300, len(scores_L)))
        keep_P = scores_P >= 0.01
        return raw.boxes_BL4[raw.picture_K[request], cell_P[keep_P]].float(), scores_P[keep_P].float(), cell_P[keep_P]


def cell_centres(rows: int, columns: int, stride: float, device) -> Tensor:
    """[rows * columns, 2] (x, y) of the cells' middles in canvas pixels, row by row."""
    y, x = torch.meshgrid(torch.arange(rows, device=device), torch.arange(columns, device=device), indexing="ij")
    return (torch.stack([x, y], -1).flatten(0, 1) + 0.5) * stride


def cells_inside(centres_L2: Tensor, boxes_N4: Tensor) -> Tensor:
    """bool [L, N]: which cells have their middle inside which boxes."""
    after = (centres_L2[:, None] >= boxes_N4[None, :, :2]).all(-1)
    return after & (centres_L2[:, None] <= boxes_N4[None, :, 2:]).all(-1)


def smallest_of_each(key_P: Tensor, area_P: Tensor) -> Tensor:
    """bool [P]: pairs whose area is the smallest among pairs of the same key (where objects overlap, the smaller owns the cell)."""
    keys, index_P = torch.unique(key_P, return_inverse=True)
    least = torch.full((len(keys),), float("inf"), device=area_P.device).scatter_reduce(0, index_P, area_P, "amin")
    return area_P <= least[index_P] * 1.001


def generalised_iou(a_P4: Tensor, b_P4: Tensor) -> tuple[Tensor, Tensor]:
    """Pairwise IoU and generalised IoU of two lists of xyxy boxes, [P] each, in 0..1 and -1..1."""
    overlap = (torch.minimum(a_P4[:, 2:], b_P4[:, 2:]) - torch.maximum(a_P4[:, :2], b_P4[:, :2])).clamp(min=0).prod(1)
    union = (a_P4[:, 2:] - a_P4[:, :2]).prod(1) + (b_P4[:, 2:] - b_P4[:, :2]).prod(1) - overlap
    hull = (torch.maximum(a_P4[:, 2:], b_P4[:, 2:]) - torch.minimum(a_P4[:, :2], b_P4[:, :2])).prod(1)
    iou = overlap / union.clamp(min=1e-6)
    return iou, iou - (hull - union) / hull.clamp(min=1e-6)


def suppress(boxes_N4: np.ndarray, scores_N: np.ndarray, overlap: float) -> np.ndarray:
    """Indices that survive non-maximum suppression (supervision's), best first."""
    if not len(boxes_N4):
        return np.zeros(0, int)
    from supervision.detection.utils.iou_and_nms import box_non_max_suppression

    rows_N5 = np.concatenate([boxes_N4, scores_N[:, None]], 1)
    kept = np.flatnonzero(box_non_max_suppression(rows_N5, overlap))
    return kept[np.argsort(-scores_N[kept], kind="stable")]
