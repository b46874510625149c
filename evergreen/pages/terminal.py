"""What a run prints at its end: at most 16 lines, each with one fact.

accuracy    0.962 (95 % interval 0.944 to 0.978) on 445 test rows; always answering 'business' scores 0.229
"""

from __future__ import annotations

import math

from evergreen.core.baselines import leader_sentence
from evergreen.core.decision import PromotionDecision
from evergreen.core.deployment import Deployment
from evergreen.core.metric import Metric
from evergreen.core.publication import Publication
from evergreen.core.report import EvaluationReport
from evergreen.pages.curl import curl_command
from evergreen.pages.evaluation import judged, lead_metric, measured_noun
from evergreen.pages.formatting import UNDEFINED, clean, clip
from evergreen.pages.outcome import verdict_words

MOST_LINES = 16
MOST_FAILED = 5
_LONGEST = 1_200
"""Of a fact: one that quotes what a person said of a version ends with what to do."""


def terminal_summary(
    report: EvaluationReport,
    decision: PromotionDecision,
    deployment: Deployment,
    *,
    page: str | None = None,
    request_file: str = "request.json",
    intake: str | None = None,
) -> str:
    """Plain text: quality beside the baselines, verdict with failed reasons, endpoint, traffic, a curl command.

    `page` is where the report page was saved, `request_file` where a request too long for a command line is, `intake`
    what was read of what the source holds, and which rows of it are in no split, a line each.
    """
    lines = [
        *(_line("rows", line) for line in (intake or "").splitlines()),
        *_quality(report),
        *_verdict(decision),
        *_deployment(deployment),
        *([_line("report", page)] if page else []),
        *_trial(deployment, request_file),
    ]
    return "\n".join(lines[:MOST_LINES])


def evaluation_lines(report: EvaluationReport, page: str) -> str:
    """What a live version scores: each metric with its interval, the baselines, the rows, and where the page is."""
    first, *further = _quality(report)
    lead = lead_metric(report)
    others = [_line(name, _value(metric, report.confidence)) for name, metric in report.metrics.items() if name != lead]
    lines = [_line("version", report.version), first, *others, *further]
    return "\n".join([*lines, _line("report", page)])


def delivery_summary(
    deployment: Deployment, publication: Publication | None = None, *, request_file: str = "request.json"
) -> str:
    """Plain text of a version that was approved: endpoint, traffic, a curl command, and where it was published."""
    published = [publication_lines(publication)] if publication else []
    return "\n".join([*_deployment(deployment), *_trial(deployment, request_file), *published])


def publication_lines(publication: Publication) -> str:
    """What was published where: one line, or two with a Space."""
    where = f" {publication.url} (commit {publication.commit})" if publication.url else ""
    lines = [_line("published", f"{publication.outcome}: {publication.message}{where}")]
    if publication.space_url:
        lines.append(_line("space", publication.space_url))
    return "\n".join(lines)


def _quality(report: EvaluationReport) -> list[str]:
    name = lead_metric(report)
    if name is None:
        return [_line("quality", "no metric was measured")]
    metric = report.metrics[name]
    text = f"{_value(metric, report.confidence)} on {report.rows:,} {measured_noun(report)}s"
    if name in report.baseline.metrics:
        label = clip(report.baseline.label, 40)
        text += f"; always answering '{label}' scores {_number(report.baseline.metrics[name])}"
    for simple in report.references:
        if name in simple.metrics:
            text += f", a {simple.label} {_number(simple.metrics[name])}"
    lines = [_line(name, text)]
    if ahead := leader_sentence(report):
        lines.append(_line("baseline", ahead))
    comparison = report.comparison
    if comparison and name in comparison.differences:
        gain = report.gain(name, comparison.differences[name])
        bounds = f"({_number(gain.low, '+')} to {_number(gain.high, '+')})"
        turned = "difference" if report.spec(name).higher else "gain"
        text = f"{comparison.champion}: {turned} {_number(gain.value, '+')} {bounds}, {judged(gain)[0]}"
        lines.append(_line("champion", text))
    lines += [_line(section.kind, section.summary) for section in report.sections if section.summary]
    return lines


def _verdict(decision: PromotionDecision) -> list[str]:
    tone, title, sentence = verdict_words(decision)
    lines = [_line("verdict", f"{title.lower()}: {sentence[0].lower()}{sentence[1:]}")]
    if tone != "bad":
        return lines
    failed = [reason for reason in decision.reasons if not reason.passed]
    lines += [_line("", f"- {reason.message}") for reason in failed[:MOST_FAILED]]
    if len(failed) > MOST_FAILED:
        lines.append(_line("", f"- and {len(failed) - MOST_FAILED} more, see the decision page"))
    return lines


def _deployment(deployment: Deployment) -> list[str]:
    traffic = ", ".join(f"{version} {share} %" for version, share in sorted(deployment.traffic.items()) if share)
    return [
        _line("deployment", f"{deployment.outcome.replace('_', ' ')}: {deployment.message}"),
        _line("endpoint", deployment.url or "none"),
        _line("traffic", traffic or "none"),
        *([_line("shadow", str(deployment.shadow))] if deployment.shadow else []),
    ]


def _trial(deployment: Deployment, request_file: str) -> list[str]:
    """Where to try the endpoint, and how."""
    lines = [_line("page", f"{deployment.page} to try it in a browser")] if deployment.page else []
    if deployment.url and deployment.traffic:
        command = curl_command(deployment.url, deployment.token_command, deployment.example, request_file)
        lines.append(f"{'try it':<11} {command}")  # whole: it is to be pasted
    return lines


def _value(metric: Metric, confidence: float) -> str:
    bounds = f"{_number(metric.low)} to {_number(metric.high)}"
    return f"{_number(metric.value)} ({100 * confidence:g} % interval {bounds})"


def _number(value: float, sign: str = "") -> str:
    """Three decimals in plain ASCII, which every terminal can print."""
    return format(value, f"{sign}.3f") if math.isfinite(value) else UNDEFINED


def _line(name: str, text: str) -> str:
    return f"{clip(clean(name), 18):<11} {clip(clean(' '.join(text.split())), _LONGEST)}".rstrip()
