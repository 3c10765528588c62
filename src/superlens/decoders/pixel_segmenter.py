"""A light open-vocabulary segmenter: a pixel belongs to a phrase by the dot product with its query vector.

One phrase may mean one region ("the road") or several things ("every cell"). Its pixels are split among the centres found for the
phrase: every pixel votes for the middle of its own thing (Panoptic-DeepLab, Cheng et al., arXiv 1911.10194; centres learn by the
penalty-reduced focal loss of CenterNet, Zhou et al., arXiv 1904.07850). Each is then made whole (`wholes`), and where one thing alone
is meant the best counts for more than the others (`SingleSense`).

Shapes: B pictures, K requests, N instances, h w cells of the finest level (stride about 4), H W pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from superlens.decoders.base import Decoder, DotProduct, Losses, PlaceSense, Requests, SingleSense, counted
from superlens.message import Masks
from superlens.vision.canvas import Canvas
from superlens.vision.pyramid import ConvNormAct
from superlens.vision.scene import Scene


@dataclass
class PixelMaps:
    """Raw answer: mask and centre logits [K, h, w], looks_Khw (mask logits by looks alone, `DotProduct`) and places_Khw (`PlaceSense`),
    votes_B2hw ((x, y) in cells from a cell to its thing's middle), single_K (`SingleSense`), picture_K."""

    masks_Khw: Tensor
    looks_Khw: Tensor
    centres_Khw: Tensor
    places_Khw: Tensor
    votes_B2hw: Tensor
    single_K: Tensor
    picture_K: Tensor


@dataclass
class PixelTargets:
    """masks_Khw coverage 0..1, centres_Khw 0..1, share_Khw (of all things alike, sum 1), votes and their weights for (request, y, x) of
    `index_P3`, care_Khw."""

    masks_Khw: Tensor
    centres_Khw: Tensor
    share_Khw: Tensor
    care_Khw: Tensor
    index_P3: Tensor
    votes_P2: Tensor
    weight_P: Tensor


class PixelSegmenter(Decoder):
    """in_channels: of the pyramid levels. width: of the requests. level: pyramid level it works on (0 is the finest)."""

    part = "masks"
    vote_unit = 8.0  # cells; keeps the votes' loss near 1
    pixel_weight, dice_weight, centre_weight = 3.0, 1.5, 0.5

    def __init__(self, in_channels: int, channels: int = 96, depth: int = 2, width: int = 128, level: int = 0):
        super().__init__()
        self.width, self.level = width, level
        self.tower = nn.Sequential(*(ConvNormAct(in_channels if i == 0 else channels, channels) for i in range(depth)))
        self.pixels = nn.Conv2d(channels, channels, 1)
        self.middles = nn.Conv2d(channels, channels, 1)
        self.votes = nn.Conv2d(channels, 2, 3, padding=1)
        self.match_pixel = DotProduct(width, channels, prior=0.1)
        self.match_middle = DotProduct(width, channels, prior=0.01)
        self.place, self.single = PlaceSense(width), SingleSense(width)

    def forward(self, scene: Scene, requests: Requests) -> PixelMaps:
        features_BChw = self.tower(scene.levels[self.level])
        shape = features_BChw.shape[-2:]
        place_KL, trust_K1 = self.place([shape], requests)
        looks_KL = self.match_pixel([self.pixels(features_BChw)], requests)
        masks_KL = looks_KL + trust_K1 * place_KL
        centres_KL = self.match_middle([self.middles(features_BChw)], requests) + trust_K1 * place_KL
        votes_B2hw = self.votes(features_BChw).float() * self.vote_unit
        maps = (map_KL.unflatten(1, shape) for map_KL in (masks_KL, looks_KL, centres_KL, place_KL))
        return PixelMaps(*maps, votes_B2hw, self.single(requests), requests.picture_K)

    def counts(self, targets: list[Masks]) -> dict[str, float]:
        things = counted(targets)
        present = sum(n > 0 for n in things)
        counts = {"pixel": len(targets), "centre": sum(things) + len(targets), "vote": sum(things)}
        counts |= dict.fromkeys(("dice", "place", "single"), present)
        return {name: float(count) for name, count in counts.items()}

    def loss(self, raw: PixelMaps, targets: list[Masks]) -> Losses:
        counts = self.counts(targets)
        wanted = self.targets(raw, targets)
        pixel_Khw = F.binary_cross_entropy_with_logits(raw.masks_Khw, wanted.masks_Khw, reduction="none")
        pixel_K = (pixel_Khw * wanted.care_Khw).flatten(1).sum(1) / wanted.care_Khw.flatten(1).sum(1).clamp(min=1)
        chance_KL = (raw.masks_Khw.sigmoid() * wanted.care_Khw).flatten(1)
        wanted_KL = (wanted.masks_Khw * wanted.care_Khw).flatten(1)
        present_K = torch.tensor([bool(self.counts([t])["dice"]) for t in targets], device=chance_KL.device)
        dice_K = 1 - (2 * (chance_KL * wanted_KL).sum(1) + 1) / (chance_KL.sum(1) + wanted_KL.sum(1) + 1)
        votes_P2 = raw.votes_B2hw.permute(0, 2, 3, 1)[
            raw.picture_K[wanted.index_P3[:, 0]], wanted.index_P3[:, 1], wanted.index_P3[:, 2]
        ]
        vote_P = F.smooth_l1_loss(votes_P2 / self.vote_unit, wanted.votes_P2 / self.vote_unit, reduction="none", beta=0.1)
        centre = centre_focal(raw.centres_Khw, wanted.centres_Khw, wanted.care_Khw)
        return {
            "pixel": (pixel_K.sum() * self.pixel_weight, counts["pixel"]),
            "dice": (dice_K[present_K].sum() * self.dice_weight, counts["dice"]),
            "centre": (centre * self.centre_weight, counts["centre"]),
            "vote": ((vote_P.sum(1) * wanted.weight_P).sum(), counts["vote"]),
            "place": (self.place.loss(raw.places_Khw.flatten(1), wanted.share_Khw.flatten(1)), counts["place"]),
            "single": (self.single.loss(raw.single_K, pieces(targets, wanted.masks_Khw)), counts["single"]),
        }

    @torch.no_grad()
    def targets(self, raw: PixelMaps, targets: list[Masks]) -> PixelTargets:
        """Canvas-pixel masks -> soft cell coverage, centre heat, votes."""
        K, h, w = raw.masks_Khw.shape
        device = raw.masks_Khw.device
        masks = torch.zeros(K, h, w)
        centres, care, share = torch.zeros(K, h, w), torch.ones(K, h, w), torch.zeros(K, h, w)
        index, votes, weight = [], [], []
        y_h, x_w = torch.arange(h) + 0.5, torch.arange(w) + 0.5
        for request, target in enumerate(targets):
            if not target.count:
                continue
            cover_Nhw = F.adaptive_avg_pool2d(torch.as_tensor(target.masks.copy()).float(), (h, w))
            if target.ignore is not None and target.ignore.any():
                crowd_N = torch.as_tensor(target.ignore.copy())
                care[request] = 1 - cover_Nhw[crowd_N].amax(0).ceil()
                cover_Nhw = cover_Nhw[~crowd_N]
            for cover_hw in cover_Nhw:
                area = cover_hw.sum()
                if area <= 0:
                    continue
                masks[request] = torch.maximum(masks[request], cover_hw)
                share[request] += cover_hw / area
                middle_y, middle_x = (cover_hw.sum(1) @ y_h) / area, (cover_hw.sum(0) @ x_w) / area
                spread = (area.sqrt() / 6).clamp(min=0.7)
                heat = torch.exp(-(((y_h - middle_y)[:, None] ** 2) + ((x_w - middle_x)[None] ** 2)) / (2 * spread**2))
                heat[min(int(middle_y), h - 1), min(int(middle_x), w - 1)] = 1.0
                centres[request] = torch.maximum(centres[request], heat)
                own_y, own_x = (cover_hw > 0.5).nonzero(as_tuple=True)
                index.append(torch.stack([torch.full_like(own_y, request), own_y, own_x], 1))
                votes.append(torch.stack([middle_x - x_w[own_x], middle_y - y_h[own_y]], 1))
                weight.append(torch.full((len(own_y),), 1.0 / max(len(own_y), 1)))
        index_P3 = torch.cat(index) if index else torch.zeros(0, 3, dtype=torch.long)
        votes_P2 = torch.cat(votes) if votes else torch.zeros(0, 2)
        weight_P = torch.cat(weight) if weight else torch.zeros(0)
        share = share / share.sum((1, 2), keepdim=True).clamp(min=1e-6)
        return PixelTargets(*(t.to(device) for t in (masks, centres, share, care, index_P3, votes_P2, weight_P)))

    @torch.no_grad()
    def parts(self, raw: PixelMaps, scene: Scene, requests: Requests) -> list[Masks]:
        answers = []
        for request, (label, image) in enumerate(zip(requests.labels, requests.images)):
            picture = int(requests.picture_K[request])
            canvas = scene.canvases[picture]
            votes_2hw = raw.votes_B2hw[picture]
            logits_Nhw, scores_N = split(raw.masks_Khw[request], raw.centres_Khw[request], votes_2hw)
            logits_Nhw = wholes(logits_Nhw, raw.looks_Khw[request], votes_2hw)
            found = [(to_original(logits_hw, canvas), score) for logits_hw, score in zip(logits_Nhw, scores_N)]
            found = [(mask_HW, score) for mask_HW, score in found if mask_HW.any()]
            scores_N = self.single.alone(raw.single_K[request], np.array([score for _, score in found], np.float32))
            keep_N = scores_N >= 0.01
            masks_NHW = np.array([mask_HW for mask_HW, _ in found], bool).reshape(-1, *canvas.original)
            answers.append(Masks(label, masks_NHW[keep_N], scores=scores_N[keep_N], image=image))
        return answers


def pieces(targets: list[Masks], masks_Khw: Tensor) -> list[int]:
    """How many things each target has, or, if more, how many pieces that do not touch: all pedestrians may be one mask.

    One thing that another cuts in two counts as two; that is seldom.
    """
    from scipy.ndimage import label

    apart = [label(mask_hw, np.ones((3, 3)))[1] for mask_hw in (masks_Khw > 0.5).cpu().numpy()]
    return [max(things, parts) if things else 0 for things, parts in zip(counted(targets), apart)]


def centre_focal(logits_Khw: Tensor, heat_Khw: Tensor, care_Khw: Tensor) -> Tensor:
    """Sum of the penalty-reduced focal loss (CenterNet, eq. 1; alpha 2, beta 4)."""
    chance = logits_Khw.sigmoid().clamp(1e-4, 1 - 1e-4)
    at_peak = heat_Khw >= 1.0
    found = torch.log(chance) * (1 - chance) ** 2 * at_peak
    false = torch.log(1 - chance) * chance**2 * (1 - heat_Khw) ** 4 * ~at_peak * care_Khw
    return -(found + false).sum()


def split(mask_hw: Tensor, centre_hw: Tensor, votes_2hw: Tensor, most: int = 50) -> tuple[list[Tensor], list[float]]:
    """One phrase's mask logits -> one logit map and one score per thing; best first.

    Peaks of the centre map (3 x 3 maxima, at least 0.2 and a third of the best) are the things; without two of them the whole region
    is one thing, whose middle nobody needs to know ("the trees" have none). Score: how far the mean probability inside lies above the
    threshold, and, where things were split, how sure their middles are.
    """
    chance_hw, heat_hw = mask_hw.float().sigmoid(), centre_hw.float().sigmoid()
    inside_hw = chance_hw > 0.5
    if not inside_hw.any():
        return [], []
    local_hw = heat_hw == F.max_pool2d(heat_hw[None], 3, 1, 1)[0]
    bar = max(0.2, float(heat_hw.max()) / 3)
    peaks = (local_hw & (heat_hw >= bar)).nonzero()
    if len(peaks) <= 1:
        return [mask_hw.float()], [sureness(chance_hw[inside_hw])]
    peaks = peaks[heat_hw[peaks[:, 0], peaks[:, 1]].argsort(descending=True)][:most]
    h, w = mask_hw.shape
    x_hw = torch.arange(w, device=mask_hw.device)[None] + 0.5 + votes_2hw[0].float()
    y_hw = torch.arange(h, device=mask_hw.device)[:, None] + 0.5 + votes_2hw[1].float()
    away_Nhw = (x_hw - (peaks[:, 1, None, None] + 0.5)) ** 2 + (y_hw - (peaks[:, 0, None, None] + 0.5)) ** 2
    owner_hw = away_Nhw.argmin(0)
    logits, scores = [], []
    for index, (row, column) in enumerate(peaks.tolist()):
        own_hw = (owner_hw == index) & inside_hw
        if own_hw.any():
            logits.append(torch.where(owner_hw == index, mask_hw.float(), mask_hw.float().clamp(max=-4.0)))
            scores.append((sureness(chance_hw[own_hw]) * float(heat_hw[row, column])) ** 0.5)
    return logits, scores


def wholes(logits_Nhw: list[Tensor], looks_hw: Tensor, votes_2hw: Tensor) -> list[Tensor]:
    """`whole` of one request's things, the first first; none takes a cell of another."""
    taken_hw = torch.zeros_like(looks_hw, dtype=torch.bool)
    for logits_hw in logits_Nhw:
        taken_hw |= logits_hw > 0
    grown = []
    for logits_hw in logits_Nhw:
        free_hw = looks_hw.float().masked_fill(taken_hw & (logits_hw <= 0), -torch.inf)
        grown.append(whole(logits_hw, free_hw, votes_2hw))
        taken_hw |= grown[-1] > 0
    return grown


def whole(thing_hw: Tensor, looks_hw: Tensor, votes_2hw: Tensor, alike: float = 5.0, near: int = 1, least: float = 0.6) -> Tensor:
    """A thing's mask logits, with the cells that lay too far from where the request looks.

    A place tells which thing is meant, not where it ends: "the leftmost triangle" would be its left half. A cell belongs to the thing
    as well where it votes for the same middle (to `near` cells) and by its looks alone is at most `alike` (logits) below the thing. A
    middle is what at least `least` of the most votes are for: strays of a neighbour do not bring it in, and of several things in one
    mask the smaller stay as they are.
    """
    inside_hw = thing_hw > 0
    if not inside_hw.any():
        return thing_hw
    h, w = thing_hw.shape
    row_h1, column_w = torch.arange(h, device=thing_hw.device)[:, None] + 0.5, torch.arange(w, device=thing_hw.device) + 0.5
    column_hw, row_hw = (column_w + votes_2hw[0].float()).long(), (row_h1 + votes_2hw[1].float()).long()
    aim_hw = row_hw.clamp(0, h - 1) * w + column_hw.clamp(0, w - 1)
    wanted_L = torch.bincount(aim_hw[inside_hw], minlength=h * w).float()
    wanted_hw = F.avg_pool2d(wanted_L.view(1, h, w), 2 * near + 1, 1, near)[0]
    surplus_hw = looks_hw.float() - looks_hw[inside_hw].float().median() + alike
    also_hw = (surplus_hw > 0) & (wanted_hw.flatten()[aim_hw] >= least * wanted_hw.max()) & ~inside_hw
    return torch.where(also_hw, surplus_hw, thing_hw)


def sureness(chance_P: Tensor) -> float:
    """0..1: root of how far the mean probability of a region's cells lies between the threshold 0.5 and 1; specks score near 0."""
    return float(((chance_P.mean() - 0.5) * 2).clamp(0, 1).sqrt())


def to_original(logits_hw: Tensor, canvas: Canvas) -> np.ndarray:
    """Cell logits over the canvas -> bool mask (H, W) in original pixels, bilinear."""
    h, w = logits_hw.shape
    # The cells that the picture itself covers; padding is left behind before resizing.
    rows = canvas.scaled[0] / canvas.size[0] * h
    columns = canvas.scaled[1] / canvas.size[1] * w
    height, width = canvas.original
    y = (torch.arange(height) + 0.5) / height * rows / h * 2 - 1
    x = (torch.arange(width) + 0.5) / width * columns / w * 2 - 1
    mask = np.zeros((height, width), bool)
    step = max(1, 4_000_000 // width)  # strips: bounded memory on very large pictures
    for top in range(0, height, step):
        grid = torch.stack(torch.meshgrid(y[top : top + step], x, indexing="ij")[::-1], -1)[None]
        strip = F.grid_sample(logits_hw[None, None].float().cpu(), grid, padding_mode="border", align_corners=False)
        mask[top : top + step] = (strip[0, 0] > 0).numpy()
    return mask
