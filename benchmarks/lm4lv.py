"""Can a frozen language model that never saw a picture restore pictures? LM4LV (arXiv 2405.15734) with its controls, at nano's size.

    superlens data docstrings --out help.jsonl
    python benchmarks/lm4lv.py --text help.jsonl --photos photos/images_train.json --val photos/images_val.json \
        [--steps 600] [--seeds 3] [--limit 100] [--arms lm4lv linear ...] [--set stages.hide.steps=800 ...] [--out runs/lm4lv]

First the base is made, once, by the stages `language`, `hide` and `invert` of the recipe lm4lv at scale=nano: a language model of text
alone, a masked autoencoder, its way back. All of it is frozen from then on. Then each arm learns seven tasks at once from the same
pictures, in the same order, for the same steps:

    lm4lv        the frozen language model between two linear layers, ten learned tokens a task, one feature after another
    random       the same with a language model of random weights
    one-pass     the same language model read in one pass: no causal mask, no rotary positions
    linear       the two linear layers alone, and the task's tokens
    mlp          two layers, as many trained parameters as lm4lv
    transformer  one layer of a Transformer, as many trained parameters as lm4lv

"MAE-r" is no arm: the way back from the features of the spoiled picture itself, the floor for restoring and the ceiling for turning.
Measured are generated answers on squares of the val pictures that fill the eye's canvas, PSNR and SSIM, each task by itself. An arm and
seed that --out holds are not done again. Prints Markdown: mean and standard deviation over seeds, paired differences to MAE-r.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import torch
from torch import Tensor, nn

import superlens
from superlens.batch import collate
from superlens.data.degrade import DEGRADATIONS, degrade, parse
from superlens.data.sources.base import Example
from superlens.data.sources.photos import pictures_of, view
from superlens.evaluate.metrics.restored import Likeness, PeakSignal
from superlens.message import Conversation, Image, Message
from superlens.recipes.build import build
from superlens.train.trainer import train

# Task -> (what is done to a picture, what is asked for). Amounts are drawn from LM4LV's ranges where "?" stands.
TASKS = {
    "noise": ("noise:?", "Remove the noise."), "blur": ("blur:?", "Sharpen it."), "pepper": ("pepper:?", "Remove the black specks."),
    "rain": ("rain:?", "Remove the rain."), "mask": ("mask:0.1", "Fill in the missing squares."),
    "rotate": ("rotate:90", "Make a quarter turn to the left."), "flip": ("flip", "Mirror it."),
}  # fmt: skip
RESTORING = ("noise", "blur", "pepper", "rain", "mask")
ARMS = ("lm4lv", "random", "one-pass", "linear", "mlp", "transformer")
BASE_STAGES = ("language", "hide", "invert")
EXAM = 7_000_000  # seed of the measured pictures


def spoiled(task: str, clean_HW3: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    words = TASKS[task][0]
    steps = (DEGRADATIONS[words[:-2]].drawn(rng),) if words.endswith(":?") else parse(words)
    return degrade(clean_HW3, steps, rng)


def square(pixels_HW3: np.ndarray, side: int) -> np.ndarray:
    """The middle of a picture, as large as can be, at `side` x `side` pixels."""
    from PIL import Image as Pil

    height, width = pixels_HW3.shape[:2]
    least = min(height, width)
    top, left = (height - least) // 2, (width - least) // 2
    middle = Pil.fromarray(pixels_HW3[top : top + least, left : left + least])
    return np.asarray(middle.resize((side, side), Pil.Resampling.LANCZOS))


def example(task: str, clean_HW3: np.ndarray, rng: np.random.Generator) -> Conversation:
    """The question and its answer."""
    shown = Image(spoiled(task, clean_HW3, rng))
    return Conversation((
        Message("user", (shown, TASKS[task][1])), Message("assistant", (Image(clean_HW3, of=0, restored=True),)),
    ))  # fmt: skip


class Lessons:
    """Step i's examples, the same for every arm."""

    def __init__(self, files: list[str], side: int, batch: int, seed: int):
        self.clean = [square(Image(file).pixels, side) for file in files]
        self.side, self.batch, self.seed = side, batch, seed

    def __getitem__(self, step: int) -> list[tuple[str, Conversation]]:
        rng = np.random.default_rng((self.seed, step))
        tasks = [list(TASKS)[int(rng.integers(len(TASKS)))] for _ in range(self.batch)]
        chosen = (self.clean[int(rng.integers(len(self.clean)))] for _ in tasks)
        return [(task, example(task, view(clean, self.side, rng), rng)) for task, clean in zip(tasks, chosen)]


class InLanguage(nn.Module):
    """lm4lv: the recipe itself, what is trained drawn anew from the seed. Random weights for the language model where `fresh`."""

    def __init__(self, model, seed: int, fresh: bool = False):
        super().__init__()
        self.model = model
        drawn = build(model.config.recipe, seed)
        for part in ("projector", "links", *(["language"] if fresh else [])):
            getattr(model, part).load_state_dict(getattr(drawn, part).state_dict())
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name.startswith(("projector.", "links.")))

    def loss(self, lesson: list[tuple[str, Conversation]]) -> Tensor:
        return self.model(collate([self.model.processor.encode(talk) for _, talk in lesson]))["loss"]

    def answers(self, lesson: list[tuple[str, Conversation]]) -> list[np.ndarray]:
        asked = [Conversation(talk.messages[:1]) for _, talk in lesson]
        said = self.model.ask(asked, batch_size=25, answer_with="restore", max_new_tokens=2)
        return [message.images[0].pixels for message in said]


class OverFeatures(nn.Module):
    """A control that maps the features of the picture shown to those of the answer, all at once."""

    def __init__(self, model, net: nn.Module):
        super().__init__()
        self.eye, self.net = model.eye.requires_grad_(False), net

    def features(self, images: list[Image]) -> Tensor:
        pixels_BHWC = torch.from_numpy(np.stack([image.pixels for image in images]))
        with torch.no_grad():
            return self.eye.features(self.eye.normalise(pixels_BHWC)).float()

    def said(self, lesson: list[tuple[str, Conversation]]) -> Tensor:
        shown_BTC = self.features([talk.images[0] for _, talk in lesson])
        return self.net(shown_BTC, torch.tensor([list(TASKS).index(task) for task, _ in lesson]))

    def loss(self, lesson: list[tuple[str, Conversation]]) -> Tensor:
        return nn.functional.mse_loss(self.said(lesson).float(), self.features([talk.images[1] for _, talk in lesson]))

    def answers(self, lesson: list[tuple[str, Conversation]]) -> list[np.ndarray]:
        with torch.no_grad():
            return drawn(self.eye, self.said(lesson))


def drawn(eye, features_BTC: Tensor) -> list[np.ndarray]:
    pixels_B3HW = eye.inverse(features_BTC)
    return list((pixels_B3HW * 255).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy())


class TwoLinear(nn.Module):
    """In and out of the language model's width, with nothing between but the mean of the task's tokens."""

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.into, self.out = nn.Linear(channels, width), nn.Linear(width, channels)
        self.task = nn.Embedding(len(TASKS), width)

    def forward(self, shown_BTC: Tensor, task_B: Tensor) -> Tensor:
        return self.out(self.into(shown_BTC) + self.task(task_B)[:, None])


class TwoLayers(nn.Module):
    """A multilayer perceptron of `trained` parameters, every token by itself; it is told the task by an offset inside."""

    def __init__(self, channels: int, trained: int):
        super().__init__()
        hidden = max(8, (trained - channels) // (2 * channels + 1 + len(TASKS)))
        self.first, self.second = nn.Linear(channels, hidden), nn.Linear(hidden, channels)
        self.task = nn.Embedding(len(TASKS), hidden)

    def forward(self, shown_BTC: Tensor, task_B: Tensor) -> Tensor:
        return self.second(nn.functional.gelu(self.first(shown_BTC) + self.task(task_B)[:, None]))


class OneLayer(nn.Module):
    """A Transformer layer of about `trained` parameters over the tokens and one for the task, places learned."""

    def __init__(self, channels: int, trained: int, tokens: int):
        super().__init__()
        fixed = 4 * channels**2 + (tokens + len(TASKS)) * channels
        wide = max(16, (trained - fixed) // (2 * channels))
        self.layer = nn.TransformerEncoderLayer(channels, 4, wide, 0.0, "gelu", batch_first=True, norm_first=True)
        self.place, self.task = nn.Parameter(torch.randn(tokens, channels) * 0.02), nn.Embedding(len(TASKS), channels)

    def forward(self, shown_BTC: Tensor, task_B: Tensor) -> Tensor:
        return self.layer(torch.cat([shown_BTC + self.place, self.task(task_B)[:, None]], 1))[:, :-1]


class OnePass(nn.Module):
    """The frozen language model without causal mask and rotary positions: the task's tokens, then the picture, answered in place."""

    def __init__(self, language, channels: int, prompt: int = 10):
        super().__init__()
        self.language = language.requires_grad_(False)
        self.into, self.out = nn.Linear(channels, language.embedding_width), nn.Linear(language.width, channels)
        self.task = nn.Parameter(torch.randn(len(TASKS), prompt, language.embedding_width) * language.embedding_scale())

    def forward(self, shown_BTC: Tensor, task_B: Tensor) -> Tensor:
        embeds_BTD = torch.cat([self.task[task_B], self.into(shown_BTC)], 1)
        B, T = embeds_BTD.shape[:2]
        open_B1TT = embeds_BTD.new_zeros(B, 1, T, T)
        same_BT = torch.zeros(B, T, dtype=torch.long)
        hidden_BTD = self.language.model.base_model(
            inputs_embeds=embeds_BTD, position_ids=same_BT, attention_mask=open_B1TT, use_cache=False
        ).last_hidden_state
        return self.out(hidden_BTD[:, self.task.shape[1] :])


def make(arm: str, base: Path, seed: int) -> nn.Module:
    model = superlens.load(str(base), device="cpu")
    channels = model.eye.token_channels
    trained = sum(p.numel() for name, p in model.named_parameters() if name.startswith(("projector.", "links.")))
    if arm in ("lm4lv", "random"):
        return InLanguage(model, seed, fresh=arm == "random")
    net = {
        "one-pass": lambda: OnePass(model.language, channels), "linear": lambda: TwoLinear(channels, model.language.width),
        "mlp": lambda: TwoLayers(channels, trained), "transformer": lambda: OneLayer(channels, trained, model.eye.tokens),
    }[arm]  # fmt: skip
    return OverFeatures(model, net())


def learn(arm: nn.Module, lessons: Lessons, options) -> float:
    """-> seconds. One cosine, AdamW; bfloat16 where the machine computes it."""
    trained = [p for p in arm.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, options.lr, betas=(0.9, 0.95), weight_decay=0.0)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, options.lr, options.steps, pct_start=0.05)
    start = time.perf_counter()
    arm.train()
    for step in range(options.steps):
        with torch.autocast("cpu", torch.bfloat16):
            loss = arm.loss(lessons[step])
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        rate.step()
        if step % 50 == 0:
            print(f"  step {step}: {float(loss.detach()):.4f}, {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    arm.eval()
    return time.perf_counter() - start


def measure(answers, exam: dict[str, list[Conversation]]) -> dict[str, dict[str, float]]:
    """Task -> {"psnr", "ssim"}. answers(lesson) -> the pictures it answers with."""
    figures = {}
    for task, talks in exam.items():
        said = answers([(task, talk) for talk in talks])
        metrics = {"psnr": PeakSignal(part="image"), "ssim": Likeness(part="image")}
        for talk, pixels in zip(talks, said, strict=True):
            asked = Example(Conversation(talk.messages[:1]), talk.messages[1], "", "restore_image")
            for metric in metrics.values():
                metric.add(asked, Message("assistant", (Image(pixels, of=0, restored=True),)))
        figures[task] = {name: metric.result()[name] for name, metric in metrics.items()}
    return figures


def table(results: dict, which: str) -> list[str]:
    """Rows of one figure: MAE-r, then each arm, mean over seeds ± deviation, and its mean gain over MAE-r on the five restorations."""
    floor = {task: results["MAE-r"][task][which] for task in TASKS}
    clean = results["clean"]["noise"][which]
    lines = [f"| {which} | {' | '.join(TASKS)} | gain over MAE-r, five restorations |", "|---|" + "---|" * (len(TASKS) + 1)]
    lines.append(f"| MAE-r | {' | '.join(f'{floor[task]:.2f}' for task in TASKS)} | (clean pictures: {clean:.2f}) |")
    for arm in ARMS:
        runs = [found[arm] for found in results["seeds"].values() if arm in found]
        if not runs:
            continue
        cells = []
        for task in TASKS:
            values = [run["figures"][task][which] for run in runs]
            cells.append(f"{mean(values):.2f}" + (f" ± {stdev(values):.2f}" if len(values) > 1 else ""))
        gains = [mean(run["figures"][task][which] - floor[task] for task in RESTORING) for run in runs]
        gain = f"{mean(gains):+.2f}" + (f" ± {stdev(gains):.2f}" if len(gains) > 1 else "")
        lines.append(f"| {arm} | {' | '.join(cells)} | {gain} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--text", "--photos", "--val"):
        parser.add_argument(name, required=True)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=ARMS)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--out", default="runs/lm4lv")
    options = parser.parse_args()
    out = Path(options.out)
    base = out / "base" / "stages" / f"{len(BASE_STAGES)}-{BASE_STAGES[-1]}" / "model"
    if not base.is_dir():
        only = ["scale=nano", "stages.adapt.steps=1", *options.set]
        train("lm4lv", [options.text, options.photos], str(out / "base"), only, resume=(out / "base").exists())
    model = superlens.load(str(base), device="cpu")
    side = model.processor.canvas.longest
    squares = [square(Image(file).pixels, side) for file in pictures_of(options.val)[: options.limit]]
    exam = {
        task: [example(task, clean, np.random.default_rng((EXAM, index))) for index, clean in enumerate(squares)] for task in TASKS
    }
    file = out / "results.json"
    results = json.loads(file.read_text()) if file.is_file() else {"seeds": {}}
    look = OverFeatures(model, nn.Identity())
    if "MAE-r" not in results:
        results["MAE-r"] = measure(lambda lesson: drawn(model.eye, look.features([talk.images[0] for _, talk in lesson])), exam)
        whole = {"noise": exam["noise"]}
        results["clean"] = measure(lambda lesson: drawn(model.eye, look.features([talk.images[1] for _, talk in lesson])), whole)
    for seed in range(options.seeds):
        found = results["seeds"].setdefault(str(seed), {})
        for name in options.arms:
            if name in found:
                continue
            print(f"{name}, seed {seed}", file=sys.stderr, flush=True)
            torch.manual_seed(seed)
            arm = make(name, base, seed)
            lessons = Lessons(pictures_of(options.photos), side, options.batch, seed)
            seconds = learn(arm, lessons, options)
            trained = sum(p.numel() for p in arm.parameters() if p.requires_grad)
            found[name] = {"figures": measure(arm.answers, exam), "trained": trained, "seconds": seconds}
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(results, indent=1))
    for which in ("psnr", "ssim"):
        print("\n".join([*table(results, which), ""]))


if __name__ == "__main__":
    main()
