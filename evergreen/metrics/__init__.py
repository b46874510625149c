"""Classification metrics, as modules of the `evaluate` library kept in the project, so that they need no Hub.

measure(np.array([0, 1, 1]), np.array([0, 1, 0]), classes=2)["accuracy"]  ->  0.667
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from evergreen.core.reports import MetricName

MODULES = ("accuracy", "precision", "recall", "f1")


def measure(truth: npt.NDArray[np.integer], predicted: npt.NDArray[np.integer], classes: int) -> dict[str, float]:
    """Overall metrics of (rows,) class numbers; predictions outside [0, classes) are always wrong, NaN where 0/0.

    Equal to scikit-learn with `zero_division=nan`: what cannot be known is not guessed, and macro means are over the
    classes that have the metric.
    """
    import evaluate

    here = Path(__file__).parent
    metrics = evaluate.combine([evaluate.load(str(here / f"{name}.py"), keep_in_memory=True) for name in MODULES])
    metrics.add_batch(predictions=predicted, references=truth)
    values = metrics.compute(labels=list(range(classes)))
    return {name: values[name] for name in MetricName.OVERALL}
