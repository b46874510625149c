"""What steps tell MLflow: of an evaluation metrics, intervals and the report, of a rollout each share and its page."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from evergreen.adapters.mlflow.sender import deliver, impatient
from evergreen.adapters.mlflow.spool import Spool
from evergreen.adapters.mlflow.tracking import active_run
from evergreen.core.artifacts import TrainedModel
from evergreen.core.deployment import Deployment, Transition
from evergreen.core.report import EvaluationReport
from evergreen.pages.evaluation import evaluation_page
from evergreen.pages.outcome import deployment_page
from evergreen.runtime.asides import beside_the_point
from orchestration.training_run import model_notes


def track_report(model: TrainedModel, report: EvaluationReport) -> None:
    """Records the test metrics and attaches the report as JSON and as a page; what MLflow does not take now, `promote`
    sends.
    """
    with beside_the_point("the evaluation in MLflow"), model_notes(model) as notes:
        if notes is None:
            return
        notes.add_point({f"test/{name}": metric.value for name, metric in report.metrics.items()}, step=0)
        notes.add_page("evaluation/report.json", report.model_dump_json(indent=2))
        notes.add_page("evaluation/report.html", evaluation_page(report))


def track_rollout(deployment: Deployment) -> None:
    """Records the shares of a ramp, one a step, and the page that shows them; nothing where there was none."""
    with beside_the_point("the rollout in MLflow"), TemporaryDirectory() as folder:
        target = active_run() if deployment.transitions else None
        if target is None:
            return
        spool = Spool(Path(folder))
        spool.belong_to(target.id)
        for step, share in enumerate(deployment.transitions):
            spool.add_point(_point(share), step)
        spool.add_page("rollout/transitions.json", deployment.model_dump_json(indent=2, include={"transitions"}))
        spool.add_page("rollout/deployment.html", deployment_page(deployment))
        with impatient():
            deliver(spool, target.uri)


def _point(share: Transition) -> dict[str, float]:
    seconds = (share.until - share.since).total_seconds() if share.until else 0.0
    point = {"rollout/share": float(share.share), "rollout/seconds": seconds}
    if share.judgement is not None:
        requests = (share.judgement.newcomer_requests, share.judgement.champion_requests)
        point |= {"rollout/newcomer_requests": float(requests[0]), "rollout/champion_requests": float(requests[1])}
        point |= {f"rollout/{found.rule}": found.value for found in share.judgement.findings}
    return point
