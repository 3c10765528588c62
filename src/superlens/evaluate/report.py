"""What a comparison came to: a table of every arm, one of every recipe, and pictures of them."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from superlens.evaluate.compare import LEADING, Arm, kept_arms, kept_references

COLUMNS = ("recipe", "seed", "leading", "untrained", "blind", "language_steps", "seconds_per_answer", "trained_parameters",
           "samples_per_second", "steps")  # fmt: skip


def write(arms: Sequence[Arm], part: str, out: Path) -> list[Path]:
    """arms.csv, table.md, curves.svg and cost.svg in `out`; -> their paths."""
    out.mkdir(parents=True, exist_ok=True)
    paths = [out / name for name in ("arms.csv", "table.md", "curves.svg", "cost.svg")]
    with open(paths[0], "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        figures = [name for name, value in arms[0].quality.items() if not isinstance(value, dict)]
        rows.writerow([*COLUMNS, *figures])
        for arm in arms:
            rows.writerow([*(getattr(arm, column) for column in COLUMNS), *(arm.quality[name] for name in figures)])
    paths[1].write_text(table(arms, part, kept_references(out)), encoding="utf-8")
    _curves(arms, part, paths[2], kept_references(out))
    _cost(arms, part, paths[3])
    return paths


def kept(out: Path) -> tuple[str, list[Arm]]:
    """(part, arms) of a comparison's folder, those that are done, seed after seed. FileNotFoundError where there was none."""
    return json.loads((out / "settings.json").read_text())["part"], kept_arms(out)


def by_recipe(arms: Sequence[Arm]) -> dict[str, list[Arm]]:
    """Recipe -> its arms, in the order of the first."""
    grouped: dict[str, list[Arm]] = {}
    for arm in arms:
        grouped.setdefault(arm.recipe, []).append(arm)
    return grouped


def table(arms: Sequence[Arm], part: str, references: Mapping[str, Mapping[str, Any]] | None = None) -> str:
    """A Markdown table, one row a recipe: means over seeds, with their spread (standard deviation) where there are several. references:
    rows of what was asked without a language model."""
    figures = [name for name, value in arms[0].quality.items() if not isinstance(value, dict)]
    heads = ["recipe", "seeds", *figures, f"untrained {LEADING[part]}", f"blind {LEADING[part]}", "language-model steps an answer",
             "seconds an answer", "trained parameters", "samples a second", "steps"]  # fmt: skip
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for recipe, mine in by_recipe(arms).items():
        cells = [recipe, str(len(mine)), *(spread([arm.quality[name] for arm in mine]) for name in figures)]
        cells += [spread([arm.untrained for arm in mine]), spread([arm.blind for arm in mine])]
        cells += [f"{np.mean([arm.language_steps for arm in mine]):.1f}", f"{np.mean([arm.seconds_per_answer for arm in mine]):.3f}"]
        cells += [f"{mine[0].trained_parameters / 1e6:.1f} M", f"{np.mean([arm.samples_per_second for arm in mine]):.1f}"]
        lines.append("| " + " | ".join([*cells, str(min(arm.steps for arm in mine))]) + " |")
    for name, quality in (references or {}).items():
        cells = [name, "-", *(spread([quality[figure]]) for figure in figures)]
        lines.append("| " + " | ".join([*cells, *["-"] * (len(heads) - len(cells))]) + " |")
    return "\n".join(lines) + "\n"


def spread(values: Sequence[float | None]) -> str:
    """Mean, and +- the standard deviation of a sample where there are at least two; "-" where nothing was there to be measured."""
    values = [value for value in values if value is not None]
    if not values:
        return "-"
    return f"{np.mean(values):.3f}" + (f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else "")


def _figure():
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(7, 4.2))
    axis.grid(alpha=0.3)
    return figure, axis


def _curves(arms: Sequence[Arm], part: str, file: Path, references: Mapping[str, Mapping[str, Any]] | None = None) -> None:
    """Leading figure against training steps: the mean of all seeds, with the range they span. The last point is of more questions.
    Dotted: what was asked without a language model."""
    figure, axis = _figure()
    for recipe, mine in by_recipe(arms).items():
        known: dict[int, list[float]] = {}
        for arm in mine:
            for step, value in [*arm.curve, (arm.steps, arm.leading)]:
                known.setdefault(step, []).append(value)
        steps = sorted(known)
        line = axis.plot(steps, [np.mean(known[step]) for step in steps], marker="o", markersize=3, label=recipe)[0]
        low, high = ([bound(known[step]) for step in steps] for bound in (min, max))
        axis.fill_between(steps, low, high, alpha=0.15, color=line.get_color())
    for name, quality in (references or {}).items():
        axis.axhline(quality[LEADING[part]] or 0.0, color="grey", linestyle=":", linewidth=1)
        axis.annotate(name, (0, quality[LEADING[part]] or 0.0), xytext=(2, 2), textcoords="offset points", fontsize=7, color="grey")
    axis.set(xlabel="training steps", ylabel=f"{LEADING[part]} of {part}", ylim=(0, 1.05))
    axis.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(file)


def _cost(arms: Sequence[Arm], part: str, file: Path) -> None:
    """Leading figure against seconds an answer."""
    figure, axis = _figure()
    for recipe, mine in by_recipe(arms).items():
        seconds, values = [arm.seconds_per_answer for arm in mine], [arm.leading for arm in mine]
        axis.errorbar(np.mean(seconds), np.mean(values), yerr=np.std(values, ddof=min(1, len(values) - 1)), fmt="o", capsize=3)
        axis.annotate(recipe, (np.mean(seconds), np.mean(values)), xytext=(5, 4), textcoords="offset points", fontsize=8)
    axis.set(xlabel="seconds an answer", ylabel=f"{LEADING[part]} of {part}", xscale="log", ylim=(0, 1.05))
    axis.margins(x=0.2)  # room for the names
    for ticks in (axis.xaxis.set_major_formatter, axis.xaxis.set_minor_formatter):
        ticks("{x:g}")
    figure.tight_layout()
    figure.savefig(file)
