"""Three ways to answer with boxes: a query link, a text codec, a phrase link. Steps of the language model, and seconds.

    python benchmarks/ways_to_box.py [--objects 1 5 20] [--rounds 5]

The models have nano's size and random weights; the answers are forced, so that each holds exactly that many objects: once all of one
kind (one phrase, many boxes), once each of its own kind (a phrase and a box each). Seconds are from the picture to the message, the
median of rounds in which the three ways take turns. How well each way finds things is another question. Prints a Markdown table.
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

COLOURS = ("red", "green", "blue", "yellow", "white")
SHAPES = ("circle", "square", "star", "ring")
SIDE = 256


def models(recipe_name: str) -> dict:
    """One model a way, otherwise alike."""
    recipe = read_recipe(recipe_name).to_dict()
    query = recipe["links"]["boxes"]
    ways = {
        "query link": query,
        "text codec": {"type": "codec", "part": "boxes"},
        "phrase link": {"type": "phrase", "part": "boxes", "decoder": query["decoder"]},
    }
    built = {}
    for name, link in ways.items():
        decoders = {link["decoder"]: recipe["decoders"][link["decoder"]]} if "decoder" in link else {}
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="nano")
    parser.add_argument("--objects", type=int, nargs="+", default=[1, 5, 20])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    ways = models(options.recipe)
    print(f"{options.recipe}'s size, {SIDE} x {SIDE} pixels, {options.threads} threads, {options.rounds} rounds\n")
    print("| objects | kinds | way | steps | tokens | seconds |\n|---|---|---|---|---|---|")
    for objects in options.objects:
        for kinds, conversation in conversations(objects).items():
            runs = [{way: answer(model, conversation) for way, model in ways.items()} for _ in range(options.rounds + 1)][1:]
            for way in ways:
                steps, _, tokens = runs[0][way]
                print(f"| {objects} | {kinds} | {way} | {steps} | {tokens} | {median(run[way][1] for run in runs):.3f} |")


if __name__ == "__main__":
    main()
