"""Packed rows against padded ones: the same ragged mixture, several samples a row against one sample a row.

    python benchmarks/packed_vs_padded.py [--recipe nano] [--data world] [--steps 20] [--batch 16] [--row-tokens 256 400 800]

Each step takes one batch of the recipe's last stage, forward and backward every way (taking turns, the order changing from step to
step), at the same weights, and then goes on by one optimiser step. Reading and encoding the samples is not timed: it is the same for
all. Prints a Markdown table: medians over the steps, and the largest difference of the losses.
"""

import argparse
import itertools
import time
from statistics import median

import torch

from superlens.recipes.build import build
from superlens.recipes.schema import read_recipe
from superlens.train.rows import Collator
from superlens.train.trainer import make_mixture

PADDED = "padded, one sample a row"


def batches(model, plan, stage, options) -> list[dict]:
    """For every step: way -> the same samples, collated that way. Samples longer than the shortest row are left out of all."""
    mixture = make_mixture(plan, stage, options.data, options.seed)
    row_tokens = sorted(options.row_tokens or [stage.row_tokens])
    samples = (model.processor.encode(mixture[row]) for row in range(len(mixture)))
    fitting = (sample for sample in samples if len(sample) <= row_tokens[0])
    collators = {PADDED: Collator(row_tokens[0], apart=True)}
    collators |= {f"packed, rows of {tokens} tokens": Collator(tokens) for tokens in row_tokens}
    steps = []
    for _ in range(options.steps + 1):
        chosen = list(itertools.islice(fitting, stage.batch))
        if len(chosen) < stage.batch:
            raise SystemExit(f"too few samples fit a row of {row_tokens[0]} tokens: raise --row-tokens.")
        steps.append({way: collator(chosen)["batch"] for way, collator in collators.items()})
    return steps


def timed(model, batch, dtype: torch.dtype) -> tuple[float, float]:
    """-> (loss, seconds) of one forward and backward; the gradients stay."""
    model.zero_grad()
    start = time.perf_counter()
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        loss = model(batch)["loss"]
    loss.backward()
    return loss.item(), time.perf_counter() - start


def measure(model, steps: list[dict], rate: float, dtype: torch.dtype) -> tuple[dict[str, list[float]], float]:
    """-> (way -> seconds of each step, largest relative difference of a loss from the padded one). The first step warms up."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
    seconds: dict[str, list[float]] = {way: [] for way in steps[0]}
    apart = 0.0
    for number, ways in enumerate(steps):
        order = list(ways) if number % 2 else list(reversed(ways))
        found = {way: timed(model, ways[way], dtype) for way in order}
        optimizer.step()
        if number:
            for way, (loss, spent) in found.items():
                seconds[way].append(spent)
                apart = max(apart, abs(loss / found[PADDED][0] - 1))
    return seconds, apart


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="nano", help="a recipe's name or a YAML file")
    parser.add_argument("--data", nargs="+", default=["world"], help="as in `superlens train`")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, help="samples a step; default: the stage's")
    parser.add_argument("--row-tokens", type=int, nargs="+", help="lengths of packed rows; default: the stage's")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    plan = read_recipe(options.recipe)
    last = plan.stages[-1]
    size = options.batch or last.batch
    # Twice the samples that are needed: those longer than a row are passed over.
    stage = last.model_copy(update={"batch": size, "steps": 2 * (options.steps + 1), "accumulate": 1})
    model = build(plan.to_dict(), options.seed).eval()  # no dropout: both ways must give one loss
    steps = batches(model, plan, stage, options)
    seconds, apart = measure(model, steps, 1e-4, getattr(torch, options.dtype))
    real = median(sum(map(len_of, step[PADDED].position_ids_RT)) for step in steps[1:])
    print(f"{options.recipe}, {', '.join(options.data)}, {size} samples a step, {options.steps} steps, {options.dtype}, "
          f"{options.threads} threads, {real:.0f} tokens a step without padding\n")
    print("| | rows | tokens with padding | seconds a step | samples a second | speed |\n|---|---|---|---|---|---|")
    for way, spent in seconds.items():
        rows = median(len(step[way].ids_RT) for step in steps[1:])
        tokens = median(step[way].ids_RT.numel() for step in steps[1:])
        ratio = median(seconds[PADDED]) / median(spent)
        print(f"| {way} | {rows:.0f} | {tokens:.0f} | {median(spent):.3f} | {size / median(spent):.2f} | {ratio:.2f}x |")
    print(f"\nLargest relative difference of a step's loss from the padded one: {apart:.1e}")


def len_of(position_ids_T: torch.Tensor) -> int:
    """Length of the one sample in a padded row: its filler starts again at 0."""
    again = (position_ids_T[1:] == 0).nonzero()
    return int(again[0]) + 1 if len(again) else len(position_ids_T)


if __name__ == "__main__":
    main()
