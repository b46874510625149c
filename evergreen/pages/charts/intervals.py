"""Values with their intervals on one axis: metrics beside a baseline, or differences around zero (a forest plot)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from evergreen.core.metric import Metric
from evergreen.pages.charts.axis import Axis
from evergreen.pages.charts.svg import Svg, column_width

WIDTH = 880.0
_LINE, _GAP, _TOP, _FOOT = 18.0, 8.0, 6.0, 22.0


@dataclass(frozen=True)
class Whisker:
    """One interval: a dot at the value between its bounds; `note` is the value as text."""

    metric: Metric
    note: str
    tone: str = "accent"


@dataclass(frozen=True)
class IntervalRow:
    """The intervals of one name, below each other, and a reference value (a diamond), such as the baseline's."""

    label: str
    whiskers: tuple[Whisker, ...]
    reference: float | None = None


def intervals(title: str, rows: Sequence[IntervalRow], *, around_zero: bool = False) -> Svg:
    """The chart; with `around_zero` the axis is symmetric and zero has a line. What is undefined has only its note."""
    foot_y = _TOP + sum(len(row.whiskers) * _LINE + _GAP for row in rows)
    svg = Svg(WIDTH, foot_y + _FOOT + (16 if around_zero else 0), f"{title}: {_spoken(rows)}")
    left = column_width([row.label for row in rows], 0.3 * WIDTH)
    right = WIDTH - column_width([whisker.note for row in rows for whisker in row.whiskers], 0.35 * WIDTH)
    axis = Axis.over(_span(rows, around_zero), left + 4, right - 14)
    for tick in axis.ticks:
        x = axis.place(tick)
        zero = around_zero and abs(tick) < axis.step / 2
        svg.add("line", "zero" if zero else "grid", x1=x, y1=0, x2=x, y2=foot_y)
        svg.text(x, foot_y + 14, axis.name(tick), "middle quiet small")
    if around_zero:
        svg.text(axis.place(0) - 8, foot_y + 31, "← champion better", "end quiet small")
        svg.text(axis.place(0) + 8, foot_y + 31, "challenger better →", "quiet small")
    y = _TOP
    for row in rows:
        tall = len(row.whiskers) * _LINE
        svg.label(left - 10, y + tall / 2 + 4, row.label, left - 10)
        if row.reference is not None and math.isfinite(row.reference):
            _diamond(svg, axis.place(row.reference), y + tall / 2)
        for index, whisker in enumerate(row.whiskers):
            middle = y + (index + 0.5) * _LINE
            _whisker(svg, axis, whisker, middle)
            svg.text(right, middle + 4, whisker.note, "number")
        y += tall + _GAP
    return svg


def spark(metric: Metric, low: float, high: float, tone: str = "accent") -> Svg:
    """One interval for a table cell, on an axis from `low` to `high` that the whole column shares."""
    svg = Svg(110, 14, "")
    axis = Axis(low=low, high=high if high > low else low + 1, step=1, start=4, end=106)
    svg.add("line", "grid", x1=4, y1=7, x2=106, y2=7)
    _whisker(svg, axis, Whisker(metric=metric, note="", tone=tone), 7)
    return svg


def _whisker(svg: Svg, axis: Axis, whisker: Whisker, y: float) -> None:
    metric = whisker.metric
    if math.isfinite(metric.low) and math.isfinite(metric.high):
        x1, x2 = axis.place(metric.low), axis.place(metric.high)
        svg.add("rect", f"band {whisker.tone}", x=x1, y=y - 3, width=max(x2 - x1, 1.0), height=6, rx=3)
    if math.isfinite(metric.value):
        svg.add("circle", f"mark {whisker.tone}", whisker.note, cx=axis.place(metric.value), cy=y, r=4)


def _diamond(svg: Svg, x: float, y: float) -> None:
    path = f"M{x:.1f} {y - 6:.1f}l6 6l-6 6l-6 -6z"
    svg.add("path", "mark warn", "baseline", d=path)


def _span(rows: Sequence[IntervalRow], around_zero: bool) -> list[float]:
    values = [value for value in _values(rows) if math.isfinite(value)]
    if around_zero:
        reach = max((abs(value) for value in values), default=0.0) or 0.01
        return [-reach, 0.0, reach]
    return values


def _values(rows: Sequence[IntervalRow]) -> Iterator[float]:
    for row in rows:
        if row.reference is not None:
            yield row.reference
        for whisker in row.whiskers:
            yield from (whisker.metric.value, whisker.metric.low, whisker.metric.high)


def _spoken(rows: Sequence[IntervalRow]) -> str:
    parts = [f"{row.label} {', '.join(whisker.note for whisker in row.whiskers)}" for row in rows]
    return "; ".join(parts) or "no values"
