"""Shift the scores of a model's box detector so that at `min_score`, 0.3, it is silent about absent things nine times in ten.

    python tools/calibrate_nano.py runs/nano runs/nano-calibrated [--silent 0.9] [--limit 200] [--seed 7]

Scores keep their order: only the bias of the detector's match changes, average precision does not. The scenes are those of another
seed than the ones that are measured.
"""

import argparse

import numpy as np

import superlens
from superlens.data.world import World
from superlens.evaluate.metrics import Facts, metric_class

MIN_SCORE = 0.3
THRESHOLDS = np.round(np.arange(0.1, 0.75, 0.05), 2)


def logit(chance: float) -> float:
    return float(np.log(chance / (1 - chance)))


def balances(model, limit: int, seed: int) -> dict[float, tuple[float, float]]:
    """Threshold -> (silent, recall) of the boxes that list questions are answered with."""
    examples = list(World().examples("boxes", seed=seed, limit=limit, task="boxes"))
    answers = model.ask([example.question for example in examples], batch_size=16, min_score=0.01, min_share=0.0)
    found = {}
    for threshold in THRESHOLDS.tolist():
        metric = metric_class("boxes", "absent")(Facts(), "boxes", threshold)
        for example, answer in zip(examples, answers, strict=True):
            metric.add(example, answer)
        found[threshold] = tuple(metric.result().values())
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("out")
    parser.add_argument("--silent", type=float, default=0.9)
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    model = superlens.load(options.run, device="cpu")
    found = balances(model, options.limit, options.seed)
    for threshold, (silent, recall) in found.items():
        print(f"{threshold:.2f}  silent {silent:.3f}  recall {recall:.3f}")
    best = min((threshold for threshold in found if found[threshold][0] >= options.silent), default=max(found))
    model.decoders["detect"].match.bias.data -= logit(best) - logit(MIN_SCORE)
    model.save_pretrained(options.out, whole=True)
    print(f"what scored {best:.2f} scores {MIN_SCORE} now: {options.out}")
