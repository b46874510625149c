"""Pages of a training: what it starts from and is judged against, its learning curves, pictures that it answered."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from evergreen.core.artifacts import TrainedModelManifest
from evergreen.core.colours import colour_of
from evergreen.core.metric import MetricSpec
from evergreen.core.training import Curves, Incumbent, PictureAnswers, Start
from evergreen.pages.charts import SERIES_TONES, Series, lines
from evergreen.pages.formatting import words
from evergreen.pages.render import render


def incumbent_page(incumbent: Incumbent) -> str:
    """HTML: the version that a new model is judged against."""
    return render("incumbent.html", incumbent=incumbent)


def start_page(start: Start) -> str:
    """HTML: the weights that a training starts from."""
    return render("start.html", start=start)


LOSS, LEARNING_RATE, STEP = "loss", "learning_rate", "step"

Points = Sequence[Mapping[str, float]]


def curves_page(
    curves: Curves, manifest: TrainedModelManifest | None = None, *, metrics: Sequence[MetricSpec] = ()
) -> str:
    """HTML: learning curves and the task's configuration; what is missing or not finite is left out of its curve.

    `metrics` are those of the task; of a validation value that is none of them more is better.
    """
    specs = {spec.name: spec for spec in metrics}
    names = sorted({name for point in curves.validation for name in point} - {LOSS, STEP})
    losses = {"training": _points(curves.train, LOSS), "validation": _points(curves.validation, LOSS)}
    scores = {name: _points(curves.validation, name) for name in names}
    rates = {"learning rate": _points(curves.train, LEARNING_RATE)}
    drawn_scores = {words(name): points for name, points in scores.items()}
    charts = [("Loss", losses), ("Validation metrics", drawn_scores), ("Learning rate", rates)]
    columns = [LOSS, *names]
    return render(
        "curves.html",
        charts=[(title, lines(title, _series(drawn))) for title, drawn in charts],
        steps=max((_number(point.get(STEP)) for point in curves.train), default=math.nan),
        best_step=curves.best_step,
        champion_share=curves.champion_share,
        final_loss=losses["training"][-1][1] if losses["training"] else math.nan,
        best=[
            (words(name), *_best(points, specs.get(name, MetricSpec(name=name))))
            for name, points in scores.items()
            if points
        ],
        columns=[words(name) for name in columns],
        evaluated=[[_number(point.get(key)) for key in (STEP, *columns)] for point in curves.validation],
        manifest=manifest,
        version=manifest.version if manifest else None,
        configuration=list(_flat(manifest.task)) if manifest else [],
    )


def _points(points: Points, name: str) -> tuple[tuple[float, float], ...]:
    pairs = ((_number(point.get(STEP)), _number(point.get(name))) for point in points)
    return tuple(sorted((step, value) for step, value in pairs if math.isfinite(step) and math.isfinite(value)))


def _best(points: Sequence[tuple[float, float]], spec: MetricSpec) -> tuple[float, float]:
    """The point of the best value, the first of equals."""
    return max(points, key=lambda point: spec.gain(point[1], 0.0))


def _series(drawn: Mapping[str, tuple[tuple[float, float], ...]]) -> list[Series]:
    return [
        Series(title, points, SERIES_TONES[index % len(SERIES_TONES)])
        for index, (title, points) in enumerate(drawn.items())
        if points
    ]


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


def answers_page(answers: PictureAnswers) -> str:
    """HTML: each picture beside its truth and the answer, under a legend of the classes."""
    legend = [(label, colour_of(number)) for number, label in enumerate(answers.labels)]
    return render("answers.html", answers=answers, legend=legend)
