"""The gate: a report and its rules in, a decision with every reason out. Pure; nothing deploys without it.

gate:
  minimum: {accuracy: 0.9}          # floors of the whole test split; of metrics that are better when low: maximum
  margin: {accuracy: 0.01}          # may be worse than the champion by at most this, judged by the interval's low end
  value_margin: {accuracy: 0.001}   # the same of the bare difference
  class_floors: {recall: 0.8}       # the worst that any class may be
  baselines: not_worse              # not certainly worse than any simple model that was scored on the same rows
  max_latency_p95_ms: 200
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isnan
from typing import Annotated, Literal

from pydantic import Field, FiniteFloat

from evergreen.core.base import Frozen
from evergreen.core.decision import (
    PromotionDecision,
    Reason,
    Verdict,
    advice,
    against,
    beside,
    gain_name,
    gain_shown,
    number,
    rows_of,
    shown,
    signed,
)
from evergreen.core.metric import Metric, MetricSpec
from evergreen.core.report import Baseline, EvaluationReport

# A paired difference is a quotient of counts; binary rounding must not turn "exactly allowed" into "refused".
ROUNDING = 1e-9
BYTES_PER_MB = 1_000_000
MOST_NAMED = 10
DEFAULT_MARGIN = 0.01
APPROVAL = "approval"
"""The rule about what a person said."""
ANOTHER_MODEL = "change rows, task, split or seed to train another model"

Thresholds = dict[str, FiniteFloat]
Positive = Annotated[FiniteFloat, Field(gt=0)]


class Gate(Frozen):
    """What a version must show before it may replace the champion.

    Which metrics may be named, and what values they can have, is the task's to say: `orchestration.gate` checks it when
    the configuration is read. Every class must have test rows, for what was not measured does not go
    live.
    `minimum` bounds metrics that are better when high, `maximum` those that are better when low; `class_floors` and
    `slice_floors` are the worst values allowed, whichever way the metric runs. `margin` is how much worse than the
    champion the unfavourable end of the paired difference's interval may be: 0 asks for certainty that it is no worse,
    a negative margin for a gain; null allows, in the metric that the report leads with (`accuracy`, `mean_iou`),
    DEFAULT_MARGIN of the span of its bounds, or of the champion's value where it has none. `value_margin` judges the
    bare difference, however uncertain it is. `beat_baseline` asks that the interval of the primary metric lies on the
    better side of what one answer to every row scores: the majority's, or the mean. `baselines` is about the simple
    models that the report shows: `not_worse` keeps out what is certainly worse than one of them, `beaten` what is not
    certainly better, `report` nothing. Sizes are 10⁶ bytes.
    """

    minimum: Thresholds = {}
    maximum: Thresholds = {}
    margin: Thresholds | None = None
    value_margin: Thresholds = {}
    class_floors: Thresholds = {}
    slice_floors: Thresholds = {}
    beat_baseline: bool = True
    baselines: Literal["not_worse", "beaten", "report"] = "not_worse"
    min_test_rows: Annotated[int, Field(ge=1)] = 30
    max_latency_p95_ms: Positive | None = None
    max_size_mb: Positive | None = None


def decide(
    report: EvaluationReport,
    gate: Gate,
    champion: str | None,
    *,
    withdrawn: str | None = None,
    refused: str | None = None,
    repeats_champion: bool = False,
) -> PromotionDecision:
    """Whether the reported version may replace `champion`, the version that is live now (None: nothing is).

    `withdrawn` names a version that a person took back and that is this very one, or of its recipe; `refused` says
    that nobody let such a one through who was asked; `repeats_champion` says that it comes of the champion's own.
    Hardware may give one recipe other bits. A metric that is missing or undefined refuses. The reasons come in the
    order of the gate's fields, passed ones too.
    """
    if report.version == champion:
        reasons = [_reason("new version", False, f"version {report.version} is already the champion")]
    else:
        refusals = [*_withdrawn(report.version, withdrawn), *_refused(refused)]
        standing = _repetition(report, champion) if repeats_champion else [*_standing(report, champion), *refusals]
        reasons = [*standing, *_quality(report, gate, champion)]
    verdict = Verdict.PROMOTE if all(reason.passed for reason in reasons) else Verdict.KEEP
    return PromotionDecision(verdict=verdict, version=report.version, champion=champion, reasons=tuple(reasons))


def overtaken(version: str, judged_against: str | None, champion: str | None) -> str | None:
    """Why a judgement of the version counts no more, in words; None while the champion is that of the judgement.

    So it is too when the version has become champion itself.
    """
    if champion in (judged_against, version):
        return None
    was = f"champion {judged_against}" if judged_against else "no champion"
    now = f"{champion} is" if champion else "there is none"
    return f"version {version} was judged against {was}, now {now}; run the pipeline again"


def _quality(report: EvaluationReport, gate: Gate, champion: str | None) -> Iterator[Reason]:
    yield _reason(
        "test rows",
        report.rows >= gate.min_test_rows,
        f"measured on {rows_of(report)}, at least {gate.min_test_rows} required",
    )
    yield from _every_class(report)
    for name, floor in gate.minimum.items():
        yield _bound(report, name, floor, "minimum")
    for name, ceiling in gate.maximum.items():
        yield _bound(report, name, ceiling, "maximum")
    if champion is not None and _judged_against(report) == champion:
        yield from _margins(report, gate)
    for name, floor in gate.class_floors.items():
        classes = {f"class {label!r}": measured.metrics for label, measured in report.per_class.items()}
        yield _floors(f"class {name}", report.spec(name), floor, classes)
    for name, floor in gate.slice_floors.items():
        slices = {f"slice {part.column} {part.value!r}": part.metrics for part in report.slices}
        yield _floors(f"slice {name}", report.spec(name), floor, slices)
    if gate.beat_baseline:
        yield _constant(report)
    if gate.baselines != "report":
        certainly = gate.baselines == "beaten"
        yield from (_baseline(report, simple, certainly=certainly) for simple in report.references)
    if gate.max_latency_p95_ms is not None:
        yield _limit("latency", "95th percentile latency", report.timings.latency_p95_ms, gate.max_latency_p95_ms, "ms")
    if gate.max_size_mb is not None:
        yield _limit("size", "size", report.size_bytes / BYTES_PER_MB, gate.max_size_mb, "MB")


def _standing(report: EvaluationReport, champion: str | None) -> Iterator[Reason]:
    """Rules about versions rather than numbers."""
    message = overtaken(report.version, _judged_against(report), champion)
    if message is not None:
        yield _reason("present champion", False, message)
    elif champion is None:
        yield _reason("present champion", True, "there is no champion yet: nothing to compare with")


def _refused(words: str | None) -> Iterator[Reason]:
    if words is not None:
        yield _reason(APPROVAL, False, words)


def _withdrawn(version: str, withdrawn: str | None) -> Iterator[Reason]:
    if withdrawn is not None:
        yield _reason("not rolled back", False, _withdrawal(version, withdrawn))


def _withdrawal(version: str, withdrawn: str) -> str:
    if version == withdrawn:
        return f"version {version} was champion and was rolled back; `rollback` makes it champion again"
    return (
        f"version {version} repeats the recipe of {withdrawn}, which was champion and was rolled back; {ANOTHER_MODEL}"
    )


def _repetition(report: EvaluationReport, champion: str | None) -> Iterator[Reason]:
    message = (
        f"version {report.version} repeats the recipe of champion {champion}, there is nothing to replace; "
        f"{ANOTHER_MODEL}"
    )
    yield _reason("new recipe", False, message)


def _bound(report: EvaluationReport, name: str, limit: float, which: Literal["minimum", "maximum"]) -> Reason:
    rule = f"{which} {name}"
    metric = report.metrics.get(name)
    if metric is None:
        return _missing(rule, name, report.metrics)
    passed = metric.value >= limit if which == "minimum" else metric.value <= limit
    return _reason(
        rule, passed, f"{shown(name, metric, report)} {against(passed, metric, which)} the {which} {limit:.3f}"
    )


def _every_class(report: EvaluationReport) -> Iterator[Reason]:
    """Of a report without classes nothing."""
    if not report.labels:
        return
    rule, rows = "test rows of every class", f"test {report.row_noun}s"
    unmeasured = [
        label for label in report.labels if label not in report.per_class or not report.per_class[label].support
    ]
    if not unmeasured:
        yield _reason(rule, True, f"each of the {len(report.labels)} classes has {rows}")
        return
    more = len(unmeasured) - MOST_NAMED
    named = ", ".join(map(repr, unmeasured[:MOST_NAMED])) + (f" and {more} more" if more > 0 else "")
    yield _reason(rule, False, f"no {rows} of {named}: not measured; add {report.row_noun}s of it, or raise split.test")


def _margins(report: EvaluationReport, gate: Gate) -> Iterator[Reason]:
    margin = {report.primary_metric: _default_margin(report)} if gate.margin is None else gate.margin
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


def _default_margin(report: EvaluationReport) -> float:
    """DEFAULT_MARGIN of what the primary metric ranges over; without end, of the champion's value."""
    name, comparison = report.primary_metric, report.comparison
    if name not in {spec.name for spec in report.specs}:
        return DEFAULT_MARGIN
    span = report.spec(name).span
    if span is None:
        theirs = comparison.metrics.get(name) if comparison else None
        span = abs(theirs.value) if theirs and not isnan(theirs.value) else 0.0
    return DEFAULT_MARGIN * span


def _margin(report: EvaluationReport, name: str, allowed: float, *, by_interval: bool) -> Reason:
    """Whether the gain, or the low end of its interval, is at most `allowed` below nothing."""
    rule = f"margin {name}" if by_interval else f"value margin {name}"
    comparison = report.comparison
    if comparison is None or name not in report.metrics:
        return _missing(rule, name, report.metrics)
    if name not in comparison.metrics or name not in comparison.differences:
        return _missing(f"{rule} of the champion", name, comparison.differences)
    gain = report.gain(name, comparison.differences[name])
    judged = gain.low if by_interval else gain.value
    passed = judged >= -allowed - ROUNDING
    end = "interval's low end" if by_interval else gain_name(report.spec(name))
    theirs = comparison.metrics[name].value
    compared = beside(passed, gain, report.spec(name), certain=not by_interval)
    return _reason(
        rule,
        passed,
        f"{shown(name, report.metrics[name], report)} {compared} champion {comparison.champion}'s {number(theirs)}: "
        f"{gain_shown(gain, report.spec(name))}, at least {signed(-allowed)} required of the {end}",
    )


def _floors(rule: str, spec: MetricSpec, floor: float, groups: Mapping[str, Mapping[str, Metric]]) -> Reason:
    """One rule over all classes or slices; the message names those that fail, or the worst."""
    name, word = spec.name, "floor" if spec.higher else "ceiling"
    if not groups:
        return _reason(rule, False, f"{name} {word} {floor:.3f}: nothing was large enough to measure; lower min_rows")
    values = {group: metrics[name].value if name in metrics else float("nan") for group, metrics in groups.items()}
    failing = {group: value for group, value in values.items() if not spec.reaches(value, floor)}
    if failing:
        listed = ", ".join(f"{group} {number(value)}" for group, value in failing.items())
        side = "below" if spec.higher else "above"
        return _reason(rule, False, f"{name} is {side} the {word} {floor:.3f} or undefined: {listed}")
    worst = min(values, key=lambda group: spec.gain(values[group], 0))
    kept, least = ("reaches", "lowest") if spec.higher else ("is within", "highest")
    return _reason(rule, True, f"{name} {kept} the {word} {floor:.3f} everywhere; {least}: {worst} {values[worst]:.3f}")


def _constant(report: EvaluationReport) -> Reason:
    rule, name = f"better than {report.baseline_name}", report.primary_metric
    metric, baseline = report.metrics.get(name), report.baseline.metrics.get(name)
    if metric is None or baseline is None:
        return _missing(rule, name, report.metrics if metric is None else report.baseline.metrics)
    higher = report.spec(name).higher
    passed = metric.low > baseline if higher else metric.high < baseline
    side = "above" if higher else "below"
    verb = f"lies {side}" if passed else f"is not certain to lie {side}"
    always = f"always answering {report.baseline.label!r}: {number(baseline)}"
    return _reason(rule, passed, f"{shown(name, metric, report)} {verb} {always}")


def _baseline(report: EvaluationReport, simple: Baseline, *, certainly: bool) -> Reason:
    """Whether the model is not certainly worse than a simple one; with `certainly`, whether it is certainly better."""
    rule, name = f"{'better' if certainly else 'not worse'} than {simple.label}", report.primary_metric
    metric, difference = report.metrics.get(name), simple.differences.get(name)
    if metric is None or name not in simple.metrics or difference is None:
        return _missing(rule, name, report.metrics if metric is None else simple.differences)
    gain = report.gain(name, difference)
    if isnan(gain.low) or isnan(gain.high):
        passed, verb = False, "cannot be compared with"
    elif certainly:
        passed = gain.low > 0
        verb = "is certainly better than" if passed else "is not certain to be better than"
    else:
        passed = gain.high >= 0
        verb = "is not certainly worse than" if passed else "is certainly worse than"
    theirs = f"a {simple.label}: {number(simple.metrics[name])}"
    message = f"{shown(name, metric, report)} {verb} {theirs}, {gain_shown(gain, report.spec(name))}"
    return _reason(rule, passed, message if passed else f"{message}; {advice(certainly)}")


def _limit(rule: str, what: str, value: float, limit: float, unit: str) -> Reason:
    passed = value <= limit
    verb = "is undefined beside" if isnan(value) else "is within" if passed else "is above"
    return _reason(rule, passed, f"{what} {value:.1f} {unit} {verb} the limit {limit:g} {unit}")


def _judged_against(report: EvaluationReport) -> str | None:
    return report.comparison.champion if report.comparison else None


def _missing(rule: str, name: str, measured: Mapping[str, object]) -> Reason:
    return _reason(rule, False, f"{name} was not measured (report has: {', '.join(measured) or 'nothing'})")


def _reason(rule: str, passed: bool, message: str) -> Reason:
    return Reason(rule=rule, passed=passed, message=message)
