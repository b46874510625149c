"""A measured metric, and which way it is good, in what unit, and between which values: said once, by its owner.

MetricSpec(name="accuracy", bounds=(0, 1))
MetricSpec(name="mean_absolute_error", better="lower", unit="EUR", bounds=(0, None))
"""

from __future__ import annotations

from typing import Literal

from evergreen.core.base import Frozen


class MetricName:
    """The names of the metrics that are shipped, spelled once."""

    ACCURACY = "accuracy"
    MACRO_F1 = "macro_f1"
    MACRO_PRECISION = "macro_precision"
    MACRO_RECALL = "macro_recall"
    PRECISION = "precision"
    RECALL = "recall"
    F1 = "f1"
    MEAN_IOU = "mean_iou"
    DICE = "dice"
    PIXEL_ACCURACY = "pixel_accuracy"
    IOU = "iou"
    MAE = "mae"
    RMSE = "rmse"
    R2 = "r2"


class Metric(Frozen):
    """A value with its bootstrap interval; for differences, challenger minus champion. NaN when undefined."""

    value: float
    low: float
    high: float


class MetricSpec(Frozen):
    """A metric's direction, unit and bounds (None: without end).

    Comparisons speak of the `gain`, by how much a value is better than another, whichever way the metric runs.
    """

    name: str
    better: Literal["higher", "lower"] = "higher"
    unit: str = ""
    bounds: tuple[float | None, float | None] = (None, None)

    @property
    def higher(self) -> bool:
        """Whether more is better."""
        return self.better == "higher"

    @property
    def arrow(self) -> str:
        """The direction that is better, drawn."""
        return "↑" if self.higher else "↓"

    @property
    def span(self) -> float | None:
        """How far the bounds lie apart; None: without end."""
        low, high = self.bounds
        return None if low is None or high is None else high - low

    def gain(self, ours: float, theirs: float) -> float:
        """What `ours` is better by; NaN where either is."""
        return ours - theirs if self.higher else theirs - ours

    def reaches(self, value: float, limit: float) -> bool:
        """Whether the value is at least as good as the limit; NaN never is."""
        return value >= limit if self.higher else value <= limit

    def possible(self, value: float) -> bool:
        """Whether a value lies within the bounds."""
        low, high = self.bounds
        return (low is None or value >= low) and (high is None or value <= high)

    def range(self) -> str:
        """The bounds in words: `0 to 1`, `0 or more`."""
        low, high = self.bounds
        if low is None or high is None:
            return f"{low:g} or more" if low is not None else f"{high:g} or less" if high is not None else "any number"
        return f"{low:g} to {high:g}"


def shares(*names: str) -> tuple[MetricSpec, ...]:
    """Specs of metrics from 0 to 1 of which more is better."""
    return tuple(MetricSpec(name=name, bounds=(0, 1)) for name in names)
