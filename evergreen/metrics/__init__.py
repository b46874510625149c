"""Metrics of both tasks, as modules of the `evaluate` library kept in the project, so that they need no Hub.

measure(np.array([0, 1, 1]), np.array([0, 1, 0]), classes=2)["accuracy"]  ->  0.667
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evergreen.core.reports import MetricName

MODULES = ("accuracy", "precision", "recall", "f1")
MASK_MODULES = ("mean_iou", "dice", "pixel_accuracy")
PICTURES_AT_ONCE = 1024


def measure(truth: npt.NDArray[np.integer], predicted: npt.NDArray[np.integer], classes: int) -> dict[str, float]:
    """Overall metrics of (rows,) class numbers; predictions outside [0, classes) are always wrong, NaN where 0/0.

    Equal to scikit-learn with `zero_division=nan`: what cannot be known is not guessed, and macro means are over the
    classes that have the metric.
    """
    metrics = _combined(MODULES)
    metrics.add_batch(predictions=predicted, references=truth)
    values = metrics.compute(labels=list(range(classes)))
    return {name: values[name] for name in MetricName.CLASSIFICATION}


def measure_masks(confusions: npt.NDArray[np.integer]) -> tuple[dict[str, float], dict[str, list[float]]]:
    """Overall metrics of pictures, and those of each class: NaN where 0/0, and left out of means.

    Args:
        confusions: (pictures, classes, classes + 1) pixels by true class and answer; the last column is always wrong.
    """
    metrics = _combined(MASK_MODULES)
    for start in range(0, len(confusions), PICTURES_AT_ONCE):
        metrics.add_batch(confusions=confusions[start : start + PICTURES_AT_ONCE].tolist())
    values = metrics.compute()
    by_class = {MetricName.IOU: values["iou"], MetricName.DICE: values["class_dice"]}
    return {name: values[name] for name in MetricName.SEGMENTATION}, by_class


def _combined(modules: Sequence[str]) -> Any:
    import evaluate

    here = Path(__file__).parent
    return evaluate.combine([evaluate.load(str(here / f"{name}.py"), keep_in_memory=True) for name in modules])
