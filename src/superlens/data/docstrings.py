"""Text that ships with Python: the docstrings of its standard library, told and said back, for a language model of words alone.

Nothing is imported: the sources are parsed. No picture, and no caption of one, is among them.
"""

from __future__ import annotations

import ast
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from superlens.message import Conversation, Message

LEAST, MOST = 40, 700  # letters of a text
LONGEST = 12  # letters of a word that is said back
LEFT_OUT = {"test", "tests", "idlelib", "site-packages", "lib2to3", "__pycache__"}


def docstrings(folder: str | Path | None = None) -> Iterator[tuple[str, str]]:
    """(name, text) of every module, class and function that says what it does. folder: of the sources; default Python's own."""
    root = Path(folder or sysconfig.get_path("stdlib"))
    for file in sorted(root.rglob("*.py")):
        place = file.relative_to(root)
        if LEFT_OUT & set(place.parts):
            continue
        try:
            tree = ast.parse(file.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError, ValueError):
            continue  # a source for another Python
        module = ".".join(place.with_suffix("").parts).removesuffix(".__init__")
        for node in ast.walk(tree):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                text = ast.get_docstring(node)
                if text and len(text) >= LEAST:
                    name = module if isinstance(node, ast.Module) else f"{module}.{node.name}"
                    yield name, " ".join(text.split())


def conversations(
    seed: int = 0, limit: int | None = None, folder: str | Path | None = None, again: float = 1.0
) -> list[Conversation]:
    """What is asked for by name, and told; long texts in pieces, each asked for by the words before it. Shuffled by seed.

    again: lists to be said back, for each piece: of 4 to 50 different words of all texts, in an order that means nothing. A large
    language model learns from its texts to look up what went before and to go on as it did there (induction heads, Olsson et al.,
    arXiv 2209.11895); a small one with a few million words is shown here what can be told in no other way.
    """
    rng = np.random.default_rng(seed)
    texts = list(docstrings(folder))
    vocabulary = np.array(sorted({word for _, text in texts for word in text.split() if len(word) <= LONGEST}))
    talks = []
    for name, text in texts:
        words, before = text, name
        while words:
            piece = words if len(words) <= MOST else words[:MOST].rpartition(" ")[0] or words[:MOST]
            talks.append(Conversation((Message("user", before), Message("assistant", piece))))
            if rng.random() < again:
                listed = " ".join(rng.choice(vocabulary, min(int(rng.integers(4, 51)), len(vocabulary)), replace=False))
                talks.append(Conversation((Message("user", listed), Message("assistant", listed))))
            words, before = words[len(piece) :].strip(), piece[-80:].strip()
    order = rng.permutation(len(talks))
    return [talks[index] for index in order[:limit]]
