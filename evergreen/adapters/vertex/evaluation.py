"""An evaluation report in the shape of Vertex AI's model evaluations, which its console draws.

Schemas: gs://google-cloud-aiplatform/schema/modelevaluation/ classification_metrics_1.0.0.yaml,
image_segmentation_metrics_1.0.0.yaml and regression_metrics_1.0.0.yaml
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evergreen.core.metric import Metric, MetricName, MetricSpec
from evergreen.core.report import EvaluationReport
from evergreen.core.sections import ConfusionMatrix

if TYPE_CHECKING:
    from google.cloud.aiplatform_v1 import ModelEvaluation

LOCATION = "gs://google-cloud-aiplatform/schema/modelevaluation"


@dataclass(frozen=True)
class Schema:
    """One of Vertex AI's shapes of metrics: which of ours each of its `scores` is, and where the matrix goes."""

    name: str
    scores: Mapping[str, str]
    shape: Callable[[dict[str, object], dict[str, object]], dict[str, object]]

    @property
    def uri(self) -> str:
        """Where Vertex AI keeps the schema."""
        return f"{LOCATION}/{self.name}_1.0.0.yaml"

    def metrics(self, report: EvaluationReport) -> dict[str, object]:
        """The report's metrics in this shape, without those that are not finite."""
        values = {name: _finite(report.metrics.get(ours)) for name, ours in self.scores.items()}
        return self.shape({name: value for name, value in values.items() if value is not None}, _confusions(report))


SCHEMAS = {
    "classification": Schema(  # each row has one label, the most probable: precision and recall over all are accuracy
        "classification_metrics",
        dict.fromkeys(("precision", "recall", "f1Score", "f1ScoreMicro"), MetricName.ACCURACY)
        | {"f1ScoreMacro": MetricName.MACRO_F1},
        lambda scores, matrix: {
            "confidenceMetrics": [{"confidenceThreshold": 0.0, "maxPredictions": 1} | scores],
            **matrix,
        },
    ),
    "segmentation": Schema(  # one entry without a threshold: each pixel has the class of its highest logit
        "image_segmentation_metrics",
        {"iouScore": MetricName.MEAN_IOU, "diceScoreCoefficient": MetricName.DICE},
        lambda scores, matrix: {"confidenceMetricsEntries": [scores | matrix]},
    ),
    "regression": Schema(
        "regression_metrics",
        {
            "meanAbsoluteError": MetricName.MAE,
            "rootMeanSquaredError": MetricName.RMSE,
            "rSquared": MetricName.R2,
        },
        lambda scores, _matrix: scores,
    ),
}
"""Those that Vertex AI's console draws, by what was measured."""


def evaluation_message(report: EvaluationReport) -> ModelEvaluation:
    """The evaluation: confusion matrix and scores by the schema; all metrics with intervals as metadata.

    A kind of measuring that has no schema has the metadata alone.
    """
    from google.cloud import aiplatform_v1 as v1
    from google.protobuf.json_format import ParseDict
    from google.protobuf.struct_pb2 import Value

    schema = SCHEMAS.get(report.kind)
    drawn = {"metrics_schema_uri": schema.uri, "metrics": ParseDict(schema.metrics(report), Value())} if schema else {}
    return v1.ModelEvaluation(
        display_name=f"test split {report.splits[:12]}", metadata=ParseDict(_metadata(report), Value()), **drawn
    )


def _confusions(report: EvaluationReport) -> dict[str, object]:
    matrix = report.section(ConfusionMatrix)
    if matrix is None:
        return {}
    named = [{"displayName": label} for label in matrix.labels]
    return {"confusionMatrix": {"annotationSpecs": named, "rows": [list(row) for row in matrix.counts]}}


def _metadata(report: EvaluationReport) -> dict[str, object]:
    finite = {name: metric for name, metric in report.metrics.items() if _finite(metric) is not None}
    return {
        "test_rows": report.rows,
        "confidence": report.confidence,
        "metrics": {name: _described(metric, report.spec(name)) for name, metric in finite.items()},
    }


def _described(metric: Metric, spec: MetricSpec) -> dict[str, object]:
    """Value and interval; the direction where it is not the usual, the unit where there is one."""
    described: dict[str, object] = {"value": metric.value, "low": metric.low, "high": metric.high}
    if not spec.higher:
        described["better"] = spec.better
    if spec.unit:
        described["unit"] = spec.unit
    return described


def _finite(metric: Metric | None) -> float | None:
    """The value, where value and interval can be written as JSON."""
    if metric is None or not all(math.isfinite(number) for number in (metric.value, metric.low, metric.high)):
        return None
    return metric.value
