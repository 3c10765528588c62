"""`superlens data check | convert | world | docstrings | degrade | preview`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from superlens.commands.common import FailedError, Seed, file_to_write, folder_to_write, open_checked, progress, result, say, walk

app = typer.Typer(help="Look through, turn into JSONL, draw and show data sets.", no_args_is_help=True)

File = Annotated[str, typer.Argument(help="COCO JSON, VOC, DeepLabCut CSV, LLaVA JSON, our JSONL, or world.", show_default=False)]
Root = Annotated[str | None, typer.Option(help="Folder of the pictures; default: the file's own.")]
NewFile = Annotated[str, typer.Option("--out", help="The JSONL file to write; it must not exist.", show_default=False)]


@app.command("check")
def check(
    files: Annotated[list[str], typer.Argument(help="Data sets, of any supported format.", show_default=False)],
    root: Root = None,
) -> None:
    """Name every broken record of data sets, one a line on stdout; exit code 2 if there is one."""
    from superlens.data.check import check as look
    from superlens.data.sources.open import open_source

    broken = 0
    for file in files:
        problems = look(file, root=root, progress=walk(f"Checking {Path(file).name}"))
        for problem in problems:
            result(f"{file}: {problem}")
        broken += len(problems)
        if not problems:
            source = open_source(file, root=root)
            kind = type(source).__name__.removesuffix("Source").removeprefix("Coco") or "COCO"
            size = "endless" if file == "world" else f"{len(source)} records"
            say(f"{file}: {kind}, {size}, nothing broken.")
    if broken:
        raise FailedError(f"{broken} broken record{'s' if broken > 1 else ''}.")


@app.command("convert")
def convert(
    file: File,
    out: NewFile,
    part: Annotated[str | None, typer.Option(help="boxes, masks or keypoints, where a file has several.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Write only this many lines.")] = None,
    root: Root = None,
    seed: Seed = 0,
) -> None:
    """Write a data set as our JSONL: one conversation a line, pictures by relative path."""
    if file == "world":
        raise ValueError("The drawn world is endless: write some of it with `superlens data world --out FILE`.")
    if part is not None and part not in ("boxes", "masks", "keypoints"):
        raise ValueError(f"--part: there is no '{part}' to choose: boxes, masks or keypoints.")
    target = _new_file(out)
    open_checked(file, root=root)
    from superlens.data.convert import convert as write

    count = write(file, target, part=part, seed=seed, limit=limit, root=root)
    say(f"{count} conversations in {target}")


@app.command("world")
def world(
    out: NewFile,
    count: Annotated[int, typer.Option(min=1, help="How many scenes.")] = 100,
    split: Annotated[str, typer.Option(help="train or val; no scene is in both.")] = "train",
    size: Annotated[int, typer.Option(min=96, max=320, help="Side of the square pictures, pixels.")] = 128,
    seed: Seed = 0,
) -> None:
    """Draw scenes of the world with questions and exact answers, as our JSONL and PNG pictures."""
    import numpy as np

    from superlens.data.convert import write_jsonl
    from superlens.data.world import World

    target = _new_file(out)
    source = World(split=split, seed=seed, size=size, length=count)
    with progress("Drawing", count) as done:

        def drawn():
            for index in range(count):
                yield source.conversation(index, np.random.default_rng((seed, index)))
                done(1)

        write_jsonl(drawn(), target)
    say(f"{count} conversations in {target}")


@app.command("docstrings")
def docstrings(
    out: NewFile,
    limit: Annotated[int | None, typer.Option(min=1, help="Write only this many lines.")] = None,
    seed: Seed = 0,
) -> None:
    """Write the docstrings of Python's standard library as our JSONL: text alone, for a language model that has seen no picture.

    Half of the lines are some of their words, all different, in an order that means nothing, to be said back.
    """
    from superlens.data.convert import write_jsonl
    from superlens.data.docstrings import conversations

    target = _new_file(out)
    talks = conversations(seed, limit)
    write_jsonl(talks, target)
    say(f"{len(talks)} conversations in {target}")


@app.command("degrade")
def degrade(
    pictures: Annotated[str, typer.Argument(help="A folder of pictures, one picture, or a COCO file.", show_default=False)],
    how: Annotated[
        str,
        typer.Option("--with", help="noise:SIGMA (of 255), blur:WINDOW, pepper:SHARE, rain:AMOUNT, mask:SHARE, rotate:DEGREES, flip; "
                                    "several with commas, done in that order.", show_default=False),
    ],
    out: Annotated[str, typer.Option("--out", help="The folder to write; it must not exist.", show_default=False)],
    limit: Annotated[int | None, typer.Option(min=1, help="Only this many pictures.")] = None,
    root: Root = None,
    seed: Seed = 0,
) -> None:
    """Spoil pictures, and write each with what it was before and the words that ask for it back: a data set of restorations.

    What is transparent is written as white.
    """
    from superlens.data.sources.photos import PhotoSource, write_pairs

    if Path(out).exists():
        raise ValueError(f"--out: '{out}' exists already; choose another name, or remove it first.")
    source = PhotoSource(pictures, root=root, spoil=how)
    folder = folder_to_write(out)
    try:
        with progress("Spoiling", len(source) if limit is None else min(limit, len(source))) as done:
            count = write_pairs(source, folder, seed, limit, done)
    except BaseException:  # half a data set would be refused the next time
        shutil.rmtree(folder, ignore_errors=True)
        raise
    say(f"{count} pairs in {out}: `--data {out}` trains on them.")


@app.command("preview")
def preview(
    file: File,
    out: Annotated[str, typer.Option("--out", help="The picture to write.")] = "preview.png",
    count: Annotated[int, typer.Option(min=1, max=200, help="How many samples.")] = 12,
    columns: Annotated[int, typer.Option(min=1, max=20, help="Samples side by side.")] = 4,
    root: Root = None,
    seed: Seed = 0,
) -> None:
    """Draw samples of a data set, as training sees them, on one sheet."""
    from superlens.data.preview import preview as draw
    from superlens.data.sources.open import open_source

    target = file_to_write(out)
    if target.suffix.lower() not in (".png", ".jpg", ".jpeg", ".webp"):
        raise ValueError(f"--out: '{out}' is no name of a picture; end it in .png, .jpg or .webp.")
    draw(open_source(file, root=root), count, seed, columns).save(target)
    say(f"{target}")


def _new_file(out: str) -> Path:
    target = file_to_write(out)
    if target.exists():
        raise ValueError(f"--out: '{out}' exists already; choose another name, or remove it first.")
    return target
