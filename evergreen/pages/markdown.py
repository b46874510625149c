"""Challenger against champion in Markdown, for a pull request.

| metric | champion | challenger | difference | 95 % interval | |
| --- | --- | --- | --- | --- | --- |
| **Accuracy** | 0.951 | 0.960 | +0.009 | −0.002 to +0.020 | no clear difference |
"""

from __future__ import annotations

from collections.abc import Iterator

from evergreen.core.baselines import leader_sentence
from evergreen.core.decision import PromotionDecision, Reason
from evergreen.core.deployment import Deployment
from evergreen.core.report import EvaluationReport
from evergreen.core.sections import Cell
from evergreen.pages.evaluation import judged, lead_metric
from evergreen.pages.formatting import clean, count, decimal, interval, level, signed, signed_interval, words
from evergreen.pages.outcome import OUTCOMES, verdict_words

MOST_COLUMNS = 12
MOST_ROWS = 25
_SPECIAL = str.maketrans(
    {special: f"\\{special}" for special in "\\`*_{}[]<>#|~!&"}
    | {"@": "@\N{WORD JOINER}"}  # GitHub calls people also behind a \
)


def outcome_markdown(
    report: EvaluationReport,
    decision: PromotionDecision,
    deployment: Deployment,
    *,
    page: str,
    run: str,
    run_url: str | None,
) -> str:
    """The verdict, every overall metric, every rule of the gate, and where to look.

    `page` is where the report page was saved, `run` and `run_url` the run's name and its page in the dashboard.
    """
    _, title, sentence = verdict_words(decision)
    return "\n".join(
        [
            f"### {plain(deployment.model)}: {title.lower()}",
            "",
            plain(sentence),
            "",
            *_table(report),
            "",
            f"{_measured_on(report)} {_deployed(deployment)}",
            "",
            *_reasons(decision),
            "",
            *_sections(report),
            f"Run {f'[{plain(run)}]({run_url})' if run_url else plain(run)}, report `{clean(page)}`",
            "",
        ]
    )


def plain(text: str) -> str:
    """One line in which nothing is markup, nor names anybody: labels and messages may hold what a data set holds."""
    return clean(" ".join(text.split())).translate(_SPECIAL)


def _table(report: EvaluationReport) -> Iterator[str]:
    comparison = report.comparison
    champion = comparison.metrics if comparison else {}
    differences = comparison.differences if comparison else {}
    lead = lead_metric(report)
    confidence = level(report.confidence)
    turned = "difference" if all(report.spec(name).higher for name in report.metrics) else "gain"
    yield f"| metric | champion | challenger | {confidence} interval | {turned} | {confidence} interval | |"
    yield "| --- | ---: | ---: | --- | ---: | --- | --- |"
    for name, metric in report.metrics.items():
        shown = plain(words(name)) + ("" if report.spec(name).higher else f" {report.spec(name).arrow}")
        cells = [f"**{shown}**" if name == lead else shown]
        cells.append(decimal(champion[name].value) if name in champion else "–")
        cells += [decimal(metric.value), interval(metric)]
        if name in differences:
            gain = report.gain(name, differences[name])
            cells += [signed(gain.value), signed_interval(gain), judged(gain)[0]]
        else:
            cells += ["–", "–", ""]
        yield f"| {' | '.join(cells)} |"


def _sections(report: EvaluationReport) -> Iterator[str]:
    """Those that hold no rows of the data, as folded tables."""
    for table in (section.table() for section in report.sections if not section.holds_rows):
        if len(table.columns) > MOST_COLUMNS:
            continue
        yield from (f"<details><summary>{plain(table.title)}</summary>", "")
        yield f"| {' | '.join(map(plain, table.columns))} |"
        yield f"|{' --- |' * len(table.columns)}"
        for row in table.rows[:MOST_ROWS]:
            yield f"| {' | '.join(_cell(cell) for cell in row)} |"
        yield from ("", "</details>", "")


def _cell(cell: Cell) -> str:
    return decimal(cell) if isinstance(cell, float) else plain("–" if cell is None else str(cell))


def _measured_on(report: EvaluationReport) -> str:
    where = f"Measured on {count(report.rows)} test {report.row_noun}s"
    name = lead_metric(report)
    scores = []
    if name is not None and name in report.baseline.metrics:
        always = f"always answering {plain(repr(report.baseline.label))}"
        scores.append(f"{always} scores {decimal(report.baseline.metrics[name])}")
    if name is not None:
        scores += [
            f"a {plain(simple.label)} {decimal(simple.metrics[name])}"
            for simple in report.references
            if name in simple.metrics
        ]
    compared = f"{where}; {', '.join(scores)}." if scores else f"{where}."
    ahead = leader_sentence(report)
    return f"**A baseline is ahead**: {plain(ahead)}. {compared}" if ahead else compared


def _deployed(deployment: Deployment) -> str:
    return f"**{OUTCOMES[deployment.outcome][1]}**: {plain(deployment.message)}"


def _reasons(decision: PromotionDecision) -> Iterator[str]:
    """Those that failed stand open, the others folded."""
    failed = [reason for reason in decision.reasons if not reason.passed]
    passed = [reason for reason in decision.reasons if reason.passed]
    yield from (_reason(reason) for reason in failed)
    if passed:
        yield from ("", f"<details><summary>{len(passed)} of {len(decision.reasons)} rules passed</summary>", "")
        yield from (_reason(reason) for reason in passed)
        yield from ("", "</details>")


def _reason(reason: Reason) -> str:
    return f"- {'✓' if reason.passed else '✗'} **{plain(reason.rule)}** {plain(reason.message)}"
