from __future__ import annotations

from google.protobuf.json_format import MessageToDict

from evergreen.adapters.vertex.evaluation import evaluation_message
from evergreen.core.metric import Metric, MetricSpec
from evergreen.core.report import Baseline, EvaluationReport, Timings
from evergreen.core.sections import ConfusionMatrix

LOCATION = "gs://google-cloud-aiplatform/schema/modelevaluation"


def report(kind: str, **metrics: float) -> EvaluationReport:
    return EvaluationReport(
        kind=kind,
        primary_metric=next(iter(metrics)),
        primary_class_metric="f1",
        version="3fa41c0d9e77",
        splits="5" * 64,
        rows=40,
        labels=("pet", "background"),
        metrics={name: Metric(value=value, low=value - 0.1, high=value + 0.1) for name, value in metrics.items()},
        confidence=0.95,
        baseline=Baseline(label="pet", metrics={}),
        slices=(),
        sections=(ConfusionMatrix(labels=("pet", "background"), counts=((90, 10), (20, 80))),),
        comparison=None,
        size_bytes=1,
        timings=Timings(latency_p50_ms=1, latency_p95_ms=1, rows_per_s=1),
    )


def test_masks_are_told_in_vertex_ais_own_terms_of_segmentation() -> None:
    message = evaluation_message(report("segmentation", mean_iou=0.74, dice=0.85, pixel_accuracy=0.85))
    fields = MessageToDict(message._pb)
    (entry,) = fields["metrics"]["confidenceMetricsEntries"]
    assert message.metrics_schema_uri == f"{LOCATION}/image_segmentation_metrics_1.0.0.yaml"
    assert (entry["iouScore"], entry["diceScoreCoefficient"]) == (0.74, 0.85)
    assert entry["confusionMatrix"]["rows"] == [[90, 10], [20, 80]]
    assert set(fields["metadata"]["metrics"]) == {"mean_iou", "dice", "pixel_accuracy"}


def test_labels_are_told_in_its_terms_of_classification() -> None:
    message = evaluation_message(report("classification", accuracy=0.85, macro_f1=0.84))
    fields = MessageToDict(message._pb)
    assert message.metrics_schema_uri == f"{LOCATION}/classification_metrics_1.0.0.yaml"
    assert fields["metrics"]["confidenceMetrics"][0]["f1ScoreMacro"] == 0.84
    assert fields["metrics"]["confusionMatrix"]["rows"] == [[90, 10], [20, 80]]


def test_a_kind_that_no_schema_draws_is_registered_with_its_direction_all_the_same() -> None:
    error = MetricSpec(name="mae", better="lower", unit="EUR", bounds=(0, None))
    measured = report("text_regression", mae=12.5).model_copy(update={"specs": (error,)})
    message = evaluation_message(measured)
    assert message.metrics_schema_uri == ""
    metrics = MessageToDict(message._pb)["metadata"]["metrics"]
    assert (metrics["mae"]["value"], metrics["mae"]["better"], metrics["mae"]["unit"]) == (12.5, "lower", "EUR")
