"""Ways to look into a page and its drawings."""

from __future__ import annotations

import math
import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

from evergreen.core.metric import Metric
from evergreen.core.sections import WorstText

VOID = {"meta", "br", "img"}
ALLOWED = {
    *("html", "head", "meta", "title", "style", "body", "main", "header", "section", "div", "span", "br", "p", "i"),
    *(
        "h1",
        "h2",
        "h3",
        "dl",
        "dt",
        "dd",
        "ul",
        "li",
        "code",
        "pre",
        "figure",
        "figcaption",
        "details",
        "summary",
        "img",
    ),
    *("table", "thead", "tbody", "tr", "th", "td", "svg", "rect", "line", "text", "path", "circle", "polyline"),
}


def metric(value: float, reach: float = 0.02) -> Metric:
    return Metric(value=value, low=value - reach, high=value + reach)


UNDEFINED = Metric(value=math.nan, low=math.nan, high=math.nan)


def parse_svg(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314 our own drawing, parsed strictly to see that it is well-formed


class Page(HTMLParser):
    """A parsed page: raises for tags that are not closed in order, not allowed, or carry event handlers."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.words: list[str] = []
        self.tags: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        if self._open:
            raise AssertionError(f"never closed: {self._open}")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ALLOWED:
            raise AssertionError(f"<{tag}> is not allowed")
        inside = (
            {"src"} if (dict(attrs).get("src") or "").startswith("data:image/png;base64,") else set()
        )  # no script there
        if bad := [name for name, _ in attrs if name.startswith("on") or name in {"href", "src"} - inside]:
            raise AssertionError(f"<{tag}> has {bad}")
        self.tags.append(tag)
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1] != tag:
            raise AssertionError(f"</{tag}> closes {self._open[-3:]}")
        self._open.pop()

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.words.append(data)

    @property
    def text(self) -> str:
        """All that a person can read, with single spaces."""
        return " ".join(" ".join(self.words).split())

    @property
    def drawings(self) -> list[ET.Element]:
        """The SVG elements, parsed strictly."""
        return [parse_svg(drawing) for drawing in re.findall(r"<svg.*?</svg>", self.html, re.DOTALL)]


def worst_text(row: str, excerpt: str, truth: str, score: float) -> WorstText:
    """An error of a report: a row that was taken for `tech`."""
    return WorstText(id=row, excerpt=excerpt, truth=truth, predicted="tech", score=score)
