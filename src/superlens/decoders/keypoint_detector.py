"""A light open-vocabulary keypoint detector: things are found as boxes, and every cell of a thing says where its named points are.

A point's place is asked for twice. Coarsely: three dot products of the cell with the name's query vector give x and y relative to the
box that the cell proposes (direct regression, as in CenterNet, Zhou et al., arXiv 1904.07850, section 4.2, here with an open
vocabulary), and whether the point is seen. Finely: a heat map, the dot product of every fine cell with another query vector of the
name, whose best peak near the coarse place is taken.

Shapes: B pictures, C channels, L cells of all levels, K requests for things, M requests for points, N things of a target, P chosen
(request, cell) pairs. Coordinates are canvas pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from superlens.decoders.base import Decoder, DotProduct, Losses, Requests
from superlens.decoders.dense_detector import DenseDetector, Detections, suppress
from superlens.decoders.pixel_segmenter import centre_focal
from superlens.message import Boxes, Keypoints
from superlens.vision.eye import Scene
from superlens.vision.pyramid import ConvNormAct


@dataclass
class Poses:
    """Raw answer: found (of the things), limbs_BCL (what cells know of their points), query_M3C (x, y, seen), heat_Mhw logits.

    owner_M: which thing's request (in `found`) each point belongs to. things, points: their rows among all requests. cell: canvas
    pixels of a fine cell.
    """

    found: Detections
    limbs_BCL: Tensor
    query_M3C: Tensor
    heat_Mhw: Tensor
    owner_M: Tensor
    things: list[int]
    points: list[int]
    cell: float


class KeypointDetector(Decoder):
    """in_channels to overlap: as in `DenseDetector`, which finds the things.

    fine: the pyramid level of the heat maps (0 is the finest). refine: how far from its coarse place a point is looked for, in longer
    sides of the box.
    """

    part = "keypoints"
    point_weight, seen_weight, heat_weight = 4.0, 0.25, 0.5
    heat_spread = 0.05  # deviation of a target's peak, in longer sides of the box: the tolerance of PCK@0.05 and PCK@0.1
    enough_heat = 0.1

    def __init__(
        self,
        in_channels: int,
        channels: int = 96,
        depth: int = 2,
        width: int = 128,
        levels: tuple[int, ...] = (0, 1, 2, 3),
        reach: float = 6.0,
        overlap: float = 0.6,
        fine: int = 0,
        refine: float = 0.15,
    ):
        super().__init__()
        self.width, self.fine, self.refine, self.channels = width, fine, refine, channels
        self.things = DenseDetector(in_channels, channels, depth, width, levels, reach, overlap)
        self.limbs = nn.Conv2d(channels, channels, 1)
        self.place = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, 3 * channels))
        self.fine_tower = nn.Sequential(
            *(ConvNormAct(in_channels if i == 0 else channels, channels) for i in range(depth)), nn.Conv2d(channels, channels, 1)
        )
        self.match_point = DotProduct(width, channels, prior=0.01)

    def forward(self, scene: Scene, requests: Requests) -> Poses:
        things = [row for row, parent in enumerate(requests.parents) if parent < 0]
        points = [row for row, parent in enumerate(requests.parents) if parent >= 0]
        number = {row: index for index, row in enumerate(things)}
        owner_M = torch.tensor([number[requests.parents[row]] for row in points], dtype=torch.long, device=requests.picture_K.device)
        features = self.things.features(scene)
        found = self.things.detect(features, scene, requests.take(things))
        limbs_BCL = torch.cat([self.limbs(features_BChw).flatten(2) for features_BChw in features], 2)
        asked = requests.take(points)
        query_M3C = self.place(asked.vectors_KnC.mean(1)).unflatten(1, (3, self.channels))
        fine_BChw = self.fine_tower(scene.levels[self.fine])
        heat_Mhw = fine_BChw.new_zeros(0, *fine_BChw.shape[-2:]).float()
        if points:
            heat_Mhw = self.match_point(fine_BChw.flatten(2), asked).unflatten(1, fine_BChw.shape[-2:])
        return Poses(found, limbs_BCL, query_M3C, heat_Mhw, owner_M, things, points, scene.stride(self.fine))

    def poses(self, raw: Poses, request: int, cell_P: Tensor, boxes_P4: Tensor) -> tuple[Tensor, Tensor]:
        """Coarse places xy_PM2 of a thing's points, and logits seen_PM, from chosen cells and their boxes."""
        mine_m = (raw.owner_M == request).nonzero().squeeze(1)
        limbs_PC = raw.limbs_BCL[raw.found.picture_K[request]][:, cell_P].T
        said_PM3 = torch.einsum("pc,mkc->pmk", limbs_PC.float(), raw.query_M3C[mine_m].float()) / self.channels**0.5
        middle_P12 = (boxes_P4[:, None, :2] + boxes_P4[:, None, 2:]) / 2
        sides_P12 = (boxes_P4[:, None, 2:] - boxes_P4[:, None, :2]).clamp(min=4)
        return middle_P12 + said_PM3[..., :2] * sides_P12, said_PM3[..., 2]

    def counts(self, targets: list[Keypoints]) -> dict[str, float]:
        labelled = [target.xyv[kept(target), :, 2] > 0 for target in targets]
        posed = float(sum(row.any(1).sum() for row in labelled))
        heat = float(sum(row.sum() for row in labelled) + sum(len(target.names) for target in targets))
        return self.things.counts([as_boxes(target) for target in targets]) | {"point": posed, "seen": posed, "heat": heat}

    def loss(self, raw: Poses, targets: list[Keypoints]) -> Losses:
        boxes = [as_boxes(target) for target in targets]
        losses = self.things.loss(raw.found, boxes)
        request_P, cell_P, wanted_P4, weight_P, _ = self.things.assign(raw.found, boxes)
        point = seen = raw.query_M3C.float().sum() * 0.0
        for request, target in enumerate(targets):
            mine_P = request_P == request
            if not mine_P.any() or not target.names:
                continue
            proposed_P4 = raw.found.boxes_BL4[raw.found.picture_K[request], cell_P[mine_P]].detach()
            xy_PM2, seen_PM = self.poses(raw, request, cell_P[mine_P], proposed_P4)
            thing_P = torch.cdist(wanted_P4[mine_P], torch.as_tensor(boxes[request].xyxy.copy()).to(wanted_P4), p=1).argmin(1)
            wanted_PM3 = torch.as_tensor(target.xyv.copy()).to(xy_PM2)[thing_P]
            known_PM = (wanted_PM3[..., 2] > 0).float()
            share_PM = weight_P[mine_P, None] * known_PM / known_PM.sum(1, keepdim=True).clamp(min=1)
            side_P11 = (wanted_P4[mine_P, 2:] - wanted_P4[mine_P, :2]).amax(1).clamp(min=4)[:, None, None]
            away_PM = F.smooth_l1_loss(xy_PM2 / side_P11, wanted_PM3[..., :2] / side_P11, reduction="none", beta=0.05).sum(-1)
            point = point + (away_PM * share_PM).sum()
            right_PM = F.binary_cross_entropy_with_logits(seen_PM, (wanted_PM3[..., 2] == 2).float(), reduction="none")
            seen = seen + (right_PM * share_PM).sum()
        counts = self.counts(targets)
        heat_Mhw, care_Mhw = self.heat_targets(raw, targets)
        heat = centre_focal(raw.heat_Mhw, heat_Mhw, care_Mhw)
        return losses | {
            "point": (point * self.point_weight, counts["point"]),
            "seen": (seen * self.seen_weight, counts["seen"]),
            "heat": (heat * self.heat_weight, counts["heat"]),
        }

    @torch.no_grad()
    def heat_targets(self, raw: Poses, targets: list[Keypoints]) -> tuple[Tensor, Tensor]:
        """Peaks of height 1 at labelled points, and where the loss looks at all (not inside things that are ignored)."""
        M, h, w = raw.heat_Mhw.shape
        heat_Mhw, care_Mhw = torch.zeros(M, h, w), torch.ones(M, h, w)
        y_h, x_w = torch.arange(h) + 0.5, torch.arange(w) + 0.5
        owner = raw.owner_M.tolist()
        first = {request: owner.index(request) for request in set(owner)}
        for request, target in enumerate(targets):
            bounds_N4 = as_boxes(target).xyxy / raw.cell
            for thing, (box_4, good) in enumerate(zip(bounds_N4, kept(target))):
                if not good:
                    x1, y1, x2, y2 = np.rint(box_4).astype(int)
                    care_Mhw[[m for m, own in enumerate(owner) if own == request], max(y1, 0) : y2, max(x1, 0) : x2] = 0
                    continue
                spread = float(np.clip(max(box_4[2] - box_4[0], box_4[3] - box_4[1]) * self.heat_spread, 0.7, 4))
                for name, (x, y, v) in enumerate(target.xyv[thing]):
                    column, row = int(x / raw.cell), int(y / raw.cell)
                    if v == 0 or not (0 <= column < w and 0 <= row < h):
                        continue
                    away_hw = (y_h - row - 0.5)[:, None] ** 2 + (x_w - column - 0.5)[None] ** 2
                    m = first[request] + name
                    heat_Mhw[m] = torch.maximum(heat_Mhw[m], torch.exp(-away_hw / (2 * spread**2)))
        return heat_Mhw.to(raw.heat_Mhw.device), care_Mhw.to(raw.heat_Mhw.device)

    @torch.no_grad()
    def parts(self, raw: Poses, scene: Scene, requests: Requests) -> list[Keypoints | None]:
        """A part for each thing; None in the places of its points, which are inside it."""
        answers: list[Keypoints | None] = [None] * len(requests)
        owner = raw.owner_M.tolist()
        for request, row in enumerate(raw.things):
            canvas = scene.canvases[int(requests.picture_K[row])]
            boxes_P4, scores_P, cell_P = self.things.kept(raw.found, request)
            order_P = suppress(boxes_P4.cpu().numpy(), scores_P.cpu().numpy(), self.things.overlap)[:100].copy()
            boxes_P4, scores_P, cell_P = boxes_P4[order_P], scores_P[order_P], cell_P[order_P]
            xy_PM2, seen_PM = self.poses(raw, request, cell_P, boxes_P4)
            mine = [m for m, own in enumerate(owner) if own == request]
            xy_PM2 = self.refined(raw, mine, xy_PM2, boxes_P4)
            v_PM1 = 1.0 + (seen_PM > 0)[..., None].float()
            xy_PM2 = (xy_PM2.cpu().numpy() / canvas.scale_xy).astype(np.float32)
            height, width = canvas.original
            xyv_PM3 = np.concatenate([np.clip(xy_PM2, 0, [width, height]), v_PM1.cpu().numpy()], 2)
            names = tuple(requests.labels[raw.points[m]] for m in mine)
            boxes_P4 = canvas.boxes_to_original(boxes_P4.cpu().numpy())
            answers[row] = Keypoints(requests.labels[row], names, xyv_PM3, boxes_P4, scores=scores_P.cpu().numpy(),
                                     image=requests.images[row])
        return answers

    def refined(self, raw: Poses, mine: list[int], xy_PM2: Tensor, boxes_P4: Tensor) -> Tensor:
        """Every point moved to the best peak near its coarse place, if it is hot enough: to the middle of the peak's 3 x 3 cells."""
        if not mine or not len(xy_PM2):
            return xy_PM2
        chance_Mhw = raw.heat_Mhw[mine].sigmoid()
        h, w = chance_Mhw.shape[-2:]
        y_hw, x_hw = torch.meshgrid(torch.arange(h, device=xy_PM2.device), torch.arange(w, device=xy_PM2.device), indexing="ij")
        spots_L2 = (torch.stack([x_hw, y_hw], -1).flatten(0, 1) + 0.5) * raw.cell
        near_P = (boxes_P4[:, 2:] - boxes_P4[:, :2]).amax(1).clamp(min=raw.cell) * self.refine
        moved_PM2 = xy_PM2.clone()
        for p, near in enumerate(near_P):
            away_ML = torch.cdist(xy_PM2[p], spots_L2) / near
            score_ML = chance_Mhw.flatten(1) * torch.exp(-(away_ML**2) / 2) * (away_ML < 2)
            best_M = score_ML.argmax(1)
            close_ML = ((spots_L2[None] - spots_L2[best_M][:, None]).abs().amax(-1) <= 1.01 * raw.cell).float()
            share_ML = chance_Mhw.flatten(1) * close_ML
            peak_M2 = (share_ML @ spots_L2) / share_ML.sum(1, keepdim=True).clamp(min=1e-6)
            hot_M = chance_Mhw.flatten(1).gather(1, best_M[:, None])[:, 0] >= self.enough_heat
            moved_PM2[p] = torch.where((hot_M & (score_ML.amax(1) > 0))[:, None], peak_M2, xy_PM2[p])
        return moved_PM2

    def dummy(self, scene: Scene) -> Tensor:
        """As in `Decoder`, for one thing with one point."""
        vectors_21C = torch.zeros(2, 1, self.width, device=scene.levels[0].device, dtype=scene.levels[0].dtype)
        where_2 = torch.zeros(2, dtype=torch.long, device=vectors_21C.device)
        return self.zero_of(self(scene, Requests(vectors_21C, where_2, ["", ""], [0, 0], parents=[-1, 0])))


def kept(target: Keypoints) -> np.ndarray:
    """bool (N,): the things that count."""
    return np.ones(target.count, bool) if target.ignore is None else ~target.ignore


def as_boxes(target: Keypoints) -> Boxes:
    """The things' boxes; where none are given, the extent of their labelled points, a tenth wider."""
    if target.xyxy is not None:
        return Boxes(target.label, target.xyxy, ignore=target.ignore)
    boxes_N4 = np.zeros((target.count, 4), np.float32)
    for box_4, xyv_K3 in zip(boxes_N4, target.xyv):
        known_M2 = xyv_K3[xyv_K3[:, 2] > 0, :2]
        if len(known_M2):
            low_2, high_2 = known_M2.min(0), known_M2.max(0)
            wider = 0.1 * max(float((high_2 - low_2).max()), 8.0)
            box_4[:] = (*(low_2 - wider), *(high_2 + wider))
    ignore_N = ~(boxes_N4[:, 2] > boxes_N4[:, 0])  # nothing is known of where it is
    return Boxes(target.label, boxes_N4, ignore=ignore_N if target.ignore is None else ignore_N | target.ignore)
