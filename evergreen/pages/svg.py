"""An SVG drawing built as an XML tree, so that it is well-formed and escaped by construction, and an axis for it.

Colours come from the page's style sheet: a shape has a role (`mark`, `stroke`, `grid`, …) and a tone (`accent`, …).
`Axis.over([0.87, 0.96], 100, 700).ticks` → (0.86, 0.88, …, 0.96)
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self
from xml.etree import ElementTree as ET

from evergreen.pages.formatting import MINUS, clean

FONT_SIZE = 12.0
_EM_PER_CHARACTER = 0.64  # a digit's advance in the wider system fonts; a wide (East Asian) character takes a whole em


def text_width(text: str, font_size: float = FONT_SIZE) -> float:
    """Estimated width in pixels."""
    ems = sum(1.0 if unicodedata.east_asian_width(char) in "WF" else _EM_PER_CHARACTER for char in text)
    return ems * font_size


def fit(text: str, width: float) -> str:
    """The text, cut in its middle to at most `width` pixels: names often differ at their end."""
    if text_width(text) <= width:
        return text
    kept = min(len(text) - 1, int(width / (_EM_PER_CHARACTER * FONT_SIZE)))
    while kept and text_width(_shortened(text, kept)) > width:
        kept -= 1
    return _shortened(text, kept)


def column_width(texts: list[str], limit: float) -> float:
    """Pixels for the widest of the texts, with a gap, but no more than `limit`."""
    return min(max((text_width(text) for text in texts), default=0.0) + 10, limit)


class Svg:
    """A drawing of `width` × `height` pixels; `description` is read out instead of it."""

    def __init__(self, width: float, height: float, description: str) -> None:
        self._root = ET.Element(
            "svg",
            {
                "viewBox": f"0 0 {_number(width)} {_number(height)}",
                "width": _number(width),
                "height": _number(height),
                "role": "img",
                "aria-label": clean(description),
            },
        )

    def add(self, tag: str, css: str, hint: str = "", /, **attributes: float | str) -> None:
        """Adds a shape; `stroke_width=2` becomes `stroke-width="2"`, `hint` shows under the mouse."""
        values = {name.replace("_", "-"): _attribute(value) for name, value in attributes.items()}
        element = ET.SubElement(self._root, tag, {"class": css, **values})
        _hint(element, hint)

    def text(self, x: float, y: float, content: str, css: str = "", hint: str = "", *, slant: float = 0.0) -> None:
        """Adds a line of text with its baseline at `y`, turned up by `slant` degrees; `end`, `middle` anchor it."""
        element = ET.SubElement(self._root, "text", {"class": css, "x": _number(x), "y": _number(y)})
        if slant:
            element.set("transform", f"rotate({_number(-slant)} {_number(x)} {_number(y)})")
        element.text = clean(content)
        _hint(element, hint)

    def label(self, x: float, y: float, content: str, width: float) -> None:
        """Adds a name of somebody's choice, ending at `x`, cut to `width` with the whole under the mouse."""
        short = fit(content, width)
        self.text(x, y, short, "end", content if short != content else "")

    def __html__(self) -> str:
        return ET.tostring(self._root, encoding="unicode")


def _shortened(text: str, kept: int) -> str:
    head = kept - kept // 3
    return f"{text[:head]}…{text[len(text) - kept // 3 :]}"


def _hint(element: ET.Element, hint: str) -> None:
    if hint:
        ET.SubElement(element, "title").text = clean(hint)


def _attribute(value: float | str) -> str:
    return clean(value) if isinstance(value, str) else _number(value)


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


@dataclass(frozen=True)
class Axis:
    """Values from `low` to `high` drawn from pixel `start` to pixel `end`; `step` lies between ticks."""

    low: float
    high: float
    step: float
    start: float
    end: float

    @classmethod
    def over(cls, values: Iterable[float], start: float, end: float, ticks: int = 6) -> Self:
        """The axis that spans all finite values and begins and ends at a tick; about `ticks` of them."""
        finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
        low, high = min(finite), max(finite)
        if low == high:
            margin = abs(low) / 10 or 1.0
            low, high = low - margin, high + margin
        step = _round_step((high - low) / ticks)
        low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
        return cls(low=low, high=high, step=step, start=start, end=end)

    def place(self, value: float) -> float:
        """The pixel of a value, held within the axis."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    @property
    def ticks(self) -> tuple[float, ...]:
        """Round values from `low` to `high`."""
        steps = round((self.high - self.low) / self.step)
        return tuple(self.low + index * self.step for index in range(steps + 1))

    def name(self, tick: float) -> str:
        """A tick as text, with as many decimals as the step needs: `0.05`, `1,000`, `4e−5`."""
        if self.step < 1e-3:
            mantissa, _, exponent = f"{tick:.1e}".partition("e")
            return (
                f"{mantissa.removesuffix('.0')}e{int(exponent)}".replace("-", MINUS)
                if abs(tick) > self.step / 2
                else "0"
            )
        decimals = max(0, -math.floor(math.log10(self.step) + 1e-9))
        return f"{tick + 0.0:,.{decimals}f}".replace("-", MINUS)


def _round_step(rough: float) -> float:
    """1, 2 or 5 times a power of ten, not below `rough`."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next((factor * power for factor in (1.0, 2.0, 5.0) if factor * power >= rough * (1 - 1e-9)), 10 * power)
