"""What the gate says of a version, with every reason, and how it words them."""

from __future__ import annotations

from enum import StrEnum
from math import isnan
from typing import TYPE_CHECKING, Literal

from evergreen.core.base import Frozen

if TYPE_CHECKING:
    from evergreen.core.metric import Metric, MetricSpec
    from evergreen.core.report import EvaluationReport


class Reason(Frozen):
    """One rule of the gate: what was required, what was measured, and whether it passed."""

    rule: str
    passed: bool
    message: str


class Verdict(StrEnum):
    """What the gate says of a version."""

    PROMOTE = "promote"
    KEEP = "keep"


class PromotionDecision(Frozen):
    """Promote the version, or keep the champion, with every reason. Nothing deploys without one."""

    verdict: Verdict
    version: str
    champion: str | None
    reasons: tuple[Reason, ...]


def shown(name: str, metric: Metric, report: EvaluationReport) -> str:
    """`accuracy 0.912 (95 % interval 0.880–0.940)`."""
    percent, unit = f"{report.confidence * 100:g} %", report.spec(name).unit
    value = f"{number(metric.value)} {unit}".rstrip()
    return f"{name} {value} ({percent} interval {number(metric.low)}–{number(metric.high)})"


def gain_shown(gain: Metric, spec: MetricSpec) -> str:
    """`difference −0.053 (−0.080 to −0.030)`; where lower is better, it is turned, and called a gain."""
    return f"{gain_name(spec)} {signed(gain.value)} ({signed(gain.low)} to {signed(gain.high)})"


def gain_name(spec: MetricSpec) -> str:
    """What a gain is called: where more is better it is the plain difference."""
    return "difference" if spec.higher else "gain"


def against(passed: bool, metric: Metric, which: Literal["minimum", "maximum"]) -> str:
    """What stands between a value and its bound."""
    minimum = which == "minimum"
    if isnan(metric.value):
        return "is undefined, so it cannot reach" if minimum else "is undefined, so it cannot be within"
    if passed:
        return "reaches" if minimum else "is within"
    return "is below" if minimum else "is above"


def beside(passed: bool, gain: Metric, spec: MetricSpec, *, certain: bool) -> str:
    """What stands between the version and the champion; `certain`: the bare difference was judged."""
    if isnan(gain.low):
        return "cannot be compared with"
    if passed:
        return "holds against"
    side = "is below" if spec.higher else "is above"
    return side if gain.high < 0 or certain else "is not certain to hold against"


def advice(certainly: bool) -> str:
    """What to do about a model that a simple one holds against."""
    less = "gate.baselines: not_worse asks less" if certainly else "gate.baselines: report lets it through all the same"
    return f"train longer, on more rows or with other settings, or serve the simple model; {less}"


def number(value: float) -> str:
    """Three decimals."""
    return "undefined" if isnan(value) else f"{value:.3f}"


def signed(value: float) -> str:
    """With a real minus sign; a zero has none."""
    if isnan(value):
        return "undefined"
    shown = f"{value:+.3f}"
    return "0.000" if float(shown) == 0 else shown.replace("-", "−")


def rows_of(report: EvaluationReport) -> str:
    """`600 test rows`."""
    return f"{report.rows:,} test {report.row_noun}{'' if report.rows == 1 else 's'}"
