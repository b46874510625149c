"""Versions in the record of a real ZenML store, and a report that lets one in."""

from __future__ import annotations

from evergreen.core.metric import Metric
from evergreen.core.report import Baseline, ClassReport, EvaluationReport, Timings
from evergreen.core.sections import ConfusionMatrix
from evergreen.core.training import Incumbent
from evergreen.core.versions import ModelVersion, crown, nominate


def version(name: str, recipe: str = "r", judged_against: str | None = None) -> ModelVersion:
    """A version whose model is an artifact of the store, though none that could be loaded."""
    from zenml import save_artifact

    artifact = str(save_artifact(Incumbent(version=name), f"anything-{name}").id)
    return ModelVersion(
        version=name,
        artifact=artifact,
        report=artifact,
        recipe=recipe,
        run="run",
        judged_against=judged_against,
        metrics={"accuracy": 0.9},
        examples=({"text": "shares rose"},),
    )


def passing_report(version: str) -> EvaluationReport:
    """Passes every rule of the gate that is on by default."""
    good = Metric(value=0.9, low=0.88, high=0.92)
    return EvaluationReport(
        kind="classification",
        primary_metric="accuracy",
        primary_class_metric="f1",
        version=version,
        splits="5" * 64,
        rows=600,
        labels=("a", "b"),
        metrics={"accuracy": good},
        confidence=0.95,
        baseline=Baseline(label="a", metrics={"accuracy": 0.5}),
        per_class={label: ClassReport(metrics={"recall": good}, support=300) for label in ("a", "b")},
        slices=(),
        sections=(ConfusionMatrix(labels=("a", "b"), counts=((270, 30), (30, 270))),),
        comparison=None,
        size_bytes=1,
        timings=Timings(latency_p50_ms=1, latency_p95_ms=1, rows_per_s=1),
    )


def aliases(model: str) -> dict[str, str]:
    """The version that each alias names."""
    from orchestration.record import ZenmlRecord

    return {str(alias): name for alias, name in ZenmlRecord(model).read().aliases.items()}


def promote(model: str, name: str) -> None:
    """Records a version as the champion."""
    from orchestration.record import ZenmlRecord

    record = ZenmlRecord(model)
    record.add(version(name))
    record.move(nominate(record.read(), name))
    record.move(crown(record.read(), name))
