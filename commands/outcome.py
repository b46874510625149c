"""What a run found and decided, as files for whoever comes after it: programs, and a pull request.

outcome.json  {"accepted": true, "champion": "8b5f…", "differences": {"accuracy": {"value": 0.01, …}}, …}
outcome.md    the same as a table with the gate's reasons
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from evergreen.core.base import Frozen
from evergreen.core.baselines import leader_sentence, measured_baselines
from evergreen.core.decision import PromotionDecision, Reason, Verdict
from evergreen.core.errors import InputError
from evergreen.core.metric import Metric
from evergreen.core.report import Baseline
from evergreen.pages.markdown import outcome_markdown

if TYPE_CHECKING:
    from orchestration.runs import RunOutcome

JSON, MARKDOWN = "outcome.json", "outcome.md"


class Judgement(Frozen):
    """Challenger against champion, and what the gate made of it.

    `accepted` is whether the gate let the version through; so it was where the version is the champion already.
    `champion`, `champion_metrics`, `differences` (challenger minus champion) and `gains` (the same, turned so that more
    is better) are empty where there was none. `baselines` are the simple models scored on the same rows, `leader` says
    which of them is ahead.
    `deployment` is what became of the endpoint, `lead` the metric to look at first.
    """

    model: str
    run: str
    run_url: str | None
    accepted: bool
    verdict: Verdict
    reasons: tuple[Reason, ...]
    lead: str
    confidence: float
    version: str
    metrics: dict[str, Metric]
    champion: str | None
    champion_metrics: dict[str, Metric]
    differences: dict[str, Metric]
    gains: dict[str, Metric]
    baselines: tuple[Baseline, ...]
    leader: str | None
    deployment: str
    endpoint: str | None
    report: str


def empty_folder(folder: Path) -> None:
    """Makes the folder, and removes what an earlier run told there: a run that fails leaves no outcome behind.

    Raises:
        InputError: it cannot be written; better told before the run.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in (JSON, MARKDOWN):
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"--outcome {folder} cannot be written: {error}; name another folder") from error


def write_outcome(folder: Path, outcome: RunOutcome) -> None:
    """Writes both files."""
    judgement = judgement_of(outcome)
    markdown = outcome_markdown(
        outcome.report,
        outcome.decision,
        outcome.deployment,
        page=outcome.report_page,
        run=outcome.run,
        run_url=outcome.run_url,
    )
    (folder / JSON).write_text(judgement.model_dump_json(indent=2) + "\n", encoding="utf-8")
    (folder / MARKDOWN).write_text(markdown, encoding="utf-8")


def judgement_of(outcome: RunOutcome) -> Judgement:
    """What of an outcome others decide on."""
    report, decision, deployment = outcome.report, outcome.decision, outcome.deployment
    comparison = report.comparison
    return Judgement(
        model=deployment.model,
        run=outcome.run,
        run_url=outcome.run_url,
        accepted=_accepted(decision),
        verdict=decision.verdict,
        reasons=decision.reasons,
        lead=report.primary_metric,
        confidence=report.confidence,
        version=decision.version,
        metrics=report.metrics,
        champion=decision.champion,
        champion_metrics=comparison.metrics if comparison else {},
        differences=comparison.differences if comparison else {},
        gains={name: report.gain(name, difference) for name, difference in comparison.differences.items()}
        if comparison
        else {},
        baselines=measured_baselines(report),
        leader=leader_sentence(report),
        deployment=deployment.outcome,
        endpoint=deployment.url,
        report=outcome.report_page,
    )


def _accepted(decision: PromotionDecision) -> bool:
    return decision.verdict is Verdict.PROMOTE or decision.champion == decision.version
