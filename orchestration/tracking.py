"""What a step tells MLflow about an evaluation: metrics, intervals and the report itself."""

from __future__ import annotations

from evergreen.core.artifacts import TrainedModel
from evergreen.core.report import EvaluationReport
from evergreen.pages.evaluation import evaluation_page
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
