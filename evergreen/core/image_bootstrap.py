"""How sure a segmentation score is: pictures are drawn again and again, never pixels, which are not independent.

A picture is its confusion matrix: `confusions[n, i, j]` counts the pixels of picture n that are of class i and were
answered j; the last column holds answers outside the classes, which are always wrong. Two models are counted on the
very same resamples. Memory is that of the matrices, whatever the pictures weigh.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from evergreen.core.bootstrap import Floats, Scores, macro_mean, resamples
from evergreen.core.reports import MetricName

Confusions = npt.NDArray[np.int32]
"""(pictures, classes, classes + 1) pixels: of a picture they are few enough, and of many classes the cells are many."""


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
    pictures, classes, columns = models[0].shape
    flat = [one.reshape(pictures, -1).astype(np.float64) for one in models]
    parts: list[list[Floats]] = [[] for _ in models]
    for weights in resamples(np.ones(pictures), np.zeros(pictures)):
        for model, one in enumerate(flat):
            parts[model].append((weights @ one).reshape(-1, classes, columns))
    return tuple(segmentation_scores(np.concatenate(one)) for one in parts)


def segmentation_scores(confusions: Floats | npt.NDArray[np.integer]) -> tuple[Scores, Scores]:
    """Overall metrics, (n,) each, and those by class, (n, classes) each, of (n, classes, classes + 1) pixel counts.

    IoU is |truth ∩ answer| / |truth ∪ answer|, Dice twice the intersection over the sum; a class that is neither there
    nor answered has none, and means are over the classes that have one.
    """
    classes = confusions.shape[1]
    right = np.diagonal(confusions[:, :, :classes], axis1=1, axis2=2).astype(np.float64)  # (n, classes)
    actual, answered = confusions.sum(axis=2), confusions[:, :, :classes].sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        iou, dice = right / (actual + answered - right), 2 * right / (actual + answered)
        accuracy = right.sum(axis=1) / actual.sum(axis=1)
    overall = {
        MetricName.MEAN_IOU: macro_mean(iou),
        MetricName.DICE: macro_mean(dice),
        MetricName.PIXEL_ACCURACY: accuracy,
    }
    return overall, {MetricName.IOU: iou, MetricName.DICE: dice}
