"""What a step tells MLflow about an evaluation: metrics, intervals and the report itself."""

from __future__ import annotations

from evergreen.adapters.mlflow.tracking import log_metrics, log_text
from evergreen.core.reports import EvaluationReport
from evergreen.pages.evaluation import evaluation_page


def track_report(report: EvaluationReport) -> None:
    """Records the test metrics and attaches the report as JSON and as a page."""
    metrics = {f"test/{name}": metric.value for name, metric in report.metrics.items()}
    log_metrics(metrics, step=0)
    log_text("evaluation/report.json", report.model_dump_json(indent=2))
    log_text("evaluation/report.html", evaluation_page(report))
