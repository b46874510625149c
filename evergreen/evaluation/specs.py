"""Which metrics each kind of measuring gives: values alone, so that a task's settings need not import the measuring."""

from __future__ import annotations

from evergreen.core.metric import MetricName, MetricSpec, shares

CLASSIFICATION = shares(MetricName.ACCURACY, MetricName.MACRO_F1, MetricName.MACRO_PRECISION, MetricName.MACRO_RECALL)
CLASSIFICATION_BY_CLASS = shares(MetricName.PRECISION, MetricName.RECALL, MetricName.F1)
SEGMENTATION = shares(MetricName.MEAN_IOU, MetricName.DICE, MetricName.PIXEL_ACCURACY)
SEGMENTATION_BY_CLASS = shares(MetricName.IOU, MetricName.DICE)


def regression(unit: str = "") -> tuple[MetricSpec, ...]:
    """Mean absolute error, which leads, root of the mean squared error, share of the variance that is explained."""
    return (
        MetricSpec(name=MetricName.MAE, better="lower", unit=unit, bounds=(0, None)),
        MetricSpec(name=MetricName.RMSE, better="lower", unit=unit, bounds=(0, None)),
        MetricSpec(name=MetricName.R2, bounds=(None, 1)),
    )
