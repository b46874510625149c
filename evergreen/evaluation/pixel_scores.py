"""Scores of pictures whose pixels have a class each, from counts of pixels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from evergreen.core.metric import MetricName
from evergreen.evaluation.scores import Floats, Scores, macro_mean


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
