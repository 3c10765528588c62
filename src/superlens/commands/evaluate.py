"""`superlens evaluate`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from superlens.commands.common import (
    BatchSize,
    Device,
    Dtype,
    MinScore,
    Model,
    Seed,
    as_json,
    checked_device,
    checked_dtype,
    load_model,
    open_checked,
    progress_bars,
    result,
    table,
)


def evaluate(
    model: Model,
    data: Annotated[
        str, typer.Option(help="COCO JSON, VOC, DeepLabCut CSV, LLaVA JSON, JSONL, world, pictures to --degrade.", show_default=False)
    ],
    part: Annotated[str, typer.Option(help="What is measured: boxes, masks, keypoints, moments, text or image.", show_default=False)],
    metric: Annotated[
        str | None,
        typer.Option(help="boxes: ap, p50, absent, refusal. masks: ap, miou, iou, pq, interactive, absent, refusal. "
                          "keypoints: oks, pck:0.1. moments: tiou. text: accuracy. image: geneval, edit, psnr, ssim. All: routing."),
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="Only questions of this task, for instance count or reason_boxes (the drawn world).")
    ] = None,
    degrade: Annotated[
        str | None,
        typer.Option(help="Spoil every picture of DATA like this, and ask for the undoing: noise:SIGMA (of 255), blur:WINDOW, "
                          "pepper:SHARE, rain:AMOUNT, mask:SHARE, rotate:DEGREES, flip, none; several with commas."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Ask only this many questions.")] = None,
    batch_size: BatchSize = 8,
    as_json_line: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    device: Device = None,
    dtype: Dtype = None,
    seed: Seed = 0,
    min_score: MinScore = 0.3,
) -> None:
    """Measure MODEL's generated answers against a data set. Figures are fractions, 0 to 1, but for dB."""
    device, dtype = checked_device(device), checked_dtype(dtype)
    from superlens.evaluate.metrics import metric_class

    if degrade is not None:
        from superlens.data.sources.photos import TASK, PhotoSource
        from superlens.evaluate.metrics.restored import PeakSignal
        from superlens.evaluate.metrics.routing import Routing

        if part != "image":
            raise ValueError(f"--degrade: what is restored is a picture: say --part image, not {part}.")
        wanted = metric_class(part, metric, task or TASK)
        if not issubclass(wanted, (PeakSignal, Routing)) or task not in (None, TASK):
            said = f"--task {task}" if task not in (None, TASK) else f"--metric {metric}"
            raise ValueError(f"--degrade: pictures that are to be restored are measured by psnr, ssim or routing, got {said}.")
        source = PhotoSource(data, spoil=degrade)
    else:
        metric_class(part, metric, task)
        source = open_checked(data)
    if not len(source.examples(part, seed=seed, limit=1)):
        raise ValueError(f"--data: '{data}' has nothing to ask about {part}.")
    loaded = load_model(model, device, dtype)
    from superlens.evaluate import runner

    options = {"metric": metric, "limit": limit, "batch_size": batch_size, "seed": seed, "min_score": min_score, "task": task}
    with progress_bars() as bars:
        figures = runner.evaluate(loaded, source, part, progress=bars, **options)
    if as_json_line:
        result(as_json(figures))
    else:
        _show(figures)


def _show(figures: dict[str, Any]) -> None:
    rows = []
    for name, value in figures.items():
        if isinstance(value, dict):
            rows += [(f"{name}: {key}", _figure(inner)) for key, inner in value.items()]
        else:
            rows.append((name, _figure(value)))
    table(("metric", "value"), rows)


def _figure(value: Any) -> str:
    return "none" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)
