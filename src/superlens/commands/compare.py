"""`superlens compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from superlens.commands.common import StoppedError, open_checked, quiet, result, say


def compare(
    recipes: Annotated[list[str], typer.Argument(help="Recipes' names or YAML files, at least one.", show_default=False)],
    out: Annotated[str, typer.Option("--out", help="Folder for everything; run again to go on where it stopped.", show_default=False)],
    data: Annotated[list[str] | None, typer.Option("--data", metavar="FILE[:WEIGHT]", help="As for training; default world.")] = None,
    val: Annotated[str, typer.Option(metavar="FILE", help="What all are measured on; not to be trained on.")] = "world",
    part: Annotated[str, typer.Option(help="What is answered: boxes, masks, moments or keypoints.")] = "boxes",
    steps: Annotated[int, typer.Option(min=1, help="Training steps of every arm.")] = 1000,
    seeds: Annotated[int, typer.Option(min=1, help="How often each recipe is trained.")] = 1,
    base: Annotated[str, typer.Option(metavar="MODEL", help="Whose language model arms get; 'words': one trained here.")] = "words",
    base_steps: Annotated[int, typer.Option(min=1, help="Steps of the base 'words': questions answered in words.")] = 600,
    batch: Annotated[int, typer.Option(min=1, help="Conversations in a step.")] = 16,
    limit: Annotated[int, typer.Option(min=1, help="Questions that each trained arm is measured by.")] = 100,
    points: Annotated[int, typer.Option(min=1, help="Points of each learning curve.")] = 5,
    minutes: Annotated[float, typer.Option(min=0.01, help="An arm's training stops after as many.")] = 60.0,
) -> None:
    """Train RECIPES alike, at nano's size: same frozen eye, language model, data, order and steps; write tables and plots."""
    data = data or ["world"]
    from superlens.data.mixture import parse_weighted

    for path in dict.fromkeys([*(parse_weighted(words)[0] for words in data), val]):
        open_checked(path)
    quiet()
    from superlens.evaluate import report
    from superlens.evaluate.compare import Budget, Comparison

    budget = Budget(steps=steps, batch=batch, base=base, base_steps=base_steps, minutes=minutes, points=points, limit=limit)
    comparison = Comparison(recipes, data, out, part, budget, val)
    try:
        comparison.run(seeds, say)
    except KeyboardInterrupt as stop:
        _, done = report.kept(Path(out))
        told = f" What is done so far: {report.write(done, part, Path(out))[1]}." if done else ""
        raise StoppedError(f"Stopped; the same command goes on from there.{told}") from stop
    # All that the folder holds: recipes of this command first, then those of others.
    arms = sorted(report.kept(Path(out))[1], key=lambda arm: (*(arm.recipe != name for name in comparison.plans), arm.seed))
    paths = report.write(arms, part, Path(out))
    result(report.table(arms, part, report.kept_references(Path(out))).rstrip())
    say(f"Written: {', '.join(str(path) for path in paths)}")
