"""Train nano's byte-fallback BPE tokenizer: drawn-world conversations, the words of its templates, and the help texts of Python.

    python tools/train_nano_tokenizer.py [--vocabulary 2048] [--out src/superlens/nano/tokenizer]

Everything the corpus holds ships with this package or with Python; no data set is read.
"""

import argparse
import inspect
import json
import pkgutil
import pydoc_data.topics

import numpy as np
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from superlens.data.world.nouns import NOUNS
from superlens.data.world.source import World

SPECIAL = ["<pad>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]
TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def corpus(conversations: int):
    """Texts, one message or paragraph at a time."""
    world = World()
    for index in range(conversations):
        for message in world.conversation(index, np.random.default_rng((7, index))).messages:
            yield message.text
            yield from (" " + part.label for part in message.content if hasattr(part, "label"))
    for noun in NOUNS:
        yield from [f" {noun}"] * 20
    for text in pydoc_data.topics.topics.values():
        yield from text.split("\n\n")
    for module in ("argparse", "pathlib", "statistics", "random", "calendar", "string", "textwrap", "email", "json", "turtle"):
        if pkgutil.find_loader(module):
            for _, thing in inspect.getmembers(__import__(module)):
                yield inspect.getdoc(thing) or ""


def train(vocabulary: int, conversations: int) -> PreTrainedTokenizerFast:
    """Words with the space before them, digits one by one, bytes for whatever was never seen."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token=None))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace("▁", prepend_scheme="never"), pre_tokenizers.Digits(individual_digits=True),
         pre_tokenizers.Punctuation("isolated")]
    )
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    special = [AddedToken(token, special=True, normalized=False) for token in SPECIAL]
    special += [AddedToken(f"<0x{byte:02X}>", special=False, normalized=False) for byte in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, min_frequency=2, special_tokens=special, limit_alphabet=100, show_progress=False
    )
    tokenizer.train_from_iterator(corpus(conversations), trainer)
    # The bytes must be reachable only through the fallback, so they are words of the vocabulary and no added tokens: a user who types
    # "<0x41>" means these six characters, and a reader who leaves out special tokens wants the letters that the bytes make.
    written = json.loads(tokenizer.to_str())
    written["added_tokens"] = [token for token in written["added_tokens"] if token["content"] in SPECIAL]
    tokenizer = Tokenizer.from_str(json.dumps(written))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<|end|>", chat_template=TEMPLATE,
        additional_special_tokens=SPECIAL[1:4], clean_up_tokenization_spaces=False,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vocabulary", type=int, default=2048)
    parser.add_argument("--conversations", type=int, default=6000)
    parser.add_argument("--out", default="src/superlens/nano/tokenizer")
    options = parser.parse_args()
    train(options.vocabulary, options.conversations).save_pretrained(options.out)
