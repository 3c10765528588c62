"""Ask a model every question of a data set and measure its answers."""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from superlens.data.sources.annotated import AnnotatedSource
from superlens.data.sources.base import Example, Source
from superlens.data.sources.open import open_source
from superlens.evaluate.metrics import Facts, metric_class
from superlens.evaluate.metrics.base import plain
from superlens.message import Message, OutputPart

logger = logging.getLogger(__name__)

# Everything a model is at all sure of: average precision looks at whole rankings.
KEEP_ABOVE = 0.01
PICTURES = {"image": ("image", "edit", "restore")}  # the kinds of links whose parts are measured as one


def evaluate(
    model: Any,
    source: Source | str | os.PathLike,
    part: str,
    metric: str | Sequence[str] | None = None,
    limit: int | None = None,
    batch_size: int = 8,
    seed: int = 0,
    task: str | None = None,
    min_score: float = 0.3,
    progress: Any = None,
) -> dict[str, Any]:
    """What a metric (default: see `metric_class`), or several, make of the generated answers to a source's questions.

    model: anything with `ask(conversations, batch_size=, min_score=, min_share=, errors="return")`. source: a `Source`, or what
    `open_source` opens. part: "boxes", "masks", "keypoints", "moments", "text" or "image". limit: how many questions. seed: of
    the wordings (and of the drawn scenes). task: only questions of this task; by default all of the part, or the task that the metric
    is about where the source offers a choice. min_score: what counts as shown, in 0..1. progress: a `rich.progress.Progress`.
    Returns a flat dict such as {"AP": 0.41, "AP50": 0.72, "AP75": 0.40}: fractions (dB in "kept"), None where nothing was there to be
    measured. A question that the model fails on counts as an empty answer, with a warning in the log.
    Raises ValueError with one sentence: unknown part, metric or task, a part the model has no link for, nothing to ask, numbers out
    of range.
    """
    names = [metric] if metric is None or isinstance(metric, str) else list(metric)
    chosen = [metric_class(part, name, task) for name in names]
    _check_that_it_writes(model, part)
    if batch_size < 1 or (limit is not None and limit < 1):
        raise ValueError(f"Got the batch size {batch_size} and the limit {limit}; expected at least 1.")
    if not 0 <= min_score <= 1:
        raise ValueError(f"Got the least score {min_score}; expected 0 to 1.")
    source = open_source(source) if isinstance(source, (str, os.PathLike)) else source
    if metric is None and (own := _of_its_questions(source, part, seed, task)):
        chosen = [own]
    tasks = {kind.task and kind.task.format(part=part) for kind in chosen}
    if len(tasks) > 1:
        raise ValueError(f"the metrics {', '.join(names)} are about different questions: ask for them one by one.")
    (usual,) = tasks
    examples = _examples(source, part, seed, limit, task, usual)
    if not len(examples):
        raise ValueError(f"{source.name} has no questions about {part}, so there is nothing to evaluate.")
    counted = [kind(facts_of(source), part, min_score) for kind in chosen]
    bar = None if progress is None else progress.add_task(f"{part} of {source.name}", total=len(examples))
    failed = 0
    for at in range(0, len(examples), batch_size):
        batch = list(examples[at : at + batch_size])
        answers = model.ask(
            [example.question for example in batch], batch_size=batch_size, min_score=KEEP_ABOVE, min_share=0.0, errors="return",
            numbers=range(at, at + len(batch)),
        )
        for example, answer in zip(batch, answers, strict=True):
            failed += isinstance(answer, Exception)
            message = _message(source, example, answer)
            for figures in counted:
                figures.add(example, message)
        if progress is not None:
            progress.advance(bar, len(batch))
    if failed:
        logger.warning("%d of %d questions had no answer and count as empty ones.", failed, len(examples))
    return {key: value for figures in counted for key, value in figures.result().items()}


def facts_of(source: Source) -> Facts:
    """What a source says about itself: its categories, what is unlabelled where, whether its masks are semantic."""
    semantic = bool(getattr(source, "semantic", False))
    if not isinstance(source, AnnotatedSource):
        return Facts(semantic=semantic)
    unlabelled = {
        picture.id: frozenset(plain(source.names[which]) for which in picture.unlabelled)
        for picture in source.pictures
        if picture.unlabelled
    }
    return Facts(frozenset(plain(name) for name in source.names), unlabelled, semantic)


def _check_that_it_writes(model: Any, part: str) -> None:
    """ValueError for a model without a link that writes the part; baselines have no links, and are asked."""
    formats = getattr(getattr(model, "processor", None), "formats", None)
    if formats is not None and part not in (written := list(dict.fromkeys(["text", *(form.answers for form in formats.values())]))):
        from superlens.recipes.schema import these_write

        those = these_write(*PICTURES.get(part, (part,)))
        raise ValueError(f"this model has no link that writes {part}; it writes {', '.join(written)}.{those}")


def _of_its_questions(source: Source, part: str, seed: int, task: str | None) -> type | None:
    """The metric that the questions of a file are about, where that is not the part's first (restored pictures)."""
    if task is not None or "task" in inspect.signature(source.examples).parameters:
        return None
    first = source.examples(part, seed=seed, limit=1)
    return metric_class(part, None, first[0].task) if len(first) else None


def _examples(
    source: Source, part: str, seed: int, limit: int | None, task: str | None, usual: str | None
) -> Sequence[Example]:
    if "task" in inspect.signature(source.examples).parameters:
        return source.examples(part, seed=seed, limit=limit, task=task or usual)
    if task is None:
        return source.examples(part, seed=seed, limit=limit)
    every = source.examples(part, seed=seed)
    chosen = [at for at, example in enumerate(every) if example.task == task]
    if not chosen:
        tasks = sorted({example.task for example in every})
        raise ValueError(f'{source.name} has no questions of the task "{task}"; it has {", ".join(tasks)}.')
    return _Chosen(every, chosen[:limit])


class _Chosen(Sequence):
    """Some of a list of examples, made when they are asked for."""

    def __init__(self, examples: Sequence[Example], places: Sequence[int]) -> None:
        self._examples, self._places = examples, places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self._examples[place] for place in self._places[index]]
        return self._examples[self._places[index]]


def _message(source: Source, example: Example, answer: Message | Exception) -> Message:
    if not isinstance(answer, Exception):
        return as_asked(answer, example.answer)
    logger.warning("%s, picture %s: no answer, %s", source.name, example.picture, answer)
    return Message("assistant", ())


def as_asked(answer: Message, reference: Message) -> Message:
    """An answer without a single label, as links without phrases write it (LISA), is of what was asked for: its parts take
    the reference's labels in their order. Any other answer as it is.
    """
    said = [at for at, part in enumerate(answer.content) if isinstance(part, OutputPart)]
    if any(answer.content[at].label for at in said):
        return answer
    content = list(answer.content)
    for at, meant in zip(said, (part for part in reference.content if isinstance(part, OutputPart))):
        content[at] = replace(content[at], label=meant.label)
    return replace(answer, content=tuple(content))
