"""Horizontal bars: one a label, or a group a label (one bar a series)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from evergreen.pages.charts.svg import Svg, column_width, text_width

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
    svg = Svg(WIDTH, height, f"{title}: {_spoken(groups)}")
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


def _spoken(groups: Sequence[Group]) -> str:
    return "; ".join(f"{group.label} {', '.join(bar.note for bar in group.bars)}" for group in groups) or "no values"
