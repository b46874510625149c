"""An evaluation report in the shape of Vertex AI's model evaluations, which its console draws.

Schemas: gs://google-cloud-aiplatform/schema/modelevaluation/ classification_metrics_1.0.0.yaml and
image_segmentation_metrics_1.0.0.yaml
"""

from __future__ import annotations

import math
from typing import Any

from evergreen.core.reports import EvaluationReport, Metric, MetricName

SCHEMAS = "gs://google-cloud-aiplatform/schema/modelevaluation"
SCHEMA = f"{SCHEMAS}/classification_metrics_1.0.0.yaml"
MASK_SCHEMA = f"{SCHEMAS}/image_segmentation_metrics_1.0.0.yaml"


def evaluation_message(report: EvaluationReport) -> Any:
    """The evaluation: confusion matrix and micro/macro scores by the schema; all metrics with intervals as metadata."""
    from google.cloud import aiplatform_v1 as v1
    from google.protobuf.json_format import ParseDict
    from google.protobuf.struct_pb2 import Value

    of_masks = MetricName.MEAN_IOU in report.metrics
    return v1.ModelEvaluation(
        display_name=f"test split {report.splits[:12]}",
        metrics_schema_uri=MASK_SCHEMA if of_masks else SCHEMA,
        metrics=ParseDict(_mask_metrics(report) if of_masks else _metrics(report), Value()),
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
    return {"confidenceMetrics": [scores], "confusionMatrix": _confusion_matrix(report)}


def _mask_metrics(report: EvaluationReport) -> dict[str, object]:
    """One entry without a threshold: each pixel has the class of its highest logit."""
    iou, dice = (_finite(report.metrics.get(name)) for name in (MetricName.MEAN_IOU, MetricName.DICE))
    scores = {"iouScore": iou, "diceScoreCoefficient": dice}
    entry: dict[str, object] = {name: value for name, value in scores.items() if value is not None}
    return {"confidenceMetricsEntries": [entry | {"confusionMatrix": _confusion_matrix(report)}]}


def _confusion_matrix(report: EvaluationReport) -> dict[str, object]:
    return {
        "annotationSpecs": [{"displayName": name} for name in report.labels],
        "rows": [list(row) for row in report.confusion],
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
