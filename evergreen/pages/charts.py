"""Charts as drawings without script, whose sense is read out too: bars, histograms, heat maps, intervals, curves."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from evergreen.core.metric import Metric
from evergreen.pages.formatting import compact, count, counted, percent, ratio
from evergreen.pages.svg import Axis, Svg, column_width, fit, text_width

WIDTH = 880.0
SERIES_TONES = ("accent", "champion", "warn", "good", "bad")


@dataclass(frozen=True)
class Bar:
    """One bar: `note` is the value as text, drawn behind the bar."""

    value: float
    note: str
    tone: str = "accent"


@dataclass(frozen=True)
class Group:
    """The bars of one label, drawn below each other."""

    label: str
    bars: tuple[Bar, ...]


def bars(title: str, groups: Sequence[Group], full: float | None = None) -> Svg:
    """A bar chart from zero to `full` (None: the largest value); what is not finite has no bar, only its note."""
    thick, gap = (18.0, 8.0) if all(len(group.bars) <= 1 for group in groups) else (13.0, 12.0)
    height = sum(len(group.bars) * (thick + 1) + gap for group in groups) or 1.0
    svg = Svg(WIDTH, height, f"{title}: {_bars_in_words(groups)}")
    left = column_width([group.label for group in groups], 0.3 * WIDTH)
    right = WIDTH - column_width([bar.note for group in groups for bar in group.bars], 0.35 * WIDTH)
    values = [bar.value for group in groups for bar in group.bars if math.isfinite(bar.value)]
    largest = full if full is not None else max(values, default=0.0)
    y = gap / 2
    for group in groups:
        svg.label(left - 10, y + len(group.bars) * (thick + 1) / 2 + 4, group.label, left - 10)
        for bar in group.bars:
            share = bar.value / largest if largest > 0 and math.isfinite(bar.value) else 0.0
            length = max(0.0, share) * (right - left)
            hint = f"{group.label}: {bar.note}"
            svg.add("rect", f"mark {bar.tone}", hint, x=left, y=y, width=max(length, 1.0), height=thick, rx=2)
            svg.text(left + length + 6, y + thick / 2 + 4, bar.note, "quiet" if thick > 13 else "quiet small")
            y += thick + 1
        y += gap
    return svg


def legend(names: Sequence[tuple[str, str]]) -> Svg:
    """A line of (name, tone) swatches; the text alternative is the names."""
    svg = Svg(WIDTH, 16, "Legend: " + ", ".join(name for name, _ in names))
    x = 0.0
    for name, tone in names:
        svg.add("rect", f"mark {tone}", x=x, y=3, width=10, height=10, rx=2)
        svg.text(x + 15, 12, name, "quiet")
        x += 15 + text_width(name) + 18
    return svg


def _bars_in_words(groups: Sequence[Group]) -> str:
    return "; ".join(f"{group.label} {', '.join(bar.note for bar in group.bars)}" for group in groups) or "no values"


_HISTOGRAM_HEIGHT = 190.0
_HISTOGRAM_TOP, _HISTOGRAM_BASE = 18.0, _HISTOGRAM_HEIGHT - 40


def histogram(
    title: str, bins: Sequence[tuple[float, int]], axis_title: str, shown: Callable[[float], str] = count
) -> Svg:
    """Rows by bin; `bins` are (upper edge, rows) pairs in order, edges as `shown`."""
    spoken = ", ".join(f"up to {shown(edge)}: {rows}" for edge, rows in bins) or "no values"
    svg = Svg(WIDTH, _HISTOGRAM_HEIGHT, f"{title}: {spoken}")
    largest = max((rows for _, rows in bins), default=0)
    step = WIDTH / max(len(bins), 1)
    last_note, last_tick = 0.0, 0.0
    for index, (edge, rows) in enumerate(bins):
        tall = (_HISTOGRAM_BASE - _HISTOGRAM_TOP) * rows / largest if largest else 0.0
        x, middle, end = index * step, (index + 0.5) * step, (index + 1) * step
        hint = f"up to {shown(edge)}: {counted(rows, 'row')}"
        svg.add("rect", "mark accent", hint, x=x + 1, y=_HISTOGRAM_BASE - tall, width=max(step - 2, 0.5), height=tall)
        half = text_width(count(rows)) / 2
        if rows and middle - half > last_note:
            svg.text(middle, _HISTOGRAM_BASE - tall - 5, count(rows), "middle quiet small")
            last_note = middle + half + 4
        half = text_width(shown(edge)) / 2
        if end - half > last_tick and end + half <= WIDTH + half:
            svg.add("line", "axis", x1=end - 0.5, y1=_HISTOGRAM_BASE, x2=end - 0.5, y2=_HISTOGRAM_BASE + 5)
            anchored_end = end + half > WIDTH
            svg.text(
                end, _HISTOGRAM_BASE + 18, shown(edge), "end quiet small" if anchored_end else "middle quiet small"
            )
            last_tick = end + half + 8
    svg.add("line", "axis", x1=0, y1=_HISTOGRAM_BASE, x2=WIDTH, y2=_HISTOGRAM_BASE)
    svg.text(WIDTH / 2, _HISTOGRAM_HEIGHT - 4, axis_title, "middle quiet small")
    return svg


_WITH_PERCENT = 10  # up to so many labels a cell has room for the share below the count
_WHITE_FROM = 0.78  # shade from which white text reads better than dark


def heatmap(title: str, labels: Sequence[str], counts: Sequence[Sequence[int]], noun: str = "row") -> Svg:
    """The matrix; `counts[i][j]` are rows (or what else the `noun` names) of true label i predicted as j.

    Correct cells are green, errors red.
    """
    roomy = len(labels) <= _WITH_PERCENT
    left = column_width(list(labels), 0.25 * WIDTH) + 18
    cell = min((WIDTH - left - 70) / max(len(labels), 1), 112.0)
    tall = 40.0 if roomy else min(cell, 24.0)
    slanted = any(text_width(label) > cell - 6 for label in labels)
    top = (0.72 * column_width(list(labels), 150) + 24) if slanted else 38.0
    right = left + cell * len(labels)
    svg = Svg(
        right + 70 + (60 if slanted else 0), top + tall * len(labels) + 4, f"{title}: {_matrix_in_words(counts, noun)}"
    )
    svg.text(left, 12, "predicted →", "quiet small")
    svg.text(right + 10, top - 8, f"{noun}s", "quiet small")
    svg.text(left - 10, top - 8, "true ↓", "end quiet small")
    for j, label in enumerate(labels):
        _column_label(svg, label, (left + (j + 0.5) * cell, top - 8), slanted)
    for i, row in enumerate(counts):
        y = top + i * tall
        svg.label(left - 10, y + tall / 2 + 4, labels[i], left - 10)
        svg.text(right + 10, y + tall / 2 + 4, count(sum(row)), "number")
        for j, rows in enumerate(row):
            box = (left + j * cell, y, cell, tall)
            hint = f"true {labels[i]}, predicted {labels[j]}: {count(rows)} of {count(sum(row))}"
            _cell(svg, box, (rows, ratio(rows, sum(row))), ("accent" if i == j else "bad", hint))
    return svg


def _matrix_in_words(counts: Sequence[Sequence[int]], noun: str) -> str:
    right = sum(row[i] for i, row in enumerate(counts))
    return f"{count(right)} of {counted(sum(map(sum, counts)), noun)} on the diagonal"


def _cell(svg: Svg, box: tuple[float, float, float, float], value: tuple[int, float], style: tuple[str, str]) -> None:
    (x, y, cell, tall), (rows, share), (tone, hint) = box, value, style
    place = {"x": x + 1, "y": y + 1, "width": cell - 2, "height": tall - 2, "rx": 2}
    if not rows:
        svg.add("rect", "cell", **place)
        return
    shade = 0.14 + 0.86 * share
    svg.add("rect", f"mark {tone}", hint, fill_opacity=shade, **place)
    ink = " white" if shade >= _WHITE_FROM else ""
    if tall >= 40:
        svg.text(x + cell / 2, y + 18, count(rows), "middle strong" + ink)
        svg.text(x + cell / 2, y + 32, percent(share), "middle small" + ink)
    elif text_width(count(rows), 11) <= cell - 3:
        svg.text(x + cell / 2, y + tall / 2 + 4, count(rows), "middle small" + ink)


def _column_label(svg: Svg, label: str, at: tuple[float, float], slanted: bool) -> None:
    if not slanted:
        svg.text(*at, label, "middle")
        return
    short = fit(label, 140)
    svg.text(*at, short, "", label if short != label else "", slant=40)


_INTERVAL_LINE, _INTERVAL_GAP, _INTERVAL_TOP, _INTERVAL_FOOT = 18.0, 8.0, 6.0, 22.0


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
    foot_y = _INTERVAL_TOP + sum(len(row.whiskers) * _INTERVAL_LINE + _INTERVAL_GAP for row in rows)
    svg = Svg(WIDTH, foot_y + _INTERVAL_FOOT + (16 if around_zero else 0), f"{title}: {_intervals_in_words(rows)}")
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
    y = _INTERVAL_TOP
    for row in rows:
        tall = len(row.whiskers) * _INTERVAL_LINE
        svg.label(left - 10, y + tall / 2 + 4, row.label, left - 10)
        if row.reference is not None and math.isfinite(row.reference):
            _diamond(svg, axis.place(row.reference), y + tall / 2)
        for index, whisker in enumerate(row.whiskers):
            middle = y + (index + 0.5) * _INTERVAL_LINE
            _whisker(svg, axis, whisker, middle)
            svg.text(right, middle + 4, whisker.note, "number")
        y += tall + _INTERVAL_GAP
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


def _intervals_in_words(rows: Sequence[IntervalRow]) -> str:
    parts = [f"{row.label} {', '.join(whisker.note for whisker in row.whiskers)}" for row in rows]
    return "; ".join(parts) or "no values"


_LINES_WIDTH, _LINES_HEIGHT = 430.0, 230.0
_LINES_TOP, _LINES_BASE = 30.0, _LINES_HEIGHT - 36
_MOST_POINTS = 1_000  # more than the chart has pixels
_FEW_POINTS = 40  # up to so many points each is marked


@dataclass(frozen=True)
class Series:
    """Finite (step, value) points in the order of steps."""

    name: str
    points: tuple[tuple[float, float], ...]
    tone: str


def lines(title: str, series: Sequence[Series]) -> Svg:
    """The curves on common axes with a legend; a series of one point is a dot."""
    spoken = "; ".join(f"{curve.name} ends at {compact(curve.points[-1][1])}" for curve in series if curve.points)
    svg = Svg(_LINES_WIDTH, _LINES_HEIGHT, f"{title}: {spoken or 'no values'}")
    points = [point for curve in series for point in curve.points]
    y_axis = Axis.over([y for _, y in points], _LINES_BASE, _LINES_TOP, ticks=5)
    left = max(text_width(y_axis.name(tick), 11) for tick in y_axis.ticks) + 8
    x_axis = Axis.over([0.0, *(x for x, _ in points)], left, _LINES_WIDTH - 16, ticks=5)
    for tick in y_axis.ticks:
        y = y_axis.place(tick)
        svg.add("line", "grid", x1=left, y1=y, x2=_LINES_WIDTH - 8, y2=y)
        svg.text(left - 6, y + 4, y_axis.name(tick), "end quiet small")
    for tick in x_axis.ticks:
        svg.text(x_axis.place(tick), _LINES_BASE + 16, x_axis.name(tick), "middle quiet small")
    svg.text(_LINES_WIDTH - 8, _LINES_HEIGHT - 4, "step", "end quiet small")
    x = left
    for curve in series:
        svg.add("rect", f"mark {curve.tone}", x=x, y=7, width=10, height=10, rx=2)
        svg.text(x + 15, 16, curve.name, "quiet")
        x += 15 + text_width(curve.name) + 16
        _curve(svg, [(x_axis.place(step), y_axis.place(value)) for step, value in curve.points], curve)
    return svg


def _curve(svg: Svg, pixels: list[tuple[float, float]], series: Series) -> None:
    stride = -(-len(pixels) // _MOST_POINTS) or 1
    kept = pixels[::stride] + ([pixels[-1]] if len(pixels) % stride != 1 and stride > 1 else [])
    if len(kept) > 1:
        svg.add("polyline", f"stroke {series.tone}", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in kept))
    if len(kept) <= _FEW_POINTS:
        for (x, y), (step, value) in zip(pixels, series.points, strict=True):
            svg.add("circle", f"mark {series.tone}", f"step {step:g}: {compact(value)}", cx=x, cy=y, r=2.5)
