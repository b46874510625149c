"""How a version stands beside the simple models that were scored on the same rows.

leader(report).label -> "logistic regression of TF-IDF"
"""

from __future__ import annotations

from math import isnan

from evergreen.core.report import Baseline, EvaluationReport


def measured_baselines(report: EvaluationReport) -> tuple[Baseline, ...]:
    """The majority and the simple models, in the report's order."""
    return (report.baseline, *report.references)


def leader(report: EvaluationReport) -> Baseline | None:
    """The baseline that scores best in the primary metric, where it scores better than the model; None: none does."""
    name = report.primary_metric
    metric = report.metrics.get(name)
    if metric is None:
        return None
    spec = report.spec(name)
    ahead = {
        baseline.label: (spec.gain(baseline.metrics[name], metric.value), baseline)
        for baseline in measured_baselines(report)
        if name in baseline.metrics and spec.gain(baseline.metrics[name], metric.value) > 0
    }
    return max(ahead.values(), key=lambda pair: pair[0])[1] if ahead else None


def leader_sentence(report: EvaluationReport) -> str | None:
    """`a logistic regression of TF-IDF leads: accuracy 0.974, this version 0.960; certainly better`; None: none leads.

    Where its interval holds zero, the sentence says that the difference is not certain.
    """
    ahead, name = leader(report), report.primary_metric
    if ahead is None:
        return None
    difference = ahead.differences.get(name)
    gain = report.gain(name, difference) if difference else None
    sure = "" if gain is None or isnan(gain.high) else "; certainly better" if gain.high < 0 else "; not certain"
    what = f"always answering {ahead.label!r}" if ahead is report.baseline else f"a {ahead.label}"
    return f"{what} leads: {name} {ahead.metrics[name]:.3f}, this version {report.metrics[name].value:.3f}{sure}"
