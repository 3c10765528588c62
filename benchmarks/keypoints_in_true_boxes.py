"""How well is a thing's pose read once its box is known? The keypoint decoder alone, no language model: names as words, true boxes.

    SUPERLENS_DATA=... python benchmarks/keypoints_in_true_boxes.py [--model nano] [--limit 60]

PCK: share of the labelled points that lie within 0.05 (world) or 0.1 of the longer side of the box. swapped: share that lie there of
the other side's point ("left knee" where the right one is). found: share of the things of which the decoder's own finder has a box
(score of 0.1 or more, IoU of 0.5 or more). An upper bound of `superlens evaluate --part keypoints`, which has to find things and to
name points.
"""

import argparse
import os
import re
from pathlib import Path

import numpy as np
import torch

import superlens
from superlens.data.sources.open import open_source
from superlens.decoders.dense_detector import generalised_iou
from superlens.decoders.keypoint_detector import onto_canvas, peaks
from superlens.message import Conversation, Message
from superlens.train.rows import GlanceCollator

SETS = [("world", 0.05), ("lspet/person_keypoints_val.json", 0.1), ("dlc_mouse/keypoints_val.json", 0.1)]
LEAST_SCORE, LEAST_OVERLAP = 0.1, 0.5


def mirrored(names: tuple[str, ...]) -> list[int]:
    """Of each name, the place of that of the other side, or its own."""
    other = {"left": "right", "right": "left"}
    return [names.index(re.sub("left|right", lambda side: other[side[0]], name)) for name in names]


@torch.no_grad()
def looked_at(model, example):
    """(points in canvas pixels [K, 2], truth [K, 3], names, box, whether it was found) of every thing of an example."""
    talk = Conversation((*example.question.messages, Message("assistant", example.answer.content)))
    batch = GlanceCollator()([model.processor.encode(talk)])["batch"]
    scenes = [model.eye(pictures.pixels_BHWC, pictures.canvases) for pictures in batch.pictures]
    unheard = torch.zeros(batch.ids_RT.numel(), model.language.width)
    for one in model.read(unheard, batch.groups, scenes, batch):
        decoder = model.decoders[one.decoder]
        raw = decoder(scenes[one.scene], one.requests)
        found = decoder.found_squares(raw.found)
        for request, target in enumerate(one.requests.targets):
            mine_P = raw.squares.request_P == request
            xy_pM2 = onto_canvas(peaks(raw.heat[request], decoder.window), raw.squares.affine_P23[mine_P]).numpy()
            boxes_p4 = found.boxes_P4[(found.request_P == request) & (found.scores_P >= LEAST_SCORE)]
            for xy_M2, thing in zip(xy_pM2, raw.squares.thing_P[mine_P].tolist()):
                box_4 = torch.tensor(target.xyxy[thing])
                overlap_p, _ = generalised_iou(boxes_p4, box_4.expand(len(boxes_p4), 4))
                yield xy_M2, target.xyv[thing], target.names, box_4.numpy(), bool((overlap_p >= LEAST_OVERLAP).any())


def measure(model, source, limit: int, share: float) -> dict[str, float]:
    right, swapped, found = [], [], []
    for example in source.examples("keypoints", limit=limit):
        for xy_K2, truth_K3, names, box_4, seen in looked_at(model, example):
            reach = share * (box_4[2:] - box_4[:2]).max()
            there_K = np.linalg.norm(xy_K2 - truth_K3[:, :2], axis=1) <= reach
            other_K3 = truth_K3[mirrored(names)]
            across_K = (np.linalg.norm(xy_K2 - other_K3[:, :2], axis=1) <= reach) & (other_K3[:, 2] > 0)
            known_K = truth_K3[:, 2] > 0
            right += there_K[known_K].tolist()
            swapped += (across_K & ~there_K)[known_K].tolist()
            found.append(seen)
    return {"PCK": float(np.mean(right)), "swapped": float(np.mean(swapped)), "found": float(np.mean(found)), "things": len(found)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="nano")
    parser.add_argument("--limit", type=int, default=60)
    options = parser.parse_args()
    model = superlens.load(options.model, device="cpu")
    folder = Path(os.environ.get("SUPERLENS_DATA", ""))
    print("| set | within | PCK | swapped | found | things |\n|---|---|---|---|---|---|")
    for name, share in SETS:
        if name == "world" or (folder / name).is_file():
            told = measure(model, open_source(name if name == "world" else str(folder / name)), options.limit, share)
            row = " | ".join(f"{told[key]:.3f}" for key in ("PCK", "swapped", "found"))
            print(f"| {name.split('/')[0]} | {share} | {row} | {told['things']} |", flush=True)


if __name__ == "__main__":
    main()
