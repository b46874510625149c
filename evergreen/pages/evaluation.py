"""The page of an evaluation: how good a version is, how sure that is, against what, and where it errs."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from evergreen.core.baselines import leader_sentence, measured_baselines
from evergreen.core.metric import Metric
from evergreen.core.report import Baseline, EvaluationReport
from evergreen.core.sections import ScoredRows
from evergreen.pages.charts import IntervalRow, Whisker, intervals, spark
from evergreen.pages.formatting import clip, counted, decimal, interval, level, signed, signed_interval, words
from evergreen.pages.render import render
from evergreen.pages.sections import MOST_LABELS, drawn_sections

MOST_SMALL_SLICES = 20


class BaselineRow(NamedTuple):
    """One baseline in one metric; `gain` is what the version is better by, paired (None: not compared)."""

    label: str
    metric: str
    value: float
    ours: float
    gain: Metric | None
    verdict: str
    tone: str


def evaluation_page(report: EvaluationReport) -> str:
    """HTML: metrics with intervals beside baselines, challenger against champion, sections by kind, cost, lineage."""
    comparison = report.comparison
    classes = _classes(report)
    class_lead = words(report.primary_class_metric or "")
    return render(
        "evaluation.html",
        report=report,
        level=level(report.confidence),
        scored=report.section(ScoredRows),
        of_rows=counted(report.rows, measured_noun(report)),
        lead=lead_metric(report),
        metric_chart=intervals("Metrics with intervals", _metric_rows(report)),
        headline=_headline(report),
        leader=leader_sentence(report),
        baselines=_baselines(report),
        difference_chart=comparison and intervals("Differences", _difference_rows(report), around_zero=True),
        class_chart=comparison and intervals(f"{class_lead} differences", _class_rows(report), around_zero=True),
        sections=drawn_sections(report.sections, report.row_noun),
        most_labels=MOST_LABELS,
        class_lead=class_lead,
        classes=classes[:MOST_LABELS],
        other_classes=classes[MOST_LABELS:],
        class_names=_class_names(report),
        class_sparks=_class_sparks(report),
        most_small=MOST_SMALL_SLICES,
        slice_names=_names(part.metrics for part in report.slices),
    )


def measured_noun(report: EvaluationReport) -> str:
    """What a row is called that the metrics are of: `test row`, or `labelled row` where none was split off."""
    return f"{'test' if report.section(ScoredRows) is None else 'labelled'} {report.row_noun}"


def lead_metric(report: EvaluationReport) -> str | None:
    """The name of the metric that a summary leads with."""
    return report.primary_metric if report.primary_metric in report.metrics else next(iter(report.metrics), None)


def judged(gain: Metric) -> tuple[str, str]:
    """(words, tone) of a paired gain (`EvaluationReport.gain`): clear only when its interval leaves zero out."""
    if math.isfinite(gain.low) and gain.low > 0:
        return "better", "good"
    if math.isfinite(gain.high) and gain.high < 0:
        return "worse", "bad"
    return "no clear difference", "neutral"


def _metric_rows(report: EvaluationReport) -> list[IntervalRow]:
    champion = report.comparison.metrics if report.comparison else {}
    rows = []
    for name, metric in report.metrics.items():
        whiskers = [Whisker(metric, f"{decimal(metric.value)}  ({interval(metric)})")]
        if other := champion.get(name):
            whiskers.append(Whisker(other, f"{decimal(other.value)}  ({interval(other)})", "champion"))
        rows.append(IntervalRow(_directed(report, name), tuple(whiskers), report.baseline.metrics.get(name)))
    return rows


def _directed(report: EvaluationReport, name: str) -> str:
    """The metric in words, with its unit, and an arrow where less is better: `Mean absolute error, EUR ↓`."""
    spec = report.spec(name)
    named = f"{words(name)}, {spec.unit}" if spec.unit else words(name)
    return named if spec.higher else f"{named} {spec.arrow}"


def _baselines(report: EvaluationReport) -> list[BaselineRow]:
    """Each baseline in each metric that both have, the primary metric first."""
    names = sorted(report.metrics, key=lambda name: name != report.primary_metric)
    baselines = measured_baselines(report)
    return [_baseline_row(report, simple, name) for name in names for simple in baselines if name in simple.metrics]


def _baseline_row(report: EvaluationReport, simple: Baseline, name: str) -> BaselineRow:
    label = f"always answering “{clip(simple.label, 40)}”" if simple is report.baseline else simple.label
    if simple.fitted_on is not None:
        label += f" (fitted on {counted(simple.fitted_on, report.row_noun)})"
    gain = report.gain(name, simple.differences[name]) if name in simple.differences else None
    verdict, tone = judged(gain) if gain else ("not compared", "neutral")
    ours = report.metrics[name].value
    return BaselineRow(label, _directed(report, name), simple.metrics[name], ours, gain, verdict, tone)


def _difference_rows(report: EvaluationReport) -> list[IntervalRow]:
    differences = report.comparison.differences if report.comparison else {}
    return [
        _difference_row(_directed(report, name), report.gain(name, measured)) for name, measured in differences.items()
    ]


def _class_rows(report: EvaluationReport) -> list[IntervalRow]:
    name, differences = report.primary_class_metric, report.comparison.class_differences if report.comparison else {}
    gains = {
        label: report.gain(name, metrics[name]) for label, metrics in differences.items() if name and name in metrics
    }
    if len(gains) > MOST_LABELS:
        gains = dict(sorted(gains.items(), key=lambda pair: (-_magnitude(pair[1]), pair[0]))[:MOST_LABELS])
    return [_difference_row(label, metric) for label, metric in gains.items()]


def _magnitude(metric: Metric | None) -> float:
    return abs(metric.value) if metric and math.isfinite(metric.value) else -1.0


def _difference_row(label: str, metric: Metric) -> IntervalRow:
    note = f"{signed(metric.value)}  ({signed_interval(metric)})"
    return IntervalRow(label, (Whisker(metric, note, judged(metric)[1]),))


def _headline(report: EvaluationReport) -> tuple[str, Metric, str, str] | None:
    """(metric, gain, words, tone) of the lead metric against the champion."""
    name = lead_metric(report)
    if name is None or report.comparison is None or name not in report.comparison.differences:
        return None
    gain = report.gain(name, report.comparison.differences[name])
    return (words(name), gain, *judged(gain))


def _classes(report: EvaluationReport) -> list[str]:
    """The classes as the report orders them; the worst first where they are too many to read at once."""
    per_class, name = report.per_class, report.primary_class_metric
    if name is None or len(per_class) <= MOST_LABELS:
        return list(per_class)
    turn = 1 if report.spec(name).higher else -1
    return sorted(per_class, key=lambda label: turn * _magnitude(per_class[label].metrics.get(name)))


def _class_names(report: EvaluationReport) -> list[str]:
    return _names(measured.metrics for measured in report.per_class.values())


def _names(metrics: Iterable[dict[str, Metric]]) -> list[str]:
    return list(dict.fromkeys(name for by_name in metrics for name in by_name))


def _class_sparks(report: EvaluationReport) -> dict[str, object]:
    """A drawn interval of the classes' lead metric by class, all on one axis."""
    name = report.primary_class_metric
    if name is None:
        return {}
    by_class = {
        label: measured.metrics[name] for label, measured in report.per_class.items() if name in measured.metrics
    }
    bounds = [bound for metric in by_class.values() for bound in (metric.low, metric.value) if math.isfinite(bound)]
    low = math.floor(min(bounds, default=0.0) * 10) / 10
    if report.spec(name).span is None and report.specs:
        high = max((metric.high for metric in by_class.values() if math.isfinite(metric.high)), default=1.0)
        return {label: spark(metric, low, high) for label, metric in by_class.items()}
    return {label: spark(metric, min(low, 0.9), 1.0) for label, metric in by_class.items()}
