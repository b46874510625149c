"""A histogram over given bins, which may differ in width: every bin is as wide as the others and names its edge."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from evergreen.pages.charts.svg import Svg, text_width
from evergreen.pages.formatting import count, counted

WIDTH, HEIGHT = 880.0, 190.0
_TOP, _BASE = 18.0, HEIGHT - 40


def histogram(
    title: str, bins: Sequence[tuple[float, int]], axis_title: str, shown: Callable[[float], str] = count
) -> Svg:
    """Rows by bin; `bins` are (upper edge, rows) pairs in order, edges as `shown`."""
    spoken = ", ".join(f"up to {shown(edge)}: {rows}" for edge, rows in bins) or "no values"
    svg = Svg(WIDTH, HEIGHT, f"{title}: {spoken}")
    largest = max((rows for _, rows in bins), default=0)
    step = WIDTH / max(len(bins), 1)
    last_note, last_tick = 0.0, 0.0
    for index, (edge, rows) in enumerate(bins):
        tall = (_BASE - _TOP) * rows / largest if largest else 0.0
        x, middle, end = index * step, (index + 0.5) * step, (index + 1) * step
        hint = f"up to {shown(edge)}: {counted(rows, 'row')}"
        svg.add("rect", "mark accent", hint, x=x + 1, y=_BASE - tall, width=max(step - 2, 0.5), height=tall)
        half = text_width(count(rows)) / 2
        if rows and middle - half > last_note:
            svg.text(middle, _BASE - tall - 5, count(rows), "middle quiet small")
            last_note = middle + half + 4
        half = text_width(shown(edge)) / 2
        if end - half > last_tick and end + half <= WIDTH + half:
            svg.add("line", "axis", x1=end - 0.5, y1=_BASE, x2=end - 0.5, y2=_BASE + 5)
            anchored_end = end + half > WIDTH
            svg.text(end, _BASE + 18, shown(edge), "end quiet small" if anchored_end else "middle quiet small")
            last_tick = end + half + 8
    svg.add("line", "axis", x1=0, y1=_BASE, x2=WIDTH, y2=_BASE)
    svg.text(WIDTH / 2, HEIGHT - 4, axis_title, "middle quiet small")
    return svg
