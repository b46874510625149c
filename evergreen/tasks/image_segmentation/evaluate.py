"""How good a segmentation model is on the test split, how sure that is, and against the champion on the same pictures.

Everything is counted at the pictures' own size, which is what the endpoint answers with.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evergreen.core.artifacts import SplitName, Splits, TrainedModel
from evergreen.core.bootstrap import CONFIDENCE, Scores, difference, interval
from evergreen.core.errors import InputError
from evergreen.core.image_bootstrap import Confusions, bootstrap_images
from evergreen.core.leakage import doubt_about
from evergreen.core.reports import (
    Baseline,
    ClassReport,
    Comparison,
    EvaluationReport,
    Metric,
    MetricName,
    SliceReport,
    Terms,
    Timings,
    WorstImage,
)
from evergreen.data.pictures import decode_mask
from evergreen.metrics import measure_masks
from evergreen.tasks.image_segmentation import pixel_regression
from evergreen.tasks.image_segmentation.metrics import SPECS
from evergreen.tasks.image_segmentation.pictures import read_rows
from evergreen.tasks.image_segmentation.pixel_regression import PixelRegression
from evergreen.tasks.image_segmentation.scorer import MaskScorer, WorstImages, read_test_pictures
from evergreen.tasks.slices import ColumnValues, Numbers, Slice

if TYPE_CHECKING:
    from evergreen.tasks.image_segmentation.settings import ImageSegmentation

LATENCY_SAMPLES = 30
MAJORITY_PICTURES = 2000
TERMS = Terms(lead=MetricName.MEAN_IOU, class_lead=MetricName.IOU, row="image", counted="pixel")


def evaluate_images(
    model: TrainedModel, champion: TrainedModel | None, splits: Splits, *, task: ImageSegmentation
) -> EvaluationReport:
    """The model, and the champion re-scored, on the test split; equal calls give equal reports apart from `timings`.

    A champion with other labels is compared by label name: its answers with labels that the task lacks are wrong
    answers. `comparison` is None without a champion, and when the model is the champion.

    Raises:
        InputError: a split is empty, or rows, slices or champion do not fit the task.
    """
    majority = _majority(splits, task)
    scored = _score(model, splits, task)
    always = _always(scored.confusions, task.labels.index(majority))
    (overall, by_class), *simple = bootstrap_images([scored.confusions, always, scored.by_pixel])
    against_always, against_pixels = (difference(overall, theirs) for theirs, _ in simple)
    total = scored.confusions.sum(axis=0)
    slices = _slices(scored, task)
    other = champion if champion is not None and champion.version != model.version else None
    return EvaluationReport(
        version=model.version,
        splits=splits.manifest.content_hash,
        rows=len(scored.confusions),
        labels=task.labels,
        metrics=_measured(scored.confusions, overall),
        confidence=CONFIDENCE,
        baseline=_baseline(always, majority, against_always),
        per_class=_classes(scored.confusions, by_class, task.labels),
        slices=_measured_slices(scored, task.slices.large(slices)),
        small_slices=task.slices.small(slices),
        confusion=tuple(tuple(row[:-1]) for row in total.tolist()),
        worst=(),
        comparison=_comparison(scored.confusions, other, splits, task) if other else None,
        size_bytes=model.size_bytes,
        timings=scored.timings,
        worst_images=scored.worst,
        terms=TERMS,
        references=(_baseline(scored.by_pixel, pixel_regression.NAME, against_pixels),),
        specs=SPECS,
    )


class _Scored(NamedTuple):
    """The model's pixels by true class and answer of each picture, and what was seen on the way.

    `by_pixel` counts the answers of the pixel regression in the same way.
    """

    confusions: Confusions
    sides: Numbers
    columns: ColumnValues
    worst: tuple[WorstImage, ...]
    timings: Timings
    by_pixel: Confusions


def _score(model: TrainedModel, splits: Splits, task: ImageSegmentation) -> _Scored:
    scorer, worst = MaskScorer(model, task), WorstImages(len(task.labels))
    columns, regression = ColumnValues(task.slices.max_values), PixelRegression(splits, task)
    step = max(1, splits.manifest.rows[SplitName.TEST] // LATENCY_SAMPLES)
    parts: list[Confusions] = []
    by_pixel: list[Confusions] = []
    sides: list[int] = []
    timed: list[bytes] = []
    for batch in read_test_pictures(splits, task, task.slices.columns):
        answers = scorer.answer(batch)
        parts.append(scorer.confusions(batch, answers))
        worst.add(batch, answers, parts[-1])
        columns.add(batch.columns)
        by_pixel.append(scorer.confusions(batch, [regression.answer(one) for one in batch.pictures]))
        timed += batch.encoded[-len(sides) % step :: step]  # every step-th row of the split, for it may be ordered
        sides += [max(mask.shape) for mask in batch.truth]
    confusions = np.concatenate(parts)
    if not confusions.any():
        raise InputError("no pixel of the test split counts: all hold task.ignore_label; give masks with classes")
    simple = np.concatenate(by_pixel)
    return _Scored(confusions, np.array(sides), columns, worst.sorted(), scorer.timings(timed), simple)


def _measured(confusions: Confusions, scores: Scores) -> dict[str, Metric]:
    """Values of the `evaluate` modules, with the intervals of the bootstrap; the tests hold them equal."""
    values, _ = measure_masks(confusions)
    return {name: interval(samples).model_copy(update={"value": values[name]}) for name, samples in scores.items()}


def _classes(confusions: Confusions, scores: Scores, labels: tuple[str, ...]) -> dict[str, ClassReport]:
    support = (confusions.sum(axis=2) > 0).sum(axis=0).tolist()
    return {
        label: ClassReport(
            metrics={name: interval(samples[:, number]) for name, samples in scores.items()}, support=support[number]
        )
        for number, label in enumerate(labels)
    }


def _always(confusions: Confusions, number: int) -> Confusions:
    """What answering every pixel with one class would count, a picture each."""
    always = np.zeros_like(confusions)
    always[:, :, number] = confusions.sum(axis=2)
    return always


def _baseline(theirs: Confusions, name: str, differences: Scores) -> Baseline:
    """What a simple model's answers score, and the model's differences to them, paired by picture."""
    return Baseline(
        label=name,
        metrics=measure_masks(theirs.sum(axis=0, keepdims=True))[0],
        differences={metric: interval(one) for metric, one in differences.items()},
    )


def _slices(scored: _Scored, task: ImageSegmentation) -> list[Slice]:
    pixels = scored.confusions.sum(axis=2)  # (pictures, classes)
    shares = pixels / np.maximum(pixels.sum(axis=1, keepdims=True), 1)
    by_label = {label: shares[:, number] for number, label in enumerate(task.labels)}
    return [
        *task.slices.of(scored.sides, by_label),
        *task.slices.of_columns(scored.columns.numbers, scored.columns.names),
    ]


def _measured_slices(scored: _Scored, slices: Sequence[Slice]) -> tuple[SliceReport, ...]:
    reports = []
    for column, value, rows in slices:
        ((overall, _),) = bootstrap_images([scored.confusions[rows]])
        metrics = {name: interval(samples) for name, samples in overall.items()}
        reports.append(SliceReport(column=column, value=value, rows=len(rows), metrics=metrics))
    return tuple(reports)


def _comparison(confusions: Confusions, champion: TrainedModel, splits: Splits, task: ImageSegmentation) -> Comparison:
    scorer = MaskScorer(champion, task)
    theirs = np.concatenate(
        [scorer.confusions(batch, scorer.answer(batch)) for batch in read_test_pictures(splits, task)]
    )
    (our_scores, our_classes), (their_scores, their_classes) = bootstrap_images([confusions, theirs])
    by_class = difference(our_classes, their_classes)
    return Comparison(
        champion=champion.version,
        metrics={name: interval(samples) for name, samples in their_scores.items()},
        differences={name: interval(one) for name, one in difference(our_scores, their_scores).items()},
        class_differences={
            label: {name: interval(samples[:, number]) for name, samples in by_class.items()}
            for number, label in enumerate(task.labels)
        },
        doubt=doubt_about(champion.manifest, splits.manifest),
    )


def _majority(splits: Splits, task: ImageSegmentation) -> str:
    """The label of most pixels in the training masks, of evenly spaced ones where they are many."""
    test_rows, rows = (splits.manifest.rows.get(name, 0) for name in (SplitName.TEST, SplitName.TRAIN))
    if not test_rows or not rows:
        raise InputError(
            f"nothing to evaluate on: the test split has {test_rows} rows, the train split {rows}; give more data, or "
            "raise split.test"
        )
    chosen = np.unique(np.linspace(0, rows - 1, min(rows, MAJORITY_PICTURES)).astype(np.int64))
    counts = np.zeros(256, dtype=np.int64)
    for batch in read_rows(splits, SplitName.TRAIN, ("mask",), chosen):
        for mask in batch["mask"]:
            counts += np.bincount(decode_mask(mask).ravel(), minlength=256)
    return task.labels[int(counts[: len(task.labels)].argmax())]
