"""A light open-vocabulary keypoint detector, from the top down: things are found as boxes, then each is looked at closely.

Every thing is cut out of the picture as a square (a region of interest, sampled as RoIAlign does), from the pixels and from the eye's
maps, and read by a small convolutional net of its own. A named point is a heat map over that square: the dot product of every cell with
the name's query vector, made a distribution by a softmax; its mean is the place (integral regression, Sun et al., arXiv 1711.08229).
Top-down reading as in Mask R-CNN (arXiv 1703.06870, section 5), with an open vocabulary in place of one channel a point.

Shapes: B pictures, C channels, S cells along a side of a square, P squares, K requests for things, M requests for points of one thing,
N things of a target. Coordinates are canvas pixels; inside a square -1..1, x to the right and y down.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from superlens.decoders.base import Decoder, Losses, Requests
from superlens.decoders.dense_detector import DenseDetector, Detections, suppress
from superlens.message import Boxes, Keypoints
from superlens.vision.pyramid import ConvNormAct
from superlens.vision.scene import Scene


@dataclass
class Squares:
    """Where it is looked closely. request_P: index among the things' requests. thing_P: of its target, or of what was found.
    affine_P23: a place in the square (-1..1, and 1) to canvas pixels. boxes_P4 and scores_P: of the things."""

    request_P: Tensor
    thing_P: Tensor
    affine_P23: Tensor
    boxes_P4: Tensor
    scores_P: Tensor


@dataclass
class Poses:
    """Raw answer: found (the things), squares, and for each thing's request its squares' heat [P, M, S, S] and seen [P, M], logits.

    things: their rows among all requests. points: for each thing, the rows of its points.
    """

    found: Detections
    squares: Squares
    heat: list[Tensor]
    seen: list[Tensor]
    things: list[int]
    points: list[list[int]]


class KeypointDetector(Decoder):
    """in_channels to overlap: as in `DenseDetector`, which finds the things.

    cells: S. fine: channels of the net over a square at S cells, a multiple of 16; widths: where it has half, a quarter and an eighth
    as many along a side. margin: how much longer than the longer side of its box a thing's square is. moved: how far, at most, squares
    are shifted and scaled (shares of the side), and turned (degrees), at random around the true things in training.
    """

    part = "keypoints"
    point_weight, heat_weight, seen_weight = 4.0, 0.5, 0.25
    spread = 1.0  # deviation of a target's peak, in cells
    window = 3.0  # the mean is taken this many cells around the peak
    views = 2  # squares of a thing in training: a second look costs less than a second picture
    most = 50  # things of a request that are looked at closely

    def __init__(
        self,
        in_channels: int,
        channels: int = 96,
        depth: int = 2,
        width: int = 128,
        levels: tuple[int, ...] = (0, 1, 2, 3),
        reach: float = 6.0,
        overlap: float = 0.6,
        cells: int = 24,
        fine: int = 64,
        widths: tuple[int, int, int] = (128, 192, 256),
        margin: float = 1.25,
        moved: tuple[float, float, float] = (0.08, 0.2, 30.0),
    ):
        super().__init__()
        if cells % 8:
            raise ValueError(f"decoders: a square is halved three times, so cells must be a multiple of 8, got {cells}.")
        if fine % 16 or any(wide % 8 for wide in widths):
            raise ValueError(f"decoders: fine must be a multiple of 16 and widths of 8, got {fine} and {list(widths)}.")
        self.width, self.cells, self.margin, self.moved = width, cells, margin, moved
        self.things = DenseDetector(in_channels, channels, depth, width, levels, reach, overlap)
        self.reader = SquareReader(in_channels, fine, width, cells, tuple(widths))
        self.query = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, 2 * fine))

    def forward(self, scene: Scene, requests: Requests) -> Poses:
        """With targets (training) the true things are looked at, without them those that are found."""
        things = [row for row, parent in enumerate(requests.parents) if parent < 0]
        points = [[row for row, parent in enumerate(requests.parents) if parent == thing] for thing in things]
        asked = requests.take(things)
        found = self.things.detect(self.things.features(scene), scene, asked)
        squares = self.true_squares(requests.targets, found) if requests.targets else self.found_squares(found)
        cells_PCSS = self.reader(scene, squares, found.picture_K, asked.vectors_KnC.mean(1))
        heat, seen = [], []
        for request, rows in enumerate(points):
            cells_pCSS = cells_PCSS[squares.request_P == request].float()
            query_M2C = self.query(requests.vectors_KnC[rows].mean(1)).float().unflatten(1, (2, -1)) / cells_pCSS.shape[1] ** 0.5
            heat_pMSS = torch.einsum("pcyx,mc->pmyx", cells_pCSS, query_M2C[:, 0])
            visible_pMSS = torch.einsum("pcyx,mc->pmyx", cells_pCSS, query_M2C[:, 1])
            seen.append((visible_pMSS * heat_pMSS.flatten(2).softmax(2).view_as(heat_pMSS)).sum((2, 3)))
            heat.append(heat_pMSS)
        return Poses(found, squares, heat, seen, things, points)

    @torch.no_grad()
    def true_squares(self, targets: list[Keypoints], found: Detections) -> Squares:
        """Around the things that have labelled points, moved a little in training."""
        rows = [(request, thing) for request, target in enumerate(targets) for thing in np.flatnonzero(posed(target)).tolist()]
        rows = [row for row in rows for _ in range(self.views if self.training else 1)]
        boxes = [as_boxes(target).xyxy for target in targets]
        boxes_P4 = torch.tensor(np.array([boxes[request][thing] for request, thing in rows], np.float32).reshape(-1, 4))
        device = found.boxes_BL4.device
        request_P, thing_P = torch.tensor(rows, dtype=torch.long, device=device).reshape(-1, 2).unbind(1)
        affine_P23 = self.affine(boxes_P4, self.jitter(len(rows)) if self.training else torch.zeros(len(rows), 4))
        return Squares(request_P, thing_P, affine_P23.to(device), boxes_P4.to(device), torch.ones(len(rows), device=device))

    @torch.no_grad()
    def found_squares(self, found: Detections) -> Squares:
        boxes, scores, requests = [], [], []
        for request in range(len(found.logits_KL)):
            boxes_p4, scores_p, _ = self.things.kept(found, request)
            order_p = suppress(boxes_p4.cpu().numpy(), scores_p.cpu().numpy(), self.things.overlap)[: self.most].copy()
            alone_p = self.things.single.alone(found.single_K[request], scores_p[order_p].cpu().numpy())
            order_p = order_p[alone_p >= 0.01]
            boxes.append(boxes_p4[order_p])
            scores.append(torch.from_numpy(alone_p[alone_p >= 0.01]).to(scores_p))
            requests.append(torch.full((len(order_p),), request, device=boxes_p4.device))
        boxes_P4 = torch.cat(boxes)
        affine_P23 = self.affine(boxes_P4, boxes_P4.new_zeros(len(boxes_P4), 4))
        found_P = torch.arange(len(boxes_P4), device=boxes_P4.device)
        return Squares(torch.cat(requests), found_P, affine_P23, boxes_P4, torch.cat(scores))

    def jitter(self, count: int) -> Tensor:
        """[P, 4]: shift in x and y (shares of the side), natural logarithm of the zoom, turn in radians."""
        shift, zoom, degrees = self.moved
        most = torch.tensor([shift, shift, zoom, degrees * torch.pi / 180])
        return (2 * torch.rand(count, 4) - 1) * most

    def affine(self, boxes_P4: Tensor, moved_P4: Tensor) -> Tensor:
        """[P, 2, 3] from a square's own places to canvas pixels."""
        side_P = (boxes_P4[:, 2:] - boxes_P4[:, :2]).amax(1).clamp(min=8) * self.margin * moved_P4[:, 2].exp()
        middle_P2 = (boxes_P4[:, :2] + boxes_P4[:, 2:]) / 2 + moved_P4[:, :2] * side_P[:, None]
        across, down = moved_P4[:, 3].cos() * side_P / 2, moved_P4[:, 3].sin() * side_P / 2
        turned_P22 = torch.stack([torch.stack([across, -down], 1), torch.stack([down, across], 1)], 1)
        return torch.cat([turned_P22, middle_P2[:, :, None]], 2)

    def counts(self, targets: list[Keypoints]) -> dict[str, float]:
        looked = float(sum(posed(target).sum() for target in targets))
        return self.things.counts([as_boxes(target) for target in targets]) | {"point": looked, "heat": looked, "seen": looked}

    def loss(self, raw: Poses, targets: list[Keypoints]) -> Losses:
        losses = self.things.loss(raw.found, [as_boxes(target) for target in targets])
        counts = self.counts(targets)
        point = heat = seen = sum(heat_pMSS.sum() for heat_pMSS in raw.heat) * 0.0
        for request, target in enumerate(targets):
            mine_P = raw.squares.request_P == request
            heat_pMSS = raw.heat[request]
            if not heat_pMSS.numel():
                continue
            wanted_pM3 = torch.as_tensor(target.xyv.copy()).to(heat_pMSS.device)[raw.squares.thing_P[mine_P]]
            wanted_pM2 = into_square(wanted_pM3[..., :2], raw.squares.affine_P23[mine_P])
            known_pM = ((wanted_pM3[..., 2] > 0) & (wanted_pM2.abs() < 1).all(-1)).float()
            views = len(heat_pMSS) / posed(target).sum()
            share_pM = known_pM / known_pM.sum(1, keepdim=True).clamp(min=1) / views
            chance_pMSS = heat_pMSS.flatten(2).softmax(2).view_as(heat_pMSS)
            places_SS2 = places(self.cells, heat_pMSS.device)
            mean_pM2 = (chance_pMSS[..., None] * places_SS2).sum((2, 3))
            # A square is `margin` box sides long and 2 of its own units: this makes the distance one of box sides.
            away_pM = F.smooth_l1_loss(mean_pM2, wanted_pM2, reduction="none", beta=0.1).sum(-1) * self.margin / 2
            point = point + (away_pM * share_pM).sum()
            far_pMSS = (places_SS2 - wanted_pM2[:, :, None, None]).square().sum(-1) * (self.cells / 2 / self.spread) ** 2
            peak_pML = (-far_pMSS.flatten(2) / 2).softmax(2)
            heat = heat - ((peak_pML * heat_pMSS.flatten(2).log_softmax(2)).sum(2) * share_pM).sum()
            right_pM = F.binary_cross_entropy_with_logits(raw.seen[request], (wanted_pM3[..., 2] == 2).float(), reduction="none")
            seen = seen + (right_pM * share_pM).sum()
        return losses | {
            "point": (point * self.point_weight, counts["point"]),
            "heat": (heat * self.heat_weight, counts["heat"]),
            "seen": (seen * self.seen_weight, counts["seen"]),
        }

    @torch.no_grad()
    def parts(self, raw: Poses, scene: Scene, requests: Requests) -> list[Keypoints | None]:
        """A part for each thing; None in the places of its points, which are inside it."""
        answers: list[Keypoints | None] = [None] * len(requests)
        for request, (row, points) in enumerate(zip(raw.things, raw.points, strict=True)):
            canvas = scene.canvases[int(requests.picture_K[row])]
            mine_P = raw.squares.request_P == request
            affine_p23 = raw.squares.affine_P23[mine_P]
            xy_pM2 = onto_canvas(peaks(raw.heat[request], self.window), affine_p23)
            xy_pM2 = (xy_pM2.cpu().numpy() / canvas.scale_xy).astype(np.float32)
            v_pM1 = 1.0 + (raw.seen[request] > 0)[..., None].float().cpu().numpy()
            height, width = canvas.original
            xyv_pM3 = np.concatenate([np.clip(xy_pM2, 0, [width, height]), v_pM1], 2)
            boxes_p4 = canvas.boxes_to_original(raw.squares.boxes_P4[mine_P].cpu().numpy())
            names = tuple(requests.labels[point] for point in points)
            scores_p = raw.squares.scores_P[mine_P].cpu().numpy()
            answers[row] = Keypoints(requests.labels[row], names, xyv_pM3, boxes_p4, scores=scores_p, image=requests.images[row])
        return answers

    def dummy(self, scene: Scene) -> Tensor:
        """As in `Decoder`, for one thing with one point."""
        vectors_21C = torch.zeros(2, 1, self.width, device=scene.levels[0].device, dtype=scene.levels[0].dtype)
        where_2 = torch.zeros(2, dtype=torch.long, device=vectors_21C.device)
        target = Keypoints("", ("",), np.array([[[1, 1, 2]]], np.float32))
        return self.zero_of(self(scene, Requests(vectors_21C, where_2, ["", ""], [0, 0], [target], parents=[-1, 0])))


class SquareReader(nn.Module):
    """Squares of the picture and of the eye's maps -> [P, C, S, S]: a net that goes down three times by two, and up again.

    The pixels come in at four times the cells, so that a thing that is large in its picture is seen as sharply as one that is small;
    the thing's own vector says what is looked at.
    """

    def __init__(self, in_channels: int, channels: int, width: int, cells: int, widths: tuple[int, ...], levels: int = 3):
        super().__init__()
        self.cells, self.levels = cells, levels
        self.pixels = nn.Sequential(
            nn.Conv2d(3, channels // 2, 5, 2, 2), nn.GroupNorm(8, channels // 2), nn.SiLU(), nn.Conv2d(channels // 2, channels, 3, 2, 1)
        )
        self.maps = nn.Conv2d(in_channels * levels, channels, 1)
        self.thing = nn.Linear(width, channels)
        # Most of the work is done where cells are few: what a joint is, and whether it is the left one, is told from all of the thing.
        wide = [channels, *widths]
        self.down = nn.ModuleList(
            nn.Sequential(ConvNormAct(wide[max(i - 1, 0)], to), ConvNormAct(to, to)) for i, to in enumerate(wide)
        )
        self.up = nn.ModuleList(nn.Conv2d(to, channels, 1) for to in wide)
        self.mix = nn.ModuleList(ConvNormAct(channels, channels) for _ in widths)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, scene: Scene, squares: Squares, picture_K: Tensor, vectors_KC: Tensor) -> Tensor:
        picture_P = picture_K[squares.request_P]
        pixels_B3HW = scene.pixels_BHWC.permute(0, 3, 1, 2).to(scene.levels[0].dtype) / 127.5 - 1
        x_PCSS = self.pixels(cut(pixels_B3HW, picture_P, squares.affine_P23, scene.size, 4 * self.cells))
        maps = [cut(level, picture_P, squares.affine_P23, scene.size, self.cells) for level in scene.levels[: self.levels]]
        x_PCSS = x_PCSS + self.maps(torch.cat(maps, 1)) + self.thing(vectors_KC)[squares.request_P][:, :, None, None]
        seen = []
        for index, block in enumerate(self.down):
            x_PCSS = block(F.avg_pool2d(x_PCSS, 2) if index else x_PCSS)
            seen.append(x_PCSS)
        x_PCSS = self.up[-1](seen[-1])
        for x_Pchw, lateral, mix in zip(seen[-2::-1], list(self.up)[-2::-1], self.mix, strict=True):
            x_PCSS = mix(F.interpolate(x_PCSS, scale_factor=2.0) + lateral(x_Pchw))
        return self.out(x_PCSS)


def places(cells: int, device) -> Tensor:
    """[S, S, 2] (x, y) of the cells' middles in a square, -1..1."""
    along_S = (2 * torch.arange(cells, device=device) + 1) / cells - 1
    y_SS, x_SS = torch.meshgrid(along_S, along_S, indexing="ij")
    return torch.stack([x_SS, y_SS], -1)


def cut(map_BChw: Tensor, picture_P: Tensor, affine_P23: Tensor, size: tuple[int, int], cells: int) -> Tensor:
    """[P, C, cells, cells]: squares of pictures of `size` (height, width) canvas pixels; the nearest pixels lie outside."""
    spots_PSS2 = onto_canvas(places(cells, map_BChw.device).flatten(0, 1), affine_P23).unflatten(1, (cells, cells))
    grid_PSS2 = spots_PSS2 / torch.tensor(size[::-1], device=map_BChw.device) * 2 - 1
    # One call per picture: gathering every square's own copy of its picture would move P / B times the memory.
    order, squares = [], []
    for picture in picture_P.unique().tolist():
        mine_p = (picture_P == picture).nonzero().squeeze(1)
        # The squares of a picture side by side are one wide grid.
        grid_1SL2 = grid_PSS2[mine_p].transpose(0, 1).flatten(1, 2)[None]
        wide_CSL = F.grid_sample(map_BChw[picture : picture + 1].float(), grid_1SL2, padding_mode="border", align_corners=False)[0]
        squares.append(wide_CSL.unflatten(2, (len(mine_p), cells)).permute(2, 0, 1, 3))
        order.append(mine_p)
    if not order:
        return map_BChw.new_zeros(0, map_BChw.shape[1], cells, cells)
    return torch.cat(squares)[torch.cat(order).argsort()].to(map_BChw.dtype)


# Places are moved without matrix products: mixed precision would round them to some hundredths of a picture.
def onto_canvas(places_PM2: Tensor, affine_P23: Tensor) -> Tensor:
    """Places in squares, -1..1, [M, 2] or [P, M, 2] -> canvas pixels [P, M, 2]."""
    return (places_PM2[..., None, :] * affine_P23[:, None, :, :2]).sum(-1) + affine_P23[:, None, :, 2]


def into_square(xy_PM2: Tensor, affine_P23: Tensor) -> Tensor:
    """Canvas pixels -> places in a square, -1..1."""
    away_PM2 = xy_PM2 - affine_P23[:, None, :, 2]
    scale_P11 = affine_P23[:, :, 0].square().sum(1)[:, None, None]
    # The inverse of a turn is its transpose.
    return (away_PM2[..., None, :] * affine_P23[:, None, :, :2].transpose(2, 3)).sum(-1) / scale_P11


def peaks(heat_PMSS: Tensor, window: float) -> Tensor:
    """[P, M, 2]: the mean of each heat map around its hottest cell, in the square's places."""
    cells = heat_PMSS.shape[-1]
    places_L2 = places(cells, heat_PMSS.device).flatten(0, 1)
    chance_PML = heat_PMSS.flatten(2).softmax(2)
    best_PM2 = places_L2[chance_PML.argmax(2)]
    near_PML = ((places_L2 - best_PM2[:, :, None]).abs().amax(-1) <= window * 2 / cells).float()
    share_PML = chance_PML * near_PML
    return (share_PML[..., None] * places_L2).sum(2) / share_PML.sum(2, keepdim=True)


def kept(target: Keypoints) -> np.ndarray:
    """bool (N,): the things that count."""
    return np.ones(target.count, bool) if target.ignore is None else ~target.ignore


def posed(target: Keypoints) -> np.ndarray:
    """bool (N,): the things that count and have labelled points."""
    return kept(target) & (target.xyv[..., 2] > 0).any(1)


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
