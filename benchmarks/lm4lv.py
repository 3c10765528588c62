"""Can a frozen language model that never saw a picture restore pictures? LM4LV (arXiv 2405.15734) with its controls, at nano's size.

    superlens data docstrings --out help.jsonl
    python benchmarks/lm4lv.py --text help.jsonl --photos photos/images_train.json --val photos/images_val.json \
        [--eye mae|vqgan|codes|beit] [--tasks noise rotate ...] [--arms lm4lv linear ...] [--seeds 0 1 2] [--steps 2400] [--limit 100]
        [--pairs 32] [--set stages.hide.steps=800 ...] [--out runs/lm4lv]

First the base is made, once, by the stages `language`, `hide` and `invert` of the recipe lm4lv at scale=nano: a language model of text
alone, a masked autoencoder, its way back. All of it is frozen from then on. Then each arm learns the tasks at once from the same
pictures, in the same order, for the same steps (lm4lv and random rehearse their answers, which is a second pass a step):

    lm4lv        the frozen language model between two linear layers, ten learned tokens a task, one feature after another
    random       the same with a language model of random weights
    one-pass     the same language model read in one pass: no causal mask, no rotary positions
    linear       the two linear layers alone, and the task's tokens
    mlp          two layers, as many trained parameters as lm4lv
    transformer  one layer of a Transformer, as many trained parameters as lm4lv, or the fewest it can have

"way back" is no arm (the paper's MAE-r): the eye's own reconstruction, for restoring of the spoiled picture, which is the floor, for
turning of the turned one, which is the ceiling. Measured are generated answers on squares of the val pictures that fill the eye's
canvas, PSNR and SSIM, each task by itself. Another --eye is put beside the same language model: a VQGAN, continuous or as discrete
codes, or BEiT, which predicts these codes.
--pairs N has N pairs learned by heart, and measures these: nothing of what is asked for is out of reach where an arm comes as near to
the right answers as the way back does to clean pictures.
An arm and seed that --out holds are not done again, so that a run may be stopped, or shared out with --seeds; an --out of other steps,
batch, rate, pictures or base is refused. Beside each arm's figures lies a PNG of some answers: shown, answered, right. Prints Markdown:
mean and standard deviation over the seeds, and differences of the first arm to the way back and to each other arm, seed by seed.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import torch
from PIL import Image as Pil
from torch import Tensor, nn

import superlens
from superlens.assemble import begin_among_words
from superlens.batch import collate
from superlens.data.degrade import DEGRADATIONS, degrade, parse
from superlens.data.sources.base import Example
from superlens.data.sources.photos import pictures_of, view
from superlens.evaluate.metrics.restored import Likeness, PeakSignal
from superlens.lessons.rehearsing import Rehearsing
from superlens.message import Conversation, Image, Message
from superlens.recipes.build import build
from superlens.recipes.schema import read_recipe
from superlens.train.optimizer import MuonWithAdamW, hidden_matrices
from superlens.train.precision import has_bfloat16
from superlens.train.trainer import train

# Task -> (what is done to a picture, what is asked for). Amounts are drawn from LM4LV's ranges where "?" stands.
TASKS = {
    "repeat": ("none", "Leave it as it is."),
    "noise": ("noise:?", "Remove the noise."), "blur": ("blur:?", "Sharpen it."), "pepper": ("pepper:?", "Remove the black specks."),
    "rain": ("rain:?", "Remove the rain."), "mask": ("mask:0.1", "Fill in the missing squares."),
    "rotate": ("rotate:90", "Make a quarter turn to the left."), "flip": ("flip", "Mirror it."),
}  # fmt: skip
RESTORING = ("noise", "blur", "pepper", "rain", "mask")
TURNING = ("rotate", "flip")
SEVEN = (*RESTORING, *TURNING)
ARMS = ("lm4lv", "random", "one-pass", "linear", "mlp", "transformer")
BASE_STAGES = ("language", "hide", "invert")
EYES = ("mae", "vqgan", "codes", "beit")
ALIKE = ("steps", "batch", "lr", "limit", "pairs", "text", "photos", "val", "set")  # options that arms in one --out share
EXAM = 7_000_000  # seed of the measured pictures
DRAWN = 4  # of them are drawn, of each task
INTO, SLOWER = ("net.into.", "model.projector."), 0.1  # layers into the width of a language model, and their share of the rate


def spoiled(task: str, clean_HW3: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    words = TASKS[task][0]
    steps = (DEGRADATIONS[words[:-2]].drawn(rng),) if words.endswith(":?") else parse(words)
    return degrade(clean_HW3, steps, rng)


def square(pixels_HW3: np.ndarray, side: int) -> np.ndarray:
    """The middle of a picture, as large as can be, at `side` x `side` pixels."""
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


def unseen(tasks: list[str], files: list[str], side: int) -> dict[str, list[Conversation]]:
    """Task -> questions about the squares of val pictures, with their answers; each time the same."""
    squares = [square(Image(file).pixels, side) for file in files]
    return {
        task: [example(task, clean, np.random.default_rng((EXAM, index))) for index, clean in enumerate(squares)] for task in tasks
    }


class Lessons:
    """Step i's examples, the same for every arm."""

    def __init__(self, files: list[str], side: int, tasks: list[str], batch: int, seed: int):
        self.clean = [square(Image(file).pixels, side) for file in files]
        self.side, self.tasks, self.batch, self.seed = side, tasks, batch, seed

    def __getitem__(self, step: int) -> list[tuple[str, Conversation]]:
        rng = np.random.default_rng((self.seed, step))
        tasks = [self.tasks[int(rng.integers(len(self.tasks)))] for _ in range(self.batch)]
        chosen = (self.clean[int(rng.integers(len(self.clean)))] for _ in tasks)
        return [(task, example(task, view(clean, self.side, rng), rng)) for task, clean in zip(tasks, chosen)]


class ByHeart(Lessons):
    """The same few pairs again and again; what they are measured on, too. pairs: how many."""

    def __init__(self, files: list[str], side: int, tasks: list[str], batch: int, seed: int, pairs: int):
        super().__init__(files[:pairs], side, tasks, batch, seed)
        self.pairs = []
        for index in range(pairs):
            rng, task = np.random.default_rng((EXAM, index)), tasks[index % len(tasks)]
            self.pairs.append((task, example(task, self.clean[index % len(self.clean)], rng)))

    def __getitem__(self, step: int) -> list[tuple[str, Conversation]]:
        rng = np.random.default_rng((self.seed, step))
        return [self.pairs[int(at)] for at in rng.choice(len(self.pairs), self.batch, replace=self.batch > len(self.pairs))]

    def exam(self) -> dict[str, list[Conversation]]:
        asked = dict.fromkeys(task for task, _ in self.pairs)
        return {one: [talk for task, talk in self.pairs if task == one] for one in asked}


class InLanguage(nn.Module):
    """lm4lv: the recipe itself, what is trained drawn anew from the seed. Random weights for the language model where `fresh`."""

    def __init__(self, model, seed: int, fresh: bool = False):
        super().__init__()
        self.model = model
        recipe = dict(model.config.recipe)
        if fresh:  # by chance alone: nothing wired into it
            recipe["language"] = {key: value for key, value in recipe["language"].items() if key != "start"}
        drawn = build(recipe, seed)
        for part in ("projector", "links", *(["language"] if fresh else [])):
            getattr(model, part).load_state_dict(getattr(drawn, part).state_dict())
        begin_among_words(model.projector, model.language)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name.startswith(("projector.", "links.")))

    def loss(self, lesson: list[tuple[str, Conversation]]) -> Tensor:
        batch = collate([self.model.processor.encode(talk) for _, talk in lesson])
        batch.lessons = {"rehearsing": Rehearsing.of(self.model.processor)(batch)}
        self.model.lessons = tuple(batch.lessons)
        return self.model(batch)["loss"]

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
    """A Transformer layer of about `trained` parameters over the tokens and one for the task; places are waves, which need none."""

    def __init__(self, channels: int, trained: int, tokens: int):
        super().__init__()
        fixed = 4 * channels**2 + (9 + len(TASKS)) * channels  # attention with its biases, two norms, the layers' last bias, tasks
        wide = max(1, (trained - fixed) // (2 * channels + 1))
        self.layer = nn.TransformerEncoderLayer(channels, 4, wide, 0.0, "gelu", batch_first=True, norm_first=True)
        self.register_buffer("place", waves(tokens, channels), persistent=False)
        self.task = nn.Embedding(len(TASKS), channels)

    def forward(self, shown_BTC: Tensor, task_B: Tensor) -> Tensor:
        return self.layer(torch.cat([shown_BTC + self.place, self.task(task_B)[:, None]], 1))[:, :-1]


def waves(tokens: int, channels: int) -> Tensor:
    """[tokens, channels] sines and cosines of where a token stands (Vaswani et al., arXiv 1706.03762)."""
    at_TF = torch.arange(tokens)[:, None] / 10_000 ** (torch.arange(0, channels, 2) / channels)
    return torch.cat([at_TF.sin(), at_TF.cos()], 1)[:, :channels]


class OnePass(nn.Module):
    """The frozen language model without causal mask and rotary positions: the task's tokens, then the picture, answered in place. The
    way in is that of lm4lv."""

    def __init__(self, language, projector, channels: int, prompt: int = 10):
        super().__init__()
        self.language = language.requires_grad_(False)
        begin_among_words(projector, language)
        self.into, self.out = projector.requires_grad_(True), nn.Linear(language.width, channels)
        self.task = nn.Parameter(torch.randn(len(TASKS), prompt, language.embedding_width) * language.embedding_scale())

    def forward(self, shown_BTC: Tensor, task_B: Tensor) -> Tensor:
        embeds_BTD = torch.cat([self.task[task_B], self.into.project(shown_BTC)], 1)
        B, T = embeds_BTD.shape[:2]
        open_B1TT = embeds_BTD.new_zeros(B, 1, T, T)
        same_BT = torch.zeros(B, T, dtype=torch.long)
        hidden_BTD = self.language.model.base_model(
            inputs_embeds=embeds_BTD, position_ids=same_BT, attention_mask=open_B1TT, use_cache=False
        ).last_hidden_state
        return self.out(hidden_BTD[:, self.task.shape[1] :])


def make(arm: str, model, seed: int) -> nn.Module:
    channels = model.eye.token_channels
    trained = sum(p.numel() for name, p in model.named_parameters() if name.startswith(("projector.", "links.")))
    if arm in ("lm4lv", "random"):
        return InLanguage(model, seed, fresh=arm == "random")
    net = {
        "one-pass": lambda: OnePass(model.language, build(dict(model.config.recipe), seed).projector, channels),
        "linear": lambda: TwoLinear(channels, model.language.width), "mlp": lambda: TwoLayers(channels, trained),
        "transformer": lambda: OneLayer(channels, trained, model.eye.tokens),
    }[arm]  # fmt: skip
    return OverFeatures(model, net())


def optimiser_of(arm: nn.Module, rate: float) -> MuonWithAdamW:
    """Muon for matrices, AdamW for all else. What lies before a language model or another layer out is moved a tenth as fast."""
    trained = {name: p for name, p in arm.named_parameters() if p.requires_grad}
    matrices = hidden_matrices(arm) | {name for name in trained if name.endswith("in_proj_weight")}
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in trained.items():
        groups.setdefault((name.startswith(INTO), name in matrices), []).append(parameter)
    return MuonWithAdamW(
        [{"params": chosen, "lr": rate * (SLOWER if into else 1), "weight_decay": 0.0, "muon": muon}
         for (into, muon), chosen in groups.items()], betas=(0.9, 0.95),
    )  # fmt: skip


def learn(arm: nn.Module, lessons: Lessons, options) -> float:
    """-> seconds. One cosine; bfloat16 where the machine computes it."""
    trained = [p for p in arm.parameters() if p.requires_grad]
    optimiser = optimiser_of(arm, options.lr)
    rates = [group["lr"] for group in optimiser.param_groups]
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, rates, options.steps, pct_start=0.05, cycle_momentum=False)
    start = time.perf_counter()
    arm.train()
    for step in range(options.steps):
        with torch.autocast("cpu", torch.bfloat16, enabled=has_bfloat16(torch.device("cpu"))):
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


def measure(answers, exam: dict[str, list[Conversation]], sheet: Path | None = None) -> dict[str, dict[str, float]]:
    """Task -> {"psnr", "ssim"}. answers(lesson) -> the pictures it answers with. sheet: where some of them are drawn, a row each: what
    was shown, the answer, the right one."""
    figures, rows = {}, []
    for task, talks in exam.items():
        said = answers([(task, talk) for talk in talks])
        metrics = {"psnr": PeakSignal(part="image"), "ssim": Likeness(part="image")}
        for talk, pixels in zip(talks, said, strict=True):
            asked = Example(Conversation(talk.messages[:1]), talk.messages[1], "", "restore_image")
            for metric in metrics.values():
                metric.add(asked, Message("assistant", (Image(pixels, of=0, restored=True),)))
        figures[task] = {name: metric.result()[name] for name, metric in metrics.items()}
        for talk, pixels in list(zip(talks, said, strict=True))[:DRAWN]:
            rows.append(np.concatenate([talk.images[0].pixels, pixels, talk.images[1].pixels], 1))
    if sheet is not None:
        sheet.parent.mkdir(parents=True, exist_ok=True)
        Pil.fromarray(np.concatenate(rows)).save(sheet)
    return figures


def table(floor: dict, clean: dict, runs: dict[str, dict[str, dict]], which: str) -> list[str]:
    """Rows of one figure: the way back, then each arm (how many seeds), mean over seeds ± deviation, and its mean over restorations."""
    tasks, restoring = list(floor), [task for task in RESTORING if task in floor]
    heads = [which, *tasks, *(["mean of restoring"] if restoring else [])]
    lines = [f"| {' | '.join(heads)} |", "|---|" + "---|" * (len(heads) - 1)]

    def row(name: str, seeds: list[dict], sign: str = "") -> str:
        cells = [spread([figures[task] for figures in seeds], sign) for task in tasks]
        cells += [spread([mean(figures[task] for task in restoring) for figures in seeds], sign)] if restoring else []
        return f"| {' | '.join([name, *cells])} |"

    said = {arm: {seed: {task: found[task][which] for task in tasks} for seed, found in seeds.items()} for arm, seeds in runs.items()}
    lines.append(row(f"way back (clean pictures: {clean[which]:.2f})", [{task: floor[task][which] for task in tasks}]))
    lines += [row(f"{arm} ({len(seeds)})", list(seeds.values())) for arm, seeds in said.items()]
    lines.append("| **differences** |" + " |" * (len(heads) - 1))
    first, *others = said  # of two arms of one seed, which learned from the same pictures in the same order
    back = {seed: {task: floor[task][which] for task in tasks} for seed in said[first]}
    for other, seeds in {"way back": back, **{arm: said[arm] for arm in others}}.items():
        both = [{task: said[first][seed][task] - seeds[seed][task] for task in tasks} for seed in said[first] if seed in seeds]
        lines += [row(f"{first} - {other} ({len(both)})", both, "+")] if both else []
    return lines


def spread(values: list[float], sign: str = "") -> str:
    """Mean ± standard deviation."""
    return f"{mean(values):{sign}.2f}" + (f" ± {stdev(values):.2f}" if len(values) > 1 else "")


def make_base(options, out: Path) -> Path:
    """The directory of the frozen model. Another eye is given the language model beside the masked autoencoder."""
    first = out / "base" / "stages" / f"{len(BASE_STAGES)}-{BASE_STAGES[-1]}" / "model"
    only = ["scale=nano", "stages.adapt.steps=1", *options.set]
    if not first.is_dir():
        train("lm4lv", [options.text, options.photos], str(out / "base"), only, resume=(out / "base").exists())
    if options.eye == "mae":
        return first
    parts = {"language": (first, "language")}
    codes = beside(options, out, "codes", ["eye.type=vqgan", "eye.codes=true"], ("invert",), parts)
    if options.eye != "beit":
        return codes
    return beside(options, out, "beit", ["eye.type=beit"], ("hide", "invert"), parts | {"eye.book": (codes, "eye")})


def beside(options, out: Path, name: str, words: list[str], stages: tuple[str, ...], parts: dict[str, tuple]) -> Path:
    """The directory of lm4lv with another eye, taught by these stages alone. parts: of it -> (directory, part) they are taken from."""
    home, begun = out / f"base-{name}", out / f"begun-{name}"
    if (home / "model.safetensors").is_file():
        return home
    if others := [one for one in options.set if not one.startswith("stages.")]:
        raise SystemExit(f"--set {others[0]} is for the masked autoencoder alone: another --eye takes no settings but those of stages.")
    own = [one for one in options.set if one.startswith(tuple(f"stages.{stage}." for stage in stages))]
    values = read_recipe("lm4lv", [*words, "scale=nano", *own]).to_dict()
    values["stages"] = [stage for stage in values["stages"] if stage["name"] in stages]
    model = build(values, 0)
    for part, (path, kin) in parts.items():
        taken = superlens.load(str(path), device="cpu").get_submodule(kin)
        model.get_submodule(part).load_state_dict(taken.state_dict())
    model.save_pretrained(str(begun), whole=True)
    train(str(begun), [options.photos], str(home), resume=home.exists(), whole=True)
    return home


def opened(base: Path, eye: str):
    """The frozen model; the two quantised eyes are one, with and without its codebook."""
    model = superlens.load(str(base), device="cpu")
    if eye in ("vqgan", "codes"):
        model.eye.codes = eye == "codes"
    return model


def kept(file: Path, make) -> dict:
    """What the file holds, or make() says, which is written there."""
    if not file.is_file():
        found = make()
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(found, indent=1))
    return json.loads(file.read_text())


def alike(file: Path, settings: dict) -> None:
    """What `file` lies beside was made with these settings; else stop, with a sentence."""
    if kept(file, lambda: settings) != settings:
        raise SystemExit(f"'{file.parent}' holds arms with other settings ({file.name}): choose another --out, or the same settings.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--text", "--photos", "--val"):
        parser.add_argument(name, required=True)
    parser.add_argument("--eye", default="mae", choices=EYES)
    parser.add_argument("--tasks", nargs="+", default=list(SEVEN), choices=list(TASKS))
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=ARMS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=2400)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--lr", type=float, default=5e-3)
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--pairs", type=int, default=0)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--out", default="runs/lm4lv")
    options = parser.parse_args()
    out = Path(options.out)
    alike(out / "settings.json", {name: getattr(options, name) for name in ALIKE})
    base = make_base(options, out)
    model = opened(base, options.eye)
    side = model.processor.canvas.longest

    def lessons(seed: int) -> Lessons:
        taught = (pictures_of(options.photos), side, options.tasks, options.batch, seed)
        return ByHeart(*taught, options.pairs) if options.pairs else Lessons(*taught)

    exam = lessons(0).exam() if options.pairs else unseen(options.tasks, pictures_of(options.val)[: options.limit], side)
    look, home = OverFeatures(model, nn.Identity()), out / f"{options.eye}-{'-'.join(options.tasks)}"
    back = lambda place: lambda lesson: drawn(model.eye, look.features([talk.images[place] for _, talk in lesson]))  # noqa: E731
    turning = {task: talks for task, talks in exam.items() if task in TURNING}
    restoring = {task: talks for task, talks in exam.items() if task not in TURNING}
    floor = kept(home / "way back.json", lambda: measure(back(0), restoring) | measure(back(1), turning))
    clean = kept(home / "clean.json", lambda: measure(back(1), {"repeat": next(iter(exam.values()))}))["repeat"]

    def run(name: str, seed: int) -> dict:
        print(f"{name}, seed {seed}", file=sys.stderr, flush=True)
        torch.manual_seed(seed)
        arm = make(name, opened(base, options.eye), seed)
        seconds = learn(arm, lessons(seed), options)
        trained = sum(p.numel() for p in arm.parameters() if p.requires_grad)
        figures = measure(arm.answers, exam, home / f"{name} {seed}.png")
        return {"figures": figures, "trained": trained, "seconds": seconds, "steps": options.steps}

    for seed in options.seeds:
        for name in options.arms:
            kept(home / f"{name} {seed}.json", lambda name=name, seed=seed: run(name, seed))
    runs: dict[str, dict[str, dict]] = {name: {} for name in options.arms}
    for name, seeds in runs.items():
        for file in sorted(home.glob(f"{name} *.json")):
            seeds[file.stem.rpartition(" ")[2]] = json.loads(file.read_text())["figures"]
    for which in ("psnr", "ssim"):
        print("\n".join([*table(floor, clean, runs, which), ""]))


if __name__ == "__main__":
    main()
