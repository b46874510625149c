"""Classification metrics, as modules of the `evaluate` library kept in the project, so that they need no Hub.

measure(np.array([0, 1, 1]), np.array([0, 1, 0]), classes=2).overall["accuracy"]  ->  0.667
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from evergreen.core.reports import MetricName

MODULES = ("accuracy", "precision", "recall", "f1")


@dataclass(frozen=True)
class Measured:
    """`overall` by metric; `per_class` by metric in class order. NaN where a metric is 0/0."""

    overall: dict[str, float]
    per_class: dict[str, list[float]]


def measure(truth: npt.NDArray[np.integer], predicted: npt.NDArray[np.integer], classes: int) -> Measured:
    """Metrics of (rows,) class numbers; predictions outside [0, classes) are always wrong.

    Equal to scikit-learn with `zero_division=nan`: what cannot be known is not guessed, and macro means are over the
    classes that have the metric.
    """
    import evaluate

    here = Path(__file__).parent
    metrics = evaluate.combine([evaluate.load(str(here / f"{name}.py"), keep_in_memory=True) for name in MODULES])
    metrics.add_batch(predictions=predicted, references=truth)
    values = metrics.compute(labels=list(range(classes)))
    return Measured(
        overall={name: values[name] for name in MetricName.OVERALL},
        per_class={name: values[name] for name in MetricName.PER_CLASS},
    )
