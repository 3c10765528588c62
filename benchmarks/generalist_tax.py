"""The generalist tax: nano's own eye and decoder, trained alone on one data set, against nano on the same pictures.

    python benchmarks/generalist_tax.py --train $SUPERLENS_DATA/bccd/instances_train.json \
        --val $SUPERLENS_DATA/bccd/instances_val.json --part boxes --steps 400 [--model nano]

The specialist has no language model: one learned vector per category takes the place of what a link would read. It starts from random
weights, sees the same augmented views as nano's training does, and is evaluated by the same metric. Prints a Markdown table.
"""

import argparse
import time

import numpy as np
import torch
from torch import nn

import superlens
from superlens.assemble import assemble
from superlens.batch import group_pictures
from superlens.data.augment import Augment
from superlens.data.sources.open import open_source
from superlens.decoders.base import Requests
from superlens.evaluate.runner import evaluate
from superlens.message import Message
from superlens.processor import on_canvas
from superlens.recipes.schema import read_recipe
from superlens.train.precision import has_bfloat16
from superlens.vision.canvas import CanvasRule

KINDS = {"boxes": "detect", "masks": "segment"}


class Specialist(nn.Module):
    """Eye, decoder, and one query vector per category name."""

    def __init__(self, recipe: dict, part: str, names: list[str]):
        super().__init__()
        self.eye, _, _, _, decoders = assemble(recipe)
        self.decoder = decoders[KINDS[part]]
        self.queries = nn.Parameter(torch.randn(len(names), self.decoder.width))
        self.names, self.part = names, part
        self.rule = CanvasRule(**recipe["canvas"])

    def requests(self, labels_per_picture: list[list[str]], targets: list) -> Requests:
        labels = [label for labels in labels_per_picture for label in labels]
        picture_K = torch.tensor([b for b, labels in enumerate(labels_per_picture) for _ in labels])
        vectors = self.queries[[self.names.index(label) for label in labels]][:, None]
        return Requests(vectors, picture_K, labels, [0] * len(labels), targets)

    def loss(self, shown: list, answers: list[Message]) -> torch.Tensor:
        """One batch: mean losses over pictures of all canvas sizes."""
        placed = [self.rule.place(image.pixels) for image in shown]
        total = 0.0
        sums: dict[str, list] = {}
        for pictures in group_pictures(placed):
            scene = self.eye(pictures.pixels_BHWC, pictures.canvases)
            parts = [list(getattr(answers[n], self.part)) for n in pictures.numbers]
            targets = [on_canvas(p, c, self.rule) for ps, c in zip(parts, pictures.canvases) for p in ps]
            requests = self.requests([[name_of(p.label, self.names) for p in ps] for ps in parts], targets)
            for name, (value, count) in self.decoder.loss(self.decoder(scene, requests), targets).items():
                entry = sums.setdefault(name, [0.0, 0.0])
                entry[0], entry[1] = entry[0] + value, entry[1] + count
        for value, count in sums.values():
            total = total + value / max(count, 1.0)
        return total

    @torch.inference_mode()
    def ask(self, questions, batch_size=8, min_score=0.01, errors="raise", **unused) -> list[Message]:
        """Answers with every category, like a model's `ask`."""
        said = []
        for question in questions:
            pixels, canvas = self.rule.place(question.images[0].pixels)
            scene = self.eye(torch.from_numpy(pixels)[None], [canvas])
            requests = self.requests([self.names], [])
            parts = self.decoder.parts(self.decoder(scene, requests), scene, requests)
            said.append(Message("assistant", tuple(parts)).about(question.images).clipped().above(min_score))
        return said


def name_of(label: str, names: list[str]) -> str:
    """The category a varied phrase stands for ("platelet" for "platelets")."""
    return next(n for n in names if n == label.lower() or n.rstrip("s") == label.lower().rstrip("s"))


def train(specialist: Specialist, source, steps: int, batch: int, seed: int) -> float:
    """AdamW and cosine as in nano's recipe; returns seconds."""
    optimiser = torch.optim.AdamW(specialist.parameters(), lr=1e-3, weight_decay=0.05, betas=(0.9, 0.98), fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, total_steps=steps, pct_start=0.05)
    start = time.perf_counter()
    for step in range(steps):
        rng = np.random.default_rng((seed, step))
        talks = [source.conversation(int(rng.integers(len(source))), rng) for _ in range(batch)]
        with torch.autocast("cpu", torch.bfloat16, enabled=has_bfloat16(torch.device("cpu"))):
            loss = specialist.loss([t.images[0] for t in talks], [t.messages[-1] for t in talks])
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(specialist.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", required=True)
    parser.add_argument("--val", required=True)
    parser.add_argument("--part", choices=KINDS, default="boxes")
    parser.add_argument("--model", default="nano")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    plan = read_recipe("nano")
    augment = Augment(**plan.data.augment.model_dump())
    source = open_source(options.train, augment=augment, tasks={options.part: 1})
    val = open_source(options.val)
    specialist = Specialist(plan.to_dict(), options.part, [name.lower() for name in val.names])
    seconds = train(specialist, source, options.steps, options.batch, options.seed)
    specialist.eval()
    views = f"{options.steps * options.batch} views, {seconds:.0f} s"
    rows = [("alone", evaluate(specialist, val, options.part, limit=options.limit), views)]
    rows.append((options.model, evaluate(superlens.load(options.model), val, options.part, limit=options.limit), "see its model card"))
    keys = [key for key in rows[0][1] if not isinstance(rows[0][1][key], dict)]
    print("| model | " + " | ".join(keys) + " | training |\n|" + "---|" * (len(keys) + 2))
    for name, figures, note in rows:
        print(f"| {name} | " + " | ".join(f"{figures[key]:.3f}" for key in keys) + f" | {note} |")


if __name__ == "__main__":
    main()
