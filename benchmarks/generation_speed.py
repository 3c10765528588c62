"""Routed generation against `generate` of Transformers: the same language model, text only, tokens per second.

    python benchmarks/generation_speed.py [--model nano] [--tokens 128] [--rounds 7] [--batch 1 8]

Both write exactly --tokens tokens a sample, greedily, end tokens not heeded, and take turns in one process. Ours computes the links'
rows of the head as well and keeps the hidden states that decoders would read; no routing token is acted on. Prints a Markdown table;
the ratio is the median over the rounds.
"""

import argparse
import time
from statistics import median

import torch

import superlens
from superlens.batch import collate
from superlens.generation import Generator, Sampling
from superlens.message import Conversation, Message
from superlens.recipes.build import build
from superlens.recipes.schema import read_recipe, recipe_names

QUESTIONS = (
    "What would roll off the table first?",
    "How many red circles are there?",
    "Is there a star to the left of the blue square?",
    "Describe what you see, from left to right.",
    "Which colour is the largest thing in the picture?",
    "Are there more circles than squares?",
    "What is hidden behind the green triangle?",
    "Say in one sentence what the picture shows.",
)


def find_model(name: str):
    """A saved model, or the recipe of that name with random weights (as fast as trained ones)."""
    try:
        return superlens.load(name, device="cpu")
    except (ValueError, OSError):
        if name not in recipe_names():
            raise
        return build(read_recipe(name).to_dict(), seed=0).eval()


def ours(model, prompts: list, tokens: int) -> list[list[int]]:
    """Our loop, its links' tokens taken for plain ones."""
    generator = Generator(model, model.processor, Sampling(max_new_tokens=tokens))
    for acted_on in (generator.slot_links, generator.emitting, generator.read_at, generator.end_ids):
        acted_on.clear()
    return [speaker.written.ids for speaker in generator.run(prompts)[0]]


@torch.inference_mode()
def theirs(model, prompts: list, tokens: int) -> list[list[int]]:
    """`generate`, prompts padded on the left."""
    longest = max(len(prompt) for prompt in prompts)
    ids = torch.zeros(len(prompts), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, longest - len(prompt) :] = torch.from_numpy(prompt.ids_T)
        mask[row, longest - len(prompt) :] = 1
    language = model.language.model
    never = model.vocabulary  # an id that it has no row for, so nothing ends before its time
    said = language.generate(
        ids, attention_mask=mask, max_new_tokens=tokens, do_sample=False, use_cache=True, eos_token_id=never, pad_token_id=0
    )
    return said[:, longest:].tolist()


def timed(call, *arguments) -> tuple[float, list[list[int]]]:
    start = time.perf_counter()
    said = call(*arguments)
    return time.perf_counter() - start, said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="nano", help="a saved model, or a recipe (random weights)")
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = find_model(options.model)
    talks = [Conversation((Message("user", words),)) for words in QUESTIONS]
    print(f"{options.model}, {options.tokens} tokens a sample, {options.threads} threads, {options.rounds} rounds\n")
    print("| batch | ours, tokens/s | transformers, tokens/s | ratio | worst round |\n|---|---|---|---|---|")
    for batch in options.batch:
        prompts = [model.processor.encode(talks[i % len(talks)], answer=False) for i in range(batch)]
        assert collate(prompts).visual == []
        for call in (ours, theirs):
            call(model, prompts, 4)
        seconds = [[timed(call, model, prompts, options.tokens)[0] for call in (ours, theirs)] for _ in range(options.rounds)]
        ratios = [their / our for our, their in seconds]
        total = batch * options.tokens
        rates = [total / median(column) for column in zip(*seconds)]
        print(f"| {batch} | {rates[0]:.0f} | {rates[1]:.0f} | {median(ratios):.2f} | {min(ratios):.2f} |")


if __name__ == "__main__":
    main()
