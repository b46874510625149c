"""The page of a training: its learning curves and what it was told to do."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from evergreen.core.artifacts import VERSION_LENGTH, TrainedModelManifest
from evergreen.pages.charts.bars import SERIES_TONES
from evergreen.pages.charts.lines import Series, lines
from evergreen.pages.formatting import words
from evergreen.pages.render import render

VALIDATION = "validation_"
LOSS, VALIDATION_LOSS, LEARNING_RATE = "loss", "validation_loss", "learning_rate"

History = Sequence[Mapping[str, object]]


def curves_page(history: History, manifest: TrainedModelManifest | None = None) -> str:
    """HTML: learning curves of `history.json` and the task's configuration.

    `history` holds one mapping a logged step: `step`, `epoch`, and any of `loss`, `learning_rate`, `validation_…`; what
    is missing or not a finite number is left out of its curve.
    """
    names = sorted({name for point in history for name in point if name.startswith(VALIDATION)} - {VALIDATION_LOSS})
    curves = {name: _points(history, name) for name in (LOSS, VALIDATION_LOSS, LEARNING_RATE, *names)}
    charts = [
        ("Loss", lines("Loss", _series(curves, {LOSS: "training", VALIDATION_LOSS: "validation"}))),
        ("Validation metrics", lines("Validation metrics", _series(curves, {name: _title(name) for name in names}))),
        ("Learning rate", lines("Learning rate", _series(curves, {LEARNING_RATE: "learning rate"}))),
    ]
    columns = [VALIDATION_LOSS, *names]
    evaluated = [point for point in history if any(name in point for name in columns)]
    return render(
        "curves.html",
        charts=charts,
        steps=_last(history, "step"),
        epochs=_last(history, "epoch"),
        final_loss=curves[LOSS][-1][1] if curves[LOSS] else math.nan,
        best=[(_title(name), *max(curves[name], key=lambda point: point[1])) for name in names if curves[name]],
        columns=[_title(name) for name in columns],
        evaluated=[[_number(point.get(key)) for key in ("step", "epoch", *columns)] for point in evaluated],
        manifest=manifest,
        version=manifest.content_hash[:VERSION_LENGTH] if manifest else None,
        configuration=list(_flat(manifest.task)) if manifest else [],
    )


def _title(name: str) -> str:
    return words(name.removeprefix(VALIDATION))


def _points(history: History, name: str) -> tuple[tuple[float, float], ...]:
    pairs = ((_number(point.get("step")), _number(point.get(name))) for point in history)
    return tuple(sorted((step, value) for step, value in pairs if math.isfinite(step) and math.isfinite(value)))


def _series(curves: Mapping[str, tuple[tuple[float, float], ...]], names: Mapping[str, str]) -> list[Series]:
    return [
        Series(title, curves[name], SERIES_TONES[index % len(SERIES_TONES)])
        for index, (name, title) in enumerate(names.items())
        if curves[name]
    ]


def _last(history: History, name: str) -> float:
    return max((_number(point.get(name)) for point in history if name in point), default=math.nan)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


def _flat(task: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in task.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{name}.")
        elif isinstance(value, list | tuple):
            yield name, ", ".join(str(item) for item in value)
        else:
            yield name, "—" if value is None else str(value)
