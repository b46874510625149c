"""The page of an evaluation: how good a version is, how sure that is, against whom, and where it errs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from evergreen.core.baselines import leader_sentence, measured_baselines
from evergreen.core.colours import colour_of
from evergreen.core.reports import Baseline, EvaluationReport, Metric, MetricName
from evergreen.pages.charts.heatmap import heatmap
from evergreen.pages.charts.intervals import IntervalRow, Whisker, intervals, spark
from evergreen.pages.formatting import clip, counted, decimal, interval, level, ratio, signed, signed_interval, words
from evergreen.pages.render import render

MOST_LABELS = 25
MOST_CONFUSIONS = 8
MOST_SMALL_SLICES = 20

Matrix = Sequence[Sequence[int]]


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
    """HTML: metrics with intervals beside the majority baseline, champion against challenger, errors, cost, lineage."""
    labels, counts = fold(report.labels, report.confusion) if report.confusion else ([], [])
    comparison = report.comparison
    classes = _classes(report)
    class_lead = words(report.terms.class_lead)
    return render(
        "evaluation.html",
        report=report,
        level=level(report.confidence),
        lead=lead_metric(report),
        metric_chart=intervals("Metrics with intervals", _metric_rows(report)),
        headline=_headline(report),
        leader=leader_sentence(report),
        baselines=_baselines(report),
        difference_chart=comparison and intervals("Differences", _difference_rows(report), around_zero=True),
        class_chart=comparison and intervals(f"{class_lead} differences", _class_rows(report), around_zero=True),
        matrix=heatmap("Confusion matrix", labels, counts, report.terms.counted),
        folded=len(report.labels) - len(labels) + 1 if 0 < len(labels) < len(report.labels) else 0,
        confusions=_confusions(report),
        most_labels=MOST_LABELS,
        class_lead=class_lead,
        classes=classes[:MOST_LABELS],
        other_classes=classes[MOST_LABELS:],
        class_names=_class_names(report),
        class_sparks=_class_sparks(report),
        most_small=MOST_SMALL_SLICES,
        slice_names=_names(one.metrics for one in report.slices),
        legend=[(label, colour_of(number)) for number, label in enumerate(report.labels)],
    )


def lead_metric(report: EvaluationReport) -> str | None:
    """The name of the metric that a summary leads with."""
    return report.terms.lead if report.terms.lead in report.metrics else next(iter(report.metrics), None)


def judged(gain: Metric) -> tuple[str, str]:
    """(words, tone) of a paired gain (`EvaluationReport.gain`): clear only when its interval leaves zero out."""
    if math.isfinite(gain.low) and gain.low > 0:
        return "better", "good"
    if math.isfinite(gain.high) and gain.high < 0:
        return "worse", "bad"
    return "no clear difference", "neutral"


def fold(labels: Sequence[str], counts: Matrix) -> tuple[list[str], list[list[int]]]:
    """Labels and matrix that fit a page: with too many labels those with the fewest errors become one, `others`."""
    if len(labels) <= MOST_LABELS:
        return list(labels), [list(row) for row in counts]
    errors = [sum(row) + sum(other[i] for other in counts) - 2 * row[i] for i, row in enumerate(counts)]
    ranked = sorted(range(len(labels)), key=lambda i: (-errors[i], i))
    kept = sorted(ranked[: MOST_LABELS - 1])
    place = {old: new for new, old in enumerate(kept)}
    folded = [[0] * MOST_LABELS for _ in range(MOST_LABELS)]
    for i, row in enumerate(counts):
        for j, rows in enumerate(row):
            folded[place.get(i, MOST_LABELS - 1)][place.get(j, MOST_LABELS - 1)] += rows
    return [*(labels[i] for i in kept), f"{len(labels) - len(kept)} others"], folded


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
    """Each baseline in each metric that both have, the leading metric first."""
    names = sorted(report.metrics, key=lambda name: name != report.terms.lead)
    return [
        _baseline_row(report, one, name) for name in names for one in measured_baselines(report) if name in one.metrics
    ]


def _baseline_row(report: EvaluationReport, one: Baseline, name: str) -> BaselineRow:
    label = f"always answering “{clip(one.label, 40)}”" if one is report.baseline else one.label
    if one.fitted_on is not None:
        label += f" (fitted on {counted(one.fitted_on, report.terms.row)})"
    gain = report.gain(name, one.differences[name]) if name in one.differences else None
    verdict, tone = judged(gain) if gain else ("not compared", "neutral")
    ours = report.metrics[name].value
    return BaselineRow(label, _directed(report, name), one.metrics[name], ours, gain, verdict, tone)


def _difference_rows(report: EvaluationReport) -> list[IntervalRow]:
    differences = report.comparison.differences if report.comparison else {}
    return [_difference_row(_directed(report, name), report.gain(name, one)) for name, one in differences.items()]


def _class_rows(report: EvaluationReport) -> list[IntervalRow]:
    name, differences = report.terms.class_lead, report.comparison.class_differences if report.comparison else {}
    found = {label: report.gain(name, metrics[name]) for label, metrics in differences.items() if name in metrics}
    if len(found) > MOST_LABELS:
        found = dict(sorted(found.items(), key=lambda pair: (-_magnitude(pair[1]), pair[0]))[:MOST_LABELS])
    return [_difference_row(label, metric) for label, metric in found.items()]


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


def _confusions(report: EvaluationReport) -> list[tuple[str, str, int, float]]:
    """(true, predicted, rows, share of the true label's rows) of the most frequent confusions."""
    found = [
        (report.labels[i], report.labels[j], rows, ratio(rows, sum(row)))
        for i, row in enumerate(report.confusion)
        for j, rows in enumerate(row)
        if rows and i != j
    ]
    return sorted(found, key=lambda one: (-one[2], one[0], one[1]))[:MOST_CONFUSIONS]


def _classes(report: EvaluationReport) -> list[str]:
    """The classes as the report orders them; the worst first where they are too many for one look."""
    per_class, name = report.per_class, report.terms.class_lead
    if len(per_class) <= MOST_LABELS:
        return list(per_class)
    found = {label: one.metrics.get(name) for label, one in per_class.items()}
    turn = 1 if report.spec(name).higher else -1
    return sorted(per_class, key=lambda label: turn * _magnitude(found[label]))


def _class_names(report: EvaluationReport) -> list[str]:
    found = _names(one.metrics for one in report.per_class.values())
    return [name for name in MetricName.PER_CLASS if name in found] + [
        name for name in found if name not in MetricName.PER_CLASS
    ]


def _names(metrics: Iterable[dict[str, Metric]]) -> list[str]:
    return list(dict.fromkeys(name for one in metrics for name in one))


def _class_sparks(report: EvaluationReport) -> dict[str, object]:
    """A drawn interval of the classes' lead metric by class, all on one axis."""
    name = report.terms.class_lead
    found = {label: one.metrics[name] for label, one in report.per_class.items() if name in one.metrics}
    bounds = [bound for metric in found.values() for bound in (metric.low, metric.value) if math.isfinite(bound)]
    low = math.floor(min(bounds, default=0.0) * 10) / 10
    if report.spec(name).span is None and report.specs:
        high = max((metric.high for metric in found.values() if math.isfinite(metric.high)), default=1.0)
        return {label: spark(metric, low, high) for label, metric in found.items()}
    return {label: spark(metric, min(low, 0.9), 1.0) for label, metric in found.items()}
