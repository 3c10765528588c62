"""What a decoder is: request vectors + what the eye saw -> parts.

Shapes: B pictures of one canvas size, K requests (one phrase each) over those pictures, n vectors a request, C their width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from superlens.message import Image, Part
from superlens.vision.projector import WAVES, place_waves
from superlens.vision.scene import Scene

Losses = dict[str, tuple[Tensor, float]]


@dataclass
class Requests:
    """What the links ask of one decoder about one scene.

    vectors_KnC: what the language model says is wanted. picture_K: index of each request's picture in the scene.
    labels: K phrases. images: K picture numbers in their conversations. parents: K indices of the request that each belongs to
    ("nose" of "person"), -1 for one that stands by itself. targets: a part in canvas pixels for each that does (training).
    seeds: K seeds, for decoders that draw at random.
    """

    vectors_KnC: Tensor
    picture_K: Tensor
    labels: list[str]
    images: list[int]
    targets: list[Part] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)

    def __post_init__(self):
        self.parents = self.parents or [-1] * len(self.labels)
        self.seeds = self.seeds or [0] * len(self.labels)

    def __len__(self) -> int:
        return len(self.labels)

    def __add__(self, other: Requests) -> Requests:
        """Both, one after the other; n must be equal."""
        vectors_KnC = torch.cat([self.vectors_KnC, other.vectors_KnC.to(self.vectors_KnC.dtype)])
        picture_K = torch.cat([self.picture_K, other.picture_K])
        labels, images, targets = self.labels + other.labels, self.images + other.images, self.targets + other.targets
        parents = self.parents + [parent + len(self) if parent >= 0 else -1 for parent in other.parents]
        return Requests(vectors_KnC, picture_K, labels, images, targets, parents, self.seeds + other.seeds)

    def take(self, rows: list[int]) -> Requests:
        """Some of them, without targets and parents."""
        at = torch.tensor(rows, dtype=torch.long, device=self.picture_K.device)
        labels, images, seeds = ([column[row] for row in rows] for column in (self.labels, self.images, self.seeds))
        return Requests(self.vectors_KnC[at], self.picture_K[at], labels, images, seeds=seeds)


class Decoder(nn.Module):
    """Base of all decoders.

    part: the kind of part it answers with. width: C, the width of the request vectors it takes.
    A loss is (sum, count): sums and counts are added over ranks and accumulated steps before dividing, so `counts` is a function of
    the targets alone and can be known before the forward.
    """

    part: ClassVar[str]
    width: int

    def forward(self, scene: Scene | None, requests: Requests) -> Any:
        """Raw answer for K requests; gradients flow to the scene and to the request vectors. scene: None where none is needed."""
        raise NotImplementedError

    def counts(self, targets: list[Part]) -> dict[str, float]:
        """Loss name -> its count, from the targets alone."""
        raise NotImplementedError

    def loss(self, raw: Any, targets: list[Part]) -> Losses:
        """Loss name -> (sum, count). Targets: K parts in canvas pixels."""
        raise NotImplementedError

    def parts(self, raw: Any, scene: Scene, requests: Requests) -> list[Part]:
        """K parts in original pixels, scores attached, everything scored at least 0.01 kept."""
        raise NotImplementedError

    def finish(self, part: Part, pictures: tuple[Image, ...]) -> Part:
        """The part, now that the pictures of its conversation are at hand in their own pixels."""
        return part

    def dummy(self, scene: Scene) -> Tensor:
        """Zero that depends on every parameter through a smallest real forward: keeps ranks without this task in step."""
        vectors = torch.zeros(1, 1, self.width, device=scene.levels[0].device, dtype=scene.levels[0].dtype)
        where = torch.zeros(1, dtype=torch.long, device=vectors.device)
        return self.zero_of(self(scene, Requests(vectors, where, [""], [0])))  # a call, so that sharding's hooks run

    @staticmethod
    def zero_of(raw: Any) -> Tensor:
        """Zero that depends on everything in a raw answer."""
        return sum(value.float().sum() for value in tensors_of(raw)) * 0.0


def tensors_of(raw: Any) -> list[Tensor]:
    """All floating tensors inside nested lists, tuples, dicts and dataclasses."""
    if isinstance(raw, Tensor):
        return [raw] if raw.is_floating_point() else []
    if hasattr(raw, "__dataclass_fields__"):
        raw = [getattr(raw, name) for name in raw.__dataclass_fields__]
    if isinstance(raw, dict):
        raw = list(raw.values())
    if isinstance(raw, (list, tuple)):
        return [tensor for item in raw for tensor in tensors_of(item)]
    return []


def counted(targets: list[Part]) -> list[int]:
    """How many things of each target count."""
    return [target.count if target.ignore is None else int((~target.ignore).sum()) for target in targets]


class DotProduct(nn.Module):
    """Open vocabulary: the score of a cell for a request is the scaled dot product of their normalised vectors plus a bias.

    prior: probability every cell starts with, so that the many empty cells do not drown the first steps (RetinaNet, arXiv 1708.02002).
    """

    def __init__(self, width: int, channels: int, prior: float):
        super().__init__()
        self.query = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, channels), nn.LayerNorm(channels))
        self.scale = nn.Parameter(torch.zeros(1))  # one dimension: FSDP2 shards no scalars
        self.bias = nn.Parameter(torch.tensor([prior / (1 - prior)]).log())
        self.channels = channels

    def forward(self, maps: list[Tensor], requests: Requests) -> Tensor:
        """[B, C, h, w] of one level or more -> logits [K, L] of all their cells, level after level, row by row."""
        cells_BCL = torch.cat([map_BChw.flatten(2) for map_BChw in maps], 2)
        query_KC = self.query(requests.vectors_KnC.mean(1))
        # The products are divided by the cells' lengths afterwards: K numbers a cell instead of C. One product per picture:
        # gathering every request's own copy of the cells would move K / B times the memory.
        lengths_BL = cells_BCL.square().sum(1).float().clamp(min=1e-12).sqrt()
        cells_of = cells_BCL.unbind(0)
        order, products = [], []
        for picture in requests.picture_K.unique().tolist():
            mine_k = (requests.picture_K == picture).nonzero().squeeze(1)
            order.append(mine_k)
            products.append(query_KC[mine_k].to(cells_BCL.dtype) @ cells_of[picture])
        logits_KL = torch.cat(products)[torch.cat(order).argsort()].float() / lengths_BL[requests.picture_K]
        return logits_KL * self.scale.float().exp() + self.bias.float()


class PlaceSense(nn.Module):
    """Where a request looks: how likely each cell is to be part of what is meant, by its place alone.

    What was pointed at, or "the leftmost one", looks like others of its kind; convolutions can not tell places apart (Liu et al.,
    arXiv 1807.03247). The request chooses weights of the sines and cosines of a cell's place (those of visual tokens,
    vision/projector.py); their products, normalised over the picture, are taught the places of the targets (`loss`), and count as much
    towards the answer as the request says: not at all at first. Own design.
    """

    weight = 0.2

    def __init__(self, width: int):
        super().__init__()
        self.waves = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, WAVES))
        self.trust = nn.Linear(width, 1)
        nn.init.zeros_(self.trust.weight)
        nn.init.zeros_(self.trust.bias)

    def forward(self, shapes: list[tuple[int, int]], requests: Requests) -> tuple[Tensor, Tensor]:
        """(rows, columns) of each level -> log_KL, how likely every cell is as a logarithm, 0 where all are alike; trust_K1."""
        vectors_KC = requests.vectors_KnC.mean(1)
        waves_LW = torch.cat([place_waves(*shape, vectors_KC) for shape in shapes])
        log_KL = (self.waves(vectors_KC) @ waves_LW.T).float().log_softmax(1) + math.log(len(waves_LW))
        return log_KL, self.trust(vectors_KC).float()

    def loss(self, log_KL: Tensor, share_KL: Tensor) -> Tensor:
        """Sum of the cross-entropies with share_KL: how the cells share what is meant, rows of sum 1, or 0 where nothing is."""
        return (share_KL.sum(1) * math.log(log_KL.shape[1]) - (share_KL * log_KL).sum(1)).sum() * self.weight


class SingleSense(nn.Module):
    """How likely a request means one thing alone: "the red star", "this", and not "stars".

    Only words can tell, so it is read from the request's vector. The surer a request is for one thing, the less every candidate but
    the best counts (`alone`). At first all count as they are. Own design.
    """

    weight = 0.1
    sure = 0.8  # chance of a single thing from which on the others count for less

    def __init__(self, width: int):
        super().__init__()
        self.chance = nn.Linear(width, 1)
        nn.init.zeros_(self.chance.weight)
        nn.init.zeros_(self.chance.bias)

    def forward(self, requests: Requests) -> Tensor:
        """logits_K."""
        return self.chance(requests.vectors_KnC.mean(1))[:, 0].float()

    def loss(self, logits_K: Tensor, things: list[int]) -> Tensor:
        """Sum of the cross-entropies with whether there is one; requests for what is not there say nothing about it."""
        things_K = torch.tensor(things, device=logits_K.device)
        wrong_K = F.binary_cross_entropy_with_logits(logits_K, (things_K == 1).float(), reduction="none")
        return (wrong_K * (things_K > 0)).sum() * self.weight

    def alone(self, logit: Tensor, scores_N: np.ndarray) -> np.ndarray:
        """Scores of one request's candidates: the best as it is, the others times how little sure it is that there is one."""
        if not len(scores_N):
            return scores_N
        share = min(1.0, (1 - float(logit.detach().sigmoid())) / (1 - self.sure))
        return np.where(np.arange(len(scores_N)) == int(scores_N.argmax()), scores_N, scores_N * share).astype(scores_N.dtype)
