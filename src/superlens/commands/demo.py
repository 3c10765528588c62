"""`superlens demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from superlens.commands.common import (
    Device,
    Dtype,
    MaxNewTokens,
    MinScore,
    Seed,
    checked_device,
    checked_dtype,
    folder_to_write,
    load_model,
    progress,
    say,
)


def demo(
    out: Annotated[str, typer.Option("--out", help="Folder for the pictures and gallery.html.")] = "superlens-demo",
    device: Device = None,
    dtype: Dtype = None,
    seed: Seed = 0,
    min_score: MinScore = 0.3,
    max_new_tokens: MaxNewTokens = 256,
) -> None:
    """Let the embedded model answer about drawn scenes and photographs: numbered pictures and gallery.html."""
    device, dtype = checked_device(device), checked_dtype(dtype)
    folder = folder_to_write(out)
    from superlens import demo as show

    model = load_model("nano", device, dtype)
    questions = [question for question in show.questions(seed) if show.able(model, question)]
    with progress("Asking nano", len(questions)) as done:
        answered = show.ask_all(model, questions, done, min_score=min_score, max_new_tokens=max_new_tokens, seed=seed)
    page = show.write(answered, folder)
    say(f"{len(answered)} questions answered: open {Path(page).resolve()}")
