"""How soon a small language model says back what it is told, with a way to look things up wired into its random weights and without.

    python benchmarks/lookup.py [--steps 160] [--seeds 2]

A language model of nano's size; 48 rows a step of 4 to 19 tokens drawn from 400, then the same once more; AdamW. The loss is that of
the second half alone: 6.0 is a guess among the 400. Prints a Markdown table of its mean over 20 steps each.
"""

import argparse

import torch
from torch.nn import functional as F

from superlens.language.causal import CausalLanguage
from superlens.recipes.schema import read_recipe
from superlens.train.precision import has_bfloat16

ROWS, WORDS, FIRST, WINDOW, RATE, WARMUP = 48, 400, 10, 20, 1e-3, 20


def losses(start: str | None, steps: int, seed: int) -> list[float]:
    """One training; what each step's second half costs, in nats a token."""
    torch.manual_seed(seed)
    language = CausalLanguage(read_recipe("nano").to_dict()["language"]["config"], start=start)
    optimizer = torch.optim.AdamW(language.parameters(), RATE, weight_decay=0.0)
    warm = torch.optim.lr_scheduler.LinearLR(optimizer, 1 / WARMUP, total_iters=WARMUP)
    generator = torch.Generator().manual_seed(seed)
    told = []
    for _ in range(steps):
        length = int(torch.randint(4, 20, (1,), generator=generator))
        words = torch.randint(FIRST, FIRST + WORDS, (ROWS, length), generator=generator)
        begin, again = torch.full((ROWS, 1), 1), torch.full((ROWS, 1), 2)
        ids = torch.cat([begin, words, again, words], 1)
        with torch.autocast("cpu", torch.bfloat16, enabled=has_bfloat16(torch.device("cpu"))):
            hidden = language(language.embed(ids), torch.arange(ids.shape[1]).expand_as(ids))
            logits = language.logits(hidden[:, length + 1 : -1].flatten(0, 1)).float()
        loss = F.cross_entropy(logits, words.flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(language.parameters(), 1.0)
        optimizer.step()
        warm.step()
        told.append(loss.item())
    return told


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--steps", type=int, default=160)
    arguments.add_argument("--seeds", type=int, default=2)
    options = arguments.parse_args()
    runs = {start: torch.tensor([losses(start, options.steps, seed) for seed in range(options.seeds)]) for start in (None, "lookup")}
    print("| steps | chance alone | lookup |\n|---|---|---|")
    for until in range(WINDOW, options.steps + 1, WINDOW):
        cells = [told[:, until - WINDOW : until].mean().item() for told in runs.values()]
        print(f"| {until - WINDOW + 1} to {until} | " + " | ".join(f"{cell:.2f}" for cell in cells) + " |")


if __name__ == "__main__":
    main()
