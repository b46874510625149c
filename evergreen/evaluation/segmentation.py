"""Pictures whose pixels have a class each, and how sure their scores are.

Pictures are drawn again and again, never pixels, which are not independent. A picture is its confusion matrix:
`confusions[n, i, j]` counts the pixels of picture n that are of class i and were answered j; the last column holds
answers outside the classes, which are always wrong. All models are counted on the very same resamples. Memory is that
of the matrices, whatever the pictures weigh.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from evergreen.core.metric import MetricName, MetricSpec
from evergreen.core.sections import ConfusionMatrix
from evergreen.evaluation import specs
from evergreen.evaluation.measure import Counts, Paired, Scored
from evergreen.evaluation.pixel_scores import segmentation_scores
from evergreen.evaluation.resampling import difference, resampled_sums
from evergreen.evaluation.scores import Scores

Confusions = npt.NDArray[np.int32]
"""(pictures, classes, classes + 1) pixels: of a picture they are few enough, and of many classes the cells are many."""


@dataclass(frozen=True)
class Segmentation:
    """Counts are Confusions."""

    labels: tuple[str, ...]

    kind: ClassVar[str] = "segmentation"
    metrics: ClassVar[tuple[MetricSpec, ...]] = specs.SEGMENTATION
    class_metrics: ClassVar[tuple[MetricSpec, ...]] = specs.SEGMENTATION_BY_CLASS
    primary_class_metric: ClassVar[str | None] = MetricName.IOU

    def score(self, ours: Counts, baselines: Sequence[Counts] = (), champion: Counts | None = None) -> Scored:
        """All models, on pictures that are drawn once."""
        others = [*baselines, *([] if champion is None else [champion])]
        (overall, by_class), *theirs = bootstrap_images([ours, *others])
        paired = [Paired(scores, difference(overall, scores)) for scores, _ in theirs]
        scored = Scored(overall, by_class, tuple(paired[: len(baselines)]))
        if champion is None:
            return scored
        return scored._replace(champion=paired[-1], class_differences=difference(by_class, theirs[-1][1]))

    def overall(self, ours: Counts) -> Scores:
        """The model's scores alone."""
        ((overall, _),) = bootstrap_images([ours])
        return overall

    def constant(self, ours: Counts, answer: float) -> Counts:
        """Every pixel answered with one class number."""
        always = np.zeros_like(ours)
        always[:, :, int(answer)] = ours.sum(axis=2)
        return always

    def support(self, ours: Counts) -> list[int]:
        """Pictures that have pixels of each class."""
        counted: list[int] = (ours.sum(axis=2) > 0).sum(axis=0).tolist()
        return counted

    def sections(self, ours: Counts) -> tuple[ConfusionMatrix, ...]:
        """Pixels by true and answered label; answers outside the labels have no column."""
        counts = tuple(tuple(row[:-1]) for row in ours.sum(axis=0).tolist())
        return (ConfusionMatrix(labels=self.labels, counts=counts, counted="pixel"),)


def confusion_of(
    truth: npt.NDArray[np.integer], answer: npt.NDArray[np.integer], classes: int, ignore: int | None = None
) -> Confusions:
    """(classes, classes + 1) pixels of one picture; those whose truth is `ignore` are not counted.

    Args:
        truth: (H, W) class numbers, or `ignore`.
        answer: (H, W) class numbers; `classes` stands for an answer outside the classes.
        classes: how many classes there are.
        ignore: the truth that says nothing.
    """
    codes = truth.astype(np.int64) * (classes + 1) + answer
    counted = codes if ignore is None else codes[truth != ignore]
    counts = np.bincount(counted.ravel(), minlength=classes * (classes + 1))
    return counts.reshape(classes, classes + 1).astype(np.int32)


def bootstrap_images(models: Sequence[npt.NDArray[np.integer]]) -> tuple[tuple[Scores, Scores], ...]:
    """Of each model the overall metrics, (1 + RESAMPLES,) each, and those by class, (1 + RESAMPLES, classes) each.

    Index 0 holds the pictures as they are. Equal calls give equal scores.

    Args:
        models: (pictures, classes, classes + 1) of each model, on the same pictures; at least one picture.
    """
    return tuple(segmentation_scores(sums) for sums in resampled_sums(models))
