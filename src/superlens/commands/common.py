"""What the commands share: options, checks before any work, and two streams (results to stdout, the rest to stderr)."""

from __future__ import annotations

import difflib
import json
import math
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

DEVICES = ("cpu", "cuda", "mps")
DTYPES = ("float32", "bfloat16", "float16")
SHORT_DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16", "half": "float16", "float": "float32"}
# Above this many pictures a data set is looked through by an even sample before work; `superlens data check` reads all.
MOST_CHECKED = 5000
PANEL = "Common"


class StoppedError(Exception):
    """Ctrl-C, with a sentence about what is kept. Ends the program with code 130."""


class FailedError(Exception):
    """Some of the work failed and was reported where it belongs. One sentence; ends the program with code 2."""


def _finite(value: float | None) -> float | None:
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is no number.")
    return value


Model = Annotated[str, typer.Argument(help="nano, a directory, or a hub name.", show_default=False)]
Device = Annotated[
    str | None, typer.Option(help="cpu, cuda, cuda:1 or mps; default: the fastest there is.", rich_help_panel=PANEL)
]
Dtype = Annotated[str | None, typer.Option(help="float32, bfloat16 or float16.", rich_help_panel=PANEL)]
Seed = Annotated[int, typer.Option(min=0, help="Seed of everything drawn at random.", rich_help_panel=PANEL)]
MinScore = Annotated[
    float,
    typer.Option(min=0.0, max=1.0, callback=_finite, help="Leave out what scores below this.", rich_help_panel=PANEL),
]
MaxNewTokens = Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.", rich_help_panel=PANEL)]
BatchSize = Annotated[int, typer.Option(min=1, help="Conversations answered at a time.")]


def say(words: str) -> None:
    """A line to the person at the terminal: stderr, so that stdout holds results only."""
    typer.echo(words, err=True)


def result(words: str) -> None:
    """A line of result: stdout."""
    typer.echo(words)


def as_json(data: Any) -> str:
    """One line of strict JSON: no NaN."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str | None = None) -> None:
    """A table on stdout. Words are shown as they are: brackets in a label are no markup."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(title=title, title_justify="left")
    for column in columns:
        drawn.add_column(column, overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(str(cell)) for cell in row))
    Console(file=sys.stdout).print(drawn)


def progress_bars():
    """A `rich.progress.Progress` on stderr, to be entered with `with`."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


@contextmanager
def progress(words: str, total: int | None) -> Iterator[Any]:
    """One progress bar; yields a function that is called with how many more are done."""
    with progress_bars() as bar:
        task = bar.add_task(words, total=total)
        yield lambda done=1: bar.update(task, advance=done)


def walk(words: str, most: int | None = None):
    """A wrapper for a list of records: a progress bar while they are walked, at most `most` of them, evenly spread."""

    def wrapped(records: Iterable) -> Iterator:
        records = list(records)
        step = 1 if most is None else max(1, -(-len(records) // most))
        chosen = records[::step]
        with progress(words, len(chosen)) as done:
            for record in chosen:
                yield record
                done(1)

    return wrapped


def checked_device(device: str | None) -> str | None:
    """The device, if its name is one. ValueError offers the nearest."""
    if device is None:
        return None
    kind, colon, number = device.partition(":")
    if kind not in DEVICES or (colon and not number.isdigit()):
        raise ValueError(f"--device: there is no device '{device}': {_nearest(kind, DEVICES)}")
    return device


def available_device(device: str | None) -> str | None:
    """The device, if this machine has it. Imports torch: call it after the quick checks."""
    if device is None or device == "cpu":
        return device
    import torch

    kind, _, number = device.partition(":")
    count = torch.cuda.device_count() if kind == "cuda" else int(torch.backends.mps.is_available())
    if int(number or 0) >= count:
        raise ValueError(f"--device: this machine has no '{device}': it has {count} of the kind; use --device cpu.")
    return device


def checked_dtype(dtype: str | None) -> str | None:
    """The dtype's whole name. ValueError offers the nearest."""
    if dtype is None:
        return None
    whole = SHORT_DTYPES.get(dtype, dtype.removeprefix("torch."))
    if whole not in DTYPES:
        raise ValueError(f"--dtype: there is no dtype '{dtype}': {_nearest(dtype, DTYPES)}")
    return whole


def _nearest(word: str, choices: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, choices, n=1, cutoff=0.5)
    return f"did you mean '{close[0]}'?" if close else f"choose from {', '.join(choices)}."


def load_model(name: str, device: str | None, dtype: str | None):
    """The model, once everything else has been checked. Libraries' chatter is kept off the terminal."""
    quiet()
    device = available_device(device)
    from superlens.recipes import build

    return build.load(name, device=device, dtype=dtype)


def quiet() -> None:
    """No warnings or progress bars of the libraries below, unless SUPERLENS_DEBUG is set."""
    if os.environ.get("SUPERLENS_DEBUG"):
        return
    import warnings

    warnings.filterwarnings("ignore")
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()


def open_checked(path: str, **options: Any):
    """The source behind `path`, after a look for broken records. ValueError names the first, in one sentence."""
    from superlens.data.check import check
    from superlens.data.sources.base import refuse
    from superlens.data.sources.open import open_source

    source = open_source(path, **options)
    root = options.get("root")
    refuse(path, check(path, root=root, progress=walk(f"Checking {Path(path).name}", most=MOST_CHECKED)))
    return source


def file_to_write(out: str, name: str = "--out") -> Path:
    """The path of a file to be written, its folder made. ValueError when it is a folder."""
    path = Path(out)
    if path.is_dir():
        raise ValueError(f"{name}: '{out}' is a folder; give the name of a file.")
    folder_to_write(str(path.parent), name)
    return path


def folder_to_write(out: str, name: str = "--out") -> Path:
    """A folder to write into, made if it is not there. ValueError when it, or a part of its path, is a file."""
    path = Path(out)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise ValueError(f"{name}: '{out}' can not be made, a file of that name is in the way.") from error
    return path
