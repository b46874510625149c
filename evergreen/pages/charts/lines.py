"""Curves over steps: `lines("Loss", [Series("training", ((0, 1.6), (50, 0.4)), "accent")])`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evergreen.pages.charts.axis import Axis
from evergreen.pages.charts.svg import Svg, text_width
from evergreen.pages.formatting import compact

WIDTH, HEIGHT = 430.0, 230.0
_TOP, _BASE = 30.0, HEIGHT - 36
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
    spoken = "; ".join(f"{one.name} ends at {compact(one.points[-1][1])}" for one in series if one.points)
    svg = Svg(WIDTH, HEIGHT, f"{title}: {spoken or 'no values'}")
    points = [point for one in series for point in one.points]
    y_axis = Axis.over([y for _, y in points], _BASE, _TOP, ticks=5)
    left = max(text_width(y_axis.name(tick), 11) for tick in y_axis.ticks) + 8
    x_axis = Axis.over([0.0, *(x for x, _ in points)], left, WIDTH - 16, ticks=5)
    for tick in y_axis.ticks:
        y = y_axis.place(tick)
        svg.add("line", "grid", x1=left, y1=y, x2=WIDTH - 8, y2=y)
        svg.text(left - 6, y + 4, y_axis.name(tick), "end quiet small")
    for tick in x_axis.ticks:
        svg.text(x_axis.place(tick), _BASE + 16, x_axis.name(tick), "middle quiet small")
    svg.text(WIDTH - 8, HEIGHT - 4, "step", "end quiet small")
    x = left
    for one in series:
        svg.add("rect", f"mark {one.tone}", x=x, y=7, width=10, height=10, rx=2)
        svg.text(x + 15, 16, one.name, "quiet")
        x += 15 + text_width(one.name) + 16
        _curve(svg, [(x_axis.place(step), y_axis.place(value)) for step, value in one.points], one)
    return svg


def _curve(svg: Svg, pixels: list[tuple[float, float]], series: Series) -> None:
    stride = -(-len(pixels) // _MOST_POINTS) or 1
    kept = pixels[::stride] + ([pixels[-1]] if len(pixels) % stride != 1 and stride > 1 else [])
    if len(kept) > 1:
        svg.add("polyline", f"stroke {series.tone}", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in kept))
    if len(kept) <= _FEW_POINTS:
        for (x, y), (step, value) in zip(pixels, series.points, strict=True):
            svg.add("circle", f"mark {series.tone}", f"step {step:g}: {compact(value)}", cx=x, cy=y, r=2.5)
