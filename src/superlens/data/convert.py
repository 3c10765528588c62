"""Any supported data set as our JSONL: one conversation a line, masks as RLE, pictures by relative path."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from superlens.data.sources.annotated import AnnotatedSource, Picture
from superlens.data.sources.base import Source
from superlens.data.sources.coco import CocoCaptions
from superlens.data.sources.conversations import ConversationSource
from superlens.data.sources.open import open_source
from superlens.message import Conversation, Image
from superlens.whole import whole


def convert(
    path: str | os.PathLike,
    out: str | os.PathLike,
    part: str | None = None,
    seed: int = 0,
    limit: int | None = None,
    root: str | os.PathLike | None = None,
) -> int:
    """Write the data set `path` to the JSONL file `out`; returns the number of lines.

    Labelled pictures become questions for all that is there and about half as many things that are not, at most 12
    names a line; `part` is "boxes", "masks" or "keypoints" (unless given, the last of these that the file has;
    keypoints are asked for one name a line). Captions become one line each; conversations stay as they are.
    limit: most lines. root: folder of the pictures, the file's own unless given.
    Raises ValueError when `out` exists, or the data set is broken (see `check`), or has no such part.
    """
    source = open_source(path, root=root)
    return write_jsonl(islice(conversations(source, part, seed), limit), out)


def conversations(source: Source, part: str | None = None, seed: int = 0) -> Iterator[Conversation]:
    """The conversations `convert` writes: every label of a source once, pictures whole and by path."""
    if isinstance(source, AnnotatedSource):
        yield from _questions(source, part, seed)
        return
    if part is not None:
        raise ValueError(f'{source.name} can not be turned into "{part}": only labelled boxes, masks and keypoints can be chosen.')
    for index in range(len(source)):
        if isinstance(source, ConversationSource):
            yield source.whole(index)
        elif isinstance(source, CocoCaptions):
            yield from (_whole(source.example(index, seed, held_out=False, which=which))
                        for which in range(len(source.captions[index])))
        else:
            yield source.conversation(index, np.random.default_rng((seed, index)))


def write_jsonl(lines: Iterable[Conversation], out: str | os.PathLike) -> int:
    """Write conversations to a new file `out`, one a line; returns how many.

    Paths of pictures are written relative to the file's folder. Pictures that have no file (drawn ones) are saved as
    PNG into the folder `<name of out>_pictures` beside it. The file appears when all is written.
    Raises ValueError when `out` exists.
    """
    out = Path(out)
    if out.exists():
        raise ValueError(f"{out} exists already; choose another name, or remove it first.")
    out.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with whole(out) as unfinished, open(unfinished, "w", encoding="utf-8") as file:
        for count, conversation in enumerate(lines, 1):
            file.write(json.dumps(_record(conversation, out, count), ensure_ascii=False) + "\n")
    return count


def _questions(source: AnnotatedSource, part: str | None, seed: int) -> Iterator[Conversation]:
    if part is not None and part not in source.parts:
        raise ValueError(f'{source.name} has no {part}; it has {" and ".join(source.parts)}.')
    for index, picture in enumerate(source.pictures):
        wanted = part or _richest(source, picture)
        if wanted == "masks" and picture.shapes is None:
            continue
        rng = np.random.default_rng((seed, index))
        open_to = source.askable(wanted, picture)
        there = set(picture.classes_N.tolist()) & set(open_to)
        absent = sorted(set(open_to) - there)
        chosen = rng.permutation(absent)[: max(1, (len(there) + 1) // 2)].tolist()
        asked = rng.permutation([*sorted(there), *chosen]).astype(int).tolist()
        for names in source.chunks(wanted, asked):
            yield _whole(source.example(wanted, index, names, seed, held_out=False))


def _richest(source: AnnotatedSource, picture: Picture) -> str:
    """What to ask a picture for when nobody says: its keypoints, else its masks, else its boxes."""
    if "keypoints" in source.parts:
        return "keypoints"
    return "masks" if picture.shapes is not None and "masks" in source.parts else "boxes"


def _whole(example) -> Conversation:
    return Conversation((*example.question.messages, example.answer))


def _record(conversation: Conversation, out: Path, line: int) -> dict:
    record = conversation.to_json()
    images = iter(conversation.images)
    number = 0
    for message in record["messages"]:
        for item in message["content"]:
            if item.get("type") == "image":
                item["image"] = _reference(next(images), item["image"], out, f"{line:06d}_{number}.png")
                number += 1
    return record


def _reference(image: Image, written: str, out: Path, name: str) -> str:
    """What a line says about a picture: a path relative to the line's file wherever there is a file."""
    if image.kind == "path":
        return Path(os.path.relpath(os.path.abspath(image.source), os.path.abspath(out.parent))).as_posix()
    if image.kind != "array":
        return written
    folder = out.with_name(out.stem + "_pictures")
    folder.mkdir(exist_ok=True)
    image.pil().save(folder / name)
    return f"{folder.name}/{name}"
