"""An evaluation report in the shape of Vertex AI's model evaluations, which its console draws.

Schema: gs://google-cloud-aiplatform/schema/modelevaluation/classification_metrics_1.0.0.yaml
"""

from __future__ import annotations

import math
from typing import Any

from evergreen.core.reports import EvaluationReport, Metric, MetricName

SCHEMA = "gs://google-cloud-aiplatform/schema/modelevaluation/classification_metrics_1.0.0.yaml"


def evaluation_message(report: EvaluationReport) -> Any:
    """The evaluation: confusion matrix and micro/macro scores by the schema; all metrics with intervals as metadata."""
    from google.cloud import aiplatform_v1 as v1
    from google.protobuf.json_format import ParseDict
    from google.protobuf.struct_pb2 import Value

    return v1.ModelEvaluation(
        display_name=f"test split {report.splits[:12]}",
        metrics_schema_uri=SCHEMA,
        metrics=ParseDict(_metrics(report), Value()),
        metadata=ParseDict(_metadata(report), Value()),
    )


def _metrics(report: EvaluationReport) -> dict[str, object]:
    """Each row has one label and the most probable one is taken: precision and recall over all rows are accuracy."""
    accuracy, macro_f1 = (_finite(report.metrics.get(name)) for name in (MetricName.ACCURACY, MetricName.MACRO_F1))
    scores: dict[str, object] = {"confidenceThreshold": 0.0, "maxPredictions": 1}
    if accuracy is not None:
        scores |= {"precision": accuracy, "recall": accuracy, "f1Score": accuracy, "f1ScoreMicro": accuracy}
    if macro_f1 is not None:
        scores["f1ScoreMacro"] = macro_f1
    return {
        "confidenceMetrics": [scores],
        "confusionMatrix": {
            "annotationSpecs": [{"displayName": name} for name in report.labels],
            "rows": [list(row) for row in report.confusion],
        },
    }


def _metadata(report: EvaluationReport) -> dict[str, object]:
    finite = {name: one for name, one in report.metrics.items() if _finite(one) is not None}
    intervals = {name: {"value": one.value, "low": one.low, "high": one.high} for name, one in finite.items()}
    return {"test_rows": report.rows, "confidence": report.confidence, "metrics": intervals}


def _finite(metric: Metric | None) -> float | None:
    """The value, where value and interval can be written as JSON."""
    if metric is None or not all(math.isfinite(number) for number in (metric.value, metric.low, metric.high)):
        return None
    return metric.value
