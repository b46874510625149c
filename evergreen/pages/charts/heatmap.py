"""A confusion matrix as a heat map: true labels down, predicted labels across, shaded by share of the true label."""

from __future__ import annotations

from collections.abc import Sequence

from evergreen.pages.charts.svg import Svg, column_width, fit, text_width
from evergreen.pages.formatting import count, counted, percent, ratio

WIDTH = 880.0
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
    svg = Svg(right + 70 + (60 if slanted else 0), top + tall * len(labels) + 4, f"{title}: {_spoken(counts, noun)}")
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


def _spoken(counts: Sequence[Sequence[int]], noun: str) -> str:
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
