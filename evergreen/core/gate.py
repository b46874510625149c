"""The gate: a report and its rules in, a decision with every reason out. Pure; nothing deploys without it.

gate:
  minimum: {accuracy: 0.9}          # floors of the whole test split
  margin: {accuracy: 0.01}          # may be worse than the champion by at most this, judged by the interval's low end
  value_margin: {accuracy: 0.001}   # the same of the bare difference
  class_floors: {recall: 0.8}       # floors of every class
  max_latency_p95_ms: 200
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from math import isnan
from typing import Annotated

from pydantic import AfterValidator, Field, FiniteFloat

from evergreen.core.base import Frozen
from evergreen.core.reports import EvaluationReport, Metric, MetricName, PromotionDecision, Reason, Verdict

# A paired difference is a quotient of counts; binary rounding must not turn "exactly allowed" into "refused".
ROUNDING = 1e-9
BYTES_PER_MB = 1_000_000
MOST_NAMED = 10
DEFAULT_MARGIN = 0.01


def _names(*allowed: str) -> AfterValidator:
    """A check that every key is an allowed metric; the message names the nearest."""

    def check(floors: dict[str, float]) -> dict[str, float]:
        for name in floors:
            if name not in allowed:
                nearest = get_close_matches(name, allowed, n=1)
                hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
                raise ValueError(f"unknown metric {name!r} (allowed: {', '.join(allowed)}){hint}")
        return floors

    return AfterValidator(check)


Share = Annotated[FiniteFloat, Field(ge=0, le=1)]
Margin = Annotated[FiniteFloat, Field(ge=-1, le=1)]
Positive = Annotated[FiniteFloat, Field(gt=0)]


class Gate(Frozen):
    """What a version must show before it may replace the champion.

    Every class must have test rows, for what was not measured does not go live.
    `minimum`, `class_floors` and `slice_floors` are floors of values; `margin` is how much worse than the champion the
    low end of the paired difference's interval may be: 0 asks for certainty that it is no worse, a negative margin for
    a gain; null allows DEFAULT_MARGIN in the metric that the report leads with (`accuracy`, `mean_iou`). `value_margin`
    judges the bare difference, however uncertain it is. `beat_baseline` asks that the interval of the leading metric
    lies above the majority baseline. Sizes are 10⁶ bytes.
    """

    minimum: Annotated[dict[str, Share], _names(*MetricName.OVERALL)] = {}
    margin: Annotated[dict[str, Margin], _names(*MetricName.OVERALL)] | None = None
    value_margin: Annotated[dict[str, Margin], _names(*MetricName.OVERALL)] = {}
    class_floors: Annotated[dict[str, Share], _names(*MetricName.PER_CLASS)] = {}
    slice_floors: Annotated[dict[str, Share], _names(*MetricName.OVERALL)] = {}
    beat_baseline: bool = True
    min_test_rows: Annotated[int, Field(ge=1)] = 30
    max_latency_p95_ms: Positive | None = None
    max_size_mb: Positive | None = None


def decide(
    report: EvaluationReport,
    gate: Gate,
    champion: str | None,
    *,
    rolled_back: bool = False,
    repeats_champion: bool = False,
) -> PromotionDecision:
    """Whether the reported version may replace `champion`, the version that is live now (None: nothing is).

    `rolled_back` says that this very version was champion once and a person took it back; `repeats_champion` that it
    comes of the champion's own recipe, though hardware gave it other bits. A metric that is missing or undefined
    refuses. The reasons come in the order of the gate's fields, passed ones too.
    """
    if report.version == champion:
        reasons = [_reason("new version", False, f"version {report.version} is already the champion")]
    else:
        standing = _repetition(report, champion) if repeats_champion else _standing(report, champion, rolled_back)
        reasons = [*standing, *_quality(report, gate, champion)]
    verdict = Verdict.PROMOTE if all(reason.passed for reason in reasons) else Verdict.KEEP
    return PromotionDecision(verdict=verdict, version=report.version, champion=champion, reasons=tuple(reasons))


def _quality(report: EvaluationReport, gate: Gate, champion: str | None) -> Iterator[Reason]:
    yield _reason(
        "test rows",
        report.rows >= gate.min_test_rows,
        f"measured on {_rows(report)}, at least {gate.min_test_rows} required",
    )
    yield _every_class(report)
    for name, floor in gate.minimum.items():
        yield _minimum(report, name, floor)
    if champion is not None and _judged_against(report) == champion:
        yield from _margins(report, gate)
    for name, floor in gate.class_floors.items():
        classes = {f"class {label!r}": one.metrics for label, one in report.per_class.items()}
        yield _floors(f"class {name}", name, floor, classes)
    for name, floor in gate.slice_floors.items():
        slices = {f"slice {one.column} {one.value!r}": one.metrics for one in report.slices}
        yield _floors(f"slice {name}", name, floor, slices)
    if gate.beat_baseline:
        yield _baseline(report)
    if gate.max_latency_p95_ms is not None:
        yield _limit("latency", "95th percentile latency", report.timings.latency_p95_ms, gate.max_latency_p95_ms, "ms")
    if gate.max_size_mb is not None:
        yield _limit("size", "size", report.size_bytes / BYTES_PER_MB, gate.max_size_mb, "MB")


def _standing(report: EvaluationReport, champion: str | None, rolled_back: bool) -> Iterator[Reason]:
    """Rules about versions rather than numbers."""
    judged = _judged_against(report)
    if judged != champion:
        was = f"champion {judged}" if judged else "no champion"
        now = f"{champion} is" if champion else "there is none"
        message = f"version {report.version} was judged against {was}, now {now}; run the pipeline again"
        yield _reason("present champion", False, message)
    elif champion is None:
        yield _reason("present champion", True, "there is no champion yet: nothing to compare with")
    if rolled_back:
        message = f"version {report.version} was champion and was rolled back; `rollback` makes it champion again"
        yield _reason("not rolled back", False, message)


def _repetition(report: EvaluationReport, champion: str | None) -> Iterator[Reason]:
    message = (
        f"version {report.version} repeats the recipe of champion {champion}, there is nothing to replace; "
        "change rows, task, split or seed to train another model"
    )
    yield _reason("new recipe", False, message)


def _minimum(report: EvaluationReport, name: str, floor: float) -> Reason:
    rule = f"minimum {name}"
    metric = report.metrics.get(name)
    if metric is None:
        return _missing(rule, name, report.metrics)
    passed = metric.value >= floor
    return _reason(rule, passed, f"{_shown(name, metric, report)} {_against(passed, metric)} the minimum {floor:.3f}")


def _every_class(report: EvaluationReport) -> Reason:
    rule, rows = "test rows of every class", f"test {report.terms.row}s"
    unmeasured = [
        label for label in report.labels if label not in report.per_class or not report.per_class[label].support
    ]
    if not unmeasured:
        return _reason(rule, True, f"each of the {len(report.labels)} classes has {rows}")
    more = len(unmeasured) - MOST_NAMED
    named = ", ".join(map(repr, unmeasured[:MOST_NAMED])) + (f" and {more} more" if more > 0 else "")
    return _reason(
        rule, False, f"no {rows} of {named}: not measured; add {report.terms.row}s of it, or raise split.test"
    )


def _margins(report: EvaluationReport, gate: Gate) -> Iterator[Reason]:
    margin = {report.terms.lead: DEFAULT_MARGIN} if gate.margin is None else gate.margin
    reasons = [_margin(report, name, allowed, by_interval=True) for name, allowed in margin.items()]
    reasons += [_margin(report, name, allowed, by_interval=False) for name, allowed in gate.value_margin.items()]
    yield from reasons
    comparison = report.comparison
    if not reasons or comparison is None or comparison.doubt is None:
        return
    favoured = f"champion {comparison.champion} may have been trained on some of the test rows ({comparison.doubt})"
    if all(reason.passed for reason in reasons):
        yield _reason("fair comparison", True, f"{favoured}; the version holds against it even so")
    else:
        advice = "split as before, allow a wider margin once, or take another model_name"
        yield _reason("fair comparison", False, f"{favoured}, which favours it: {advice}")


def _margin(report: EvaluationReport, name: str, allowed: float, *, by_interval: bool) -> Reason:
    """Whether the difference, or the low end of its interval, is at most `allowed` below nothing."""
    rule = f"margin {name}" if by_interval else f"value margin {name}"
    comparison = report.comparison
    if comparison is None or name not in report.metrics:
        return _missing(rule, name, report.metrics)
    if name not in comparison.metrics or name not in comparison.differences:
        return _missing(f"{rule} of the champion", name, comparison.differences)
    metric, theirs, difference = report.metrics[name], comparison.metrics[name], comparison.differences[name]
    low, judged = difference.low, difference.low if by_interval else difference.value
    passed = judged >= -allowed - ROUNDING
    end = "interval's low end" if by_interval else "difference"
    needed = f"at least {_signed(-allowed)} required of the {end}"
    return _reason(
        rule,
        passed,
        f"{_shown(name, metric, report)} {_beside(passed, difference, by_interval)} champion {comparison.champion}'s "
        f"{_number(theirs.value)}: difference {_signed(difference.value)} "
        f"({_signed(low)} to {_signed(difference.high)}), {needed}",
    )


def _floors(rule: str, name: str, floor: float, groups: Mapping[str, Mapping[str, Metric]]) -> Reason:
    """One rule over all classes or slices; the message names those that fail, or the lowest."""
    if not groups:
        return _reason(rule, False, f"{name} floor {floor:.3f}: nothing was large enough to measure; lower min_rows")
    values = {group: metrics[name].value if name in metrics else float("nan") for group, metrics in groups.items()}
    failing = {group: value for group, value in values.items() if not value >= floor}
    if failing:
        listed = ", ".join(f"{group} {_number(value)}" for group, value in failing.items())
        return _reason(rule, False, f"{name} is below the floor {floor:.3f} or undefined: {listed}")
    lowest = min(values, key=values.__getitem__)
    return _reason(
        rule, True, f"{name} reaches the floor {floor:.3f} everywhere; lowest: {lowest} {values[lowest]:.3f}"
    )


def _baseline(report: EvaluationReport) -> Reason:
    rule, name = "better than majority", report.terms.lead
    metric, baseline = report.metrics.get(name), report.baseline.metrics.get(name)
    if metric is None or baseline is None:
        return _missing(rule, name, report.metrics if metric is None else report.baseline.metrics)
    passed = metric.low > baseline
    verb = "lies above" if passed else "is not certain to lie above"
    always = f"always answering {report.baseline.label!r}: {_number(baseline)}"
    return _reason(rule, passed, f"{_shown(name, metric, report)} {verb} {always}")


def _limit(rule: str, what: str, value: float, limit: float, unit: str) -> Reason:
    passed = value <= limit
    verb = "is undefined beside" if isnan(value) else "is within" if passed else "is above"
    return _reason(rule, passed, f"{what} {value:.1f} {unit} {verb} the limit {limit:g} {unit}")


def _judged_against(report: EvaluationReport) -> str | None:
    return report.comparison.champion if report.comparison else None


def _missing(rule: str, name: str, measured: Mapping[str, object]) -> Reason:
    return _reason(rule, False, f"{name} was not measured (report has: {', '.join(measured) or 'nothing'})")


def _against(passed: bool, metric: Metric) -> str:
    if isnan(metric.value):
        return "is undefined, so it cannot reach"
    return "reaches" if passed else "is below"


def _beside(passed: bool, difference: Metric, by_interval: bool) -> str:
    if isnan(difference.low):
        return "cannot be compared with"
    if passed:
        return "holds against"
    return "is below" if difference.high < 0 or not by_interval else "is not certain to hold against"


def _shown(name: str, metric: Metric, report: EvaluationReport) -> str:
    """`accuracy 0.912 (95 % interval 0.880–0.940)`."""
    percent = f"{report.confidence * 100:g} %"
    return f"{name} {_number(metric.value)} ({percent} interval {_number(metric.low)}–{_number(metric.high)})"


def _number(value: float) -> str:
    return "undefined" if isnan(value) else f"{value:.3f}"


def _signed(value: float) -> str:
    """With a real minus sign; a zero has none."""
    if isnan(value):
        return "undefined"
    shown = f"{value:+.3f}"
    return "0.000" if float(shown) == 0 else shown.replace("-", "−")


def _rows(report: EvaluationReport) -> str:
    return f"{report.rows:,} test {report.terms.row}{'' if report.rows == 1 else 's'}"


def _reason(rule: str, passed: bool, message: str) -> Reason:
    return Reason(rule=rule, passed=passed, message=message)
