"""Every way to answer with boxes, against the number of objects: steps of the language model, and seconds.

    python benchmarks/ways_to_box.py [--objects 1 2 5 10 20 50] [--rounds 3] [--plot docs/images/ways_to_box.svg]

Each recipe's own way of writing boxes, at nano's size (`scale=nano`), with random weights; the answers are forced, so that each holds
exactly that many objects: once all of one kind (one phrase, many boxes), once each of its own kind (a phrase and a box each). Seconds
are from the picture to the message, the median of rounds in which the ways take turns. How well each way finds things is another
question. Prints a Markdown table; --plot draws the seconds.
"""

import argparse
import time
from statistics import median

import numpy as np
import torch

from superlens.asking import decode_groups
from superlens.generation import Generator, Sampling
from superlens.message import Boxes, Conversation, Image, Message, Text
from superlens.recipes.build import build
from superlens.recipes.schema import read_recipe

RECIPES = ("visionllm-v2", "phrase-tool", "kosmos-2", "unitab", "visionllm-v1", "pix2seq-v2", "qwen-vl", "minigpt-v2", "shikra")
COLOURS = ("red", "green", "blue", "yellow", "white")
SHAPES = ("circle", "square", "star", "ring")
SIDE = 256


def models(names: list[str]) -> dict:
    """Recipe -> a model that writes boxes its way, otherwise alike."""
    built = {}
    for name in names:
        recipe = read_recipe(name, ["scale=nano"]).to_dict()
        link = recipe["links"]["boxes"]
        decoders = {link["decoder"]: recipe["decoders"][link["decoder"]]} if link.get("decoder") else {}
        recipe.pop("regions", None)
        built[name] = build(recipe | {"links": {"boxes": link}, "decoders": decoders}, seed=0).eval()
    return built


def conversations(objects: int, seed: int = 0) -> dict[str, Conversation]:
    """The same boxes as one kind, and as kinds of their own."""
    rng = np.random.default_rng(seed)
    picture = Image(rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8))
    corners_N2 = rng.uniform(0, SIDE - 60, (objects, 2))
    boxes_N4 = np.concatenate([corners_N2, corners_N2 + rng.uniform(10, 60, (objects, 2))], 1)
    names = [f"{colour} {shape}" for shape in SHAPES for colour in COLOURS]
    each = []
    for index in range(objects):
        each += [Boxes(names[index % len(names)], boxes_N4[index : index + 1]), Text(", " if index + 1 < objects else ".")]
    question = Message("user", (picture, Text("Find everything.")))
    answers = {"one": (Boxes("things", boxes_N4), Text(".")), "each its own": tuple(each)}
    return {kind: Conversation((question, Message("assistant", answer))) for kind, answer in answers.items()}


@torch.inference_mode()
def answer(model, conversation: Conversation) -> tuple[int, float, int]:
    """-> (steps of the language model, seconds, tokens written) of the forced answer."""
    processor = model.processor
    whole = processor.encode(conversation)
    question = Conversation(conversation.messages[:1])
    start = time.perf_counter()
    prompt = processor.encode(question, answer=False)
    generator = Generator(model, processor, Sampling(max_new_tokens=10_000))
    said = whole.ids_T[len(prompt) :]
    generator.opening = said[said >= 0].tolist()
    speakers, batch, scenes = generator.run([prompt])
    _, groups, _ = processor.decode(speakers[0].written, question, prompt.canvases)
    decode_groups(model, [(speakers[0], group, 0) for group in groups], scenes, batch)
    return generator.steps, time.perf_counter() - start, len(speakers[0].written.ids)


def plot(seconds: dict[str, dict[str, dict[int, float]]], file: str) -> None:
    """seconds: kinds -> recipe -> objects -> seconds."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(seconds), figsize=(11, 4.2), sharey=True)
    for axis, (kinds, ways) in zip(axes, seconds.items()):
        for way, known in ways.items():
            axis.plot(list(known), list(known.values()), marker="o", markersize=3, label=way)
        axis.set(title="objects of one kind" if kinds == "one" else "each of its own kind", xlabel="objects", yscale="log")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("seconds an answer")
    axes[-1].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES))
    parser.add_argument("--objects", type=int, nargs="+", default=[1, 2, 5, 10, 20, 50])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--plot")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    ways = models(options.recipes)
    seconds: dict[str, dict[str, dict[int, float]]] = {}
    print(f"nano's size, {SIDE} x {SIDE} pixels, {options.threads} threads, {options.rounds} rounds\n")
    print("| objects | kinds | way | steps | tokens | seconds |\n|---|---|---|---|---|---|")
    for objects in options.objects:
        for kinds, conversation in conversations(objects).items():
            runs = [{way: answer(model, conversation) for way, model in ways.items()} for _ in range(options.rounds + 1)][1:]
            for way in ways:
                steps, _, tokens = runs[0][way]
                middle = median(run[way][1] for run in runs)
                seconds.setdefault(kinds, {}).setdefault(way, {})[objects] = middle
                print(f"| {objects} | {kinds} | {way} | {steps} | {tokens} | {middle:.3f} |", flush=True)
    if options.plot:
        plot(seconds, options.plot)


if __name__ == "__main__":
    main()
