"""Numbers and names as people read them: one spelling for every page and for the terminal.

`interval(Metric(value=0.96, low=0.94, high=0.97))` → `0.940–0.970`; NaN reads `undefined` everywhere.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

from evergreen.core.metric import Metric

UNDEFINED = "undefined"
SPACE = "\N{NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"

_NOT_PRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_ABBREVIATIONS = {"f1": "F1", "iou": "IoU", "id": "ID"}


def clean(text: str) -> str:
    """The text with characters that neither XML nor a terminal should see replaced by U+FFFD."""
    return _NOT_PRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def clip(text: str, length: int) -> str:
    """The text, cut with an ellipsis to at most `length` characters."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def words(name: str) -> str:
    """An identifier as words: `macro_f1` → `Macro F1`, `near_duplicate` → `Near duplicate`."""
    parts = [_ABBREVIATIONS.get(part, part) for part in name.replace("-", "_").split("_") if part]
    joined = " ".join(parts)
    return joined[:1].upper() + joined[1:]


def count(number: float) -> str:
    """A whole number with thousands separated: `12,000`."""
    return f"{number:,.0f}".replace("-", MINUS) if math.isfinite(number) else UNDEFINED


def counted(number: int, noun: str, plural: str = "s") -> str:
    """A number with its noun, which `plural` is added to unless there is one: `1 row`, `12,000 rows`, `3 classes`."""
    return f"{count(number)}{SPACE}{noun}{'' if number == 1 else plural}"


def decimal(number: float) -> str:
    """A metric with three decimals: `0.962`."""
    return f"{number:.3f}".replace("-", MINUS) if math.isfinite(number) else UNDEFINED


def signed(number: float) -> str:
    """A difference with its sign: `+0.012`, `−0.041`, `0.000`."""
    if not math.isfinite(number):
        return UNDEFINED
    rounded = round(number, 3)
    return f"{rounded:+.3f}".replace("-", MINUS) if rounded else "0.000"


def compact(number: float, digits: int = 3) -> str:
    """Some significant digits, and all before the point of thousands: `0.0317`, `2e−05`, `12,345`."""
    if 1_000 <= abs(number) < 1_000_000:
        return count(number)
    return f"{number:,.{digits}g}".replace("-", MINUS) if math.isfinite(number) else UNDEFINED


def quantity(number: float) -> str:
    """A number of any size, to four digits at least: `0.0317`, `100.4`, `−123,456`, `1.235e+06`."""
    return compact(number, digits=4)


def interval(metric: Metric) -> str:
    """The bounds of a metric: `0.951–0.972`."""
    if not (math.isfinite(metric.low) and math.isfinite(metric.high)):
        return UNDEFINED
    return f"{decimal(metric.low)}–{decimal(metric.high)}"


def signed_interval(metric: Metric) -> str:
    """The bounds of a difference: `−0.080 to −0.030`."""
    if not (math.isfinite(metric.low) and math.isfinite(metric.high)):
        return UNDEFINED
    return f"{signed(metric.low)} to {signed(metric.high)}"


def percent(share: float, digits: int = 1) -> str:
    """A share in [0, 1] as percent: `22.9 %`."""
    return f"{100 * share:.{digits}f}{SPACE}%" if math.isfinite(share) else UNDEFINED


def level(confidence: float) -> str:
    """A confidence level: `95 %`, `99.9 %`."""
    return f"{100 * confidence:g}{SPACE}%"


def probability(number: float) -> str:
    """A p-value: `0.0317`, `< 0.0001`."""
    return f"<{SPACE}0.0001" if 0 <= number < 0.0001 else compact(number)


def ratio(part: float, whole: float) -> float:
    """`part / whole`; NaN when the whole is nothing."""
    return part / whole if whole else math.nan


def size(number: int) -> str:
    """Bytes in decimal units: `90.9 MB`."""
    value = float(number)
    for unit in ("bytes", "kB", "MB"):
        if abs(value) < 1000:
            return f"{value:.0f}{SPACE}{unit}" if unit == "bytes" else f"{value:.1f}{SPACE}{unit}"
        value /= 1000
    return f"{value:,.1f}{SPACE}GB"


def milliseconds(number: float) -> str:
    """A latency: `8.3 ms`, `1,250 ms`."""
    if not math.isfinite(number):
        return UNDEFINED
    return f"{number:,.1f}{SPACE}ms" if number < 100 else f"{number:,.0f}{SPACE}ms"


def moment(time: datetime) -> str:
    """A time in UTC to the second: `2024-05-01 12:00:00 UTC`; one without a zone is taken for UTC."""
    aware = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    return f"{aware:%Y-%m-%d %H:%M:%S} UTC"
