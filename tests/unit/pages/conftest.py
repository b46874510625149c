"""Small values of every kind that has a page."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from evergreen.core.artifacts import DatasetManifest, FileEntry, SourceIdentity, SplitsManifest, TrainedModelManifest
from evergreen.core.decision import PromotionDecision, Reason, Verdict
from evergreen.core.deployment import Deployment
from evergreen.core.report import Baseline, ClassReport, Comparison, EvaluationReport, SliceReport, Timings
from evergreen.core.sections import NEW_TO_IT, TRAINED_ON, ConfusionMatrix, PartScores, ScoredRows, WorstTexts
from evergreen.core.validation import Anomaly, ColumnStatistics, ValidationReport
from tests.unit.pages.reading import UNDEFINED, Page, metric, worst_text


@pytest.fixture
def read() -> Callable[[str], Page]:
    return Page


@pytest.fixture
def comparison() -> Comparison:
    return Comparison(
        champion="champion0001",
        metrics={"accuracy": metric(0.90), "macro_f1": metric(0.89)},
        differences={"accuracy": metric(0.05), "macro_f1": metric(0.01)},
        class_differences={"sports": {"f1": metric(-0.05)}, "tech": {"f1": UNDEFINED}},
    )


@pytest.fixture
def scored(report: EvaluationReport) -> EvaluationReport:
    """Of a live version on rows of any origin, some of which it was trained on."""
    parts = (
        PartScores(part=NEW_TO_IT, rows=150, metrics={"accuracy": metric(0.94)}),
        PartScores(part=TRAINED_ON, rows=50, metrics={"accuracy": metric(1.0)}),
    )
    rows = ScoredRows(source="may.csv", unlabelled=3, metric="accuracy", parts=parts)
    return report.model_copy(update={"comparison": None, "sections": (rows, *report.sections)})


@pytest.fixture
def report(comparison: Comparison) -> EvaluationReport:
    per_class = {
        label: ClassReport(
            metrics={"precision": metric(0.93), "recall": metric(0.94), "f1": metric(0.935)}, support=support
        )
        for label, support in (("sports", 120), ("tech", 80))
    }
    return EvaluationReport(
        kind="classification",
        primary_metric="accuracy",
        primary_class_metric="f1",
        version="challenger01",
        splits="5" * 64,
        rows=200,
        labels=("sports", "tech"),
        metrics={"accuracy": metric(0.95), "macro_f1": metric(0.94)},
        confidence=0.95,
        baseline=Baseline(label="sports", metrics={"accuracy": 0.6, "macro_f1": 0.375}),
        per_class=per_class,
        slices=(SliceReport(column="text_length", value="≤ 1000", rows=90, metrics={"accuracy": metric(0.91)}),),
        sections=(
            ConfusionMatrix(labels=("sports", "tech"), counts=((113, 7), (3, 77))),
            WorstTexts(rows=(worst_text("sports/199", "A goal in code", "sports", 0.987),)),
        ),
        comparison=comparison,
        size_bytes=90_900_000,
        timings=Timings(latency_p50_ms=8.31, latency_p95_ms=14.9, rows_per_s=101.4),
    )


@pytest.fixture
def validation() -> ValidationReport:
    return ValidationReport(
        dataset="d" * 64,
        rows=2225,
        columns={
            "id": ColumnStatistics(type="string", nulls=0, distinct=2225),
            "text": ColumnStatistics(
                type="string", nulls=3, distinct=2127, min_length=501, mean_length=2262.9, max_length=25483
            ),
            "label": ColumnStatistics(type="string", nulls=0, distinct=2, top={"sports": 1500}),
        },
        labels={"tech": 725, "sports": 1500},
        length_histogram=((1000, 616), (2000, 1000), (30000, 609)),
        anomalies=(Anomaly(name="exact_duplicates", rows=98, message="98 rows repeat", examples=("tech/177",)),),
    )


FILES = (FileEntry(name="rows-00000.parquet", sha256="a" * 64, bytes=1_500_000),)


@pytest.fixture
def identity() -> SourceIdentity:
    return SourceIdentity(kind="package", fingerprint="f" * 64, description="bbcnews/data", rows=2225)


@pytest.fixture
def dataset(identity: SourceIdentity) -> DatasetManifest:
    return DatasetManifest(files=FILES, rows=2225, columns={"id": "string", "text": "string"}, source=identity)


@pytest.fixture
def splits() -> SplitsManifest:
    return SplitsManifest(
        files=FILES,
        dataset="d" * 64,
        seed=7,
        rows={"test": 400, "train": 1400, "validation": 200},
        labels={
            "train": {"sports": 700, "tech": 700},
            "validation": {"sports": 90, "tech": 110},
            "test": {"sports": 200, "tech": 200},
        },
        removed={"exact_duplicate": 98, "near_duplicate": 14},
    )


@pytest.fixture
def model() -> TrainedModelManifest:
    task: dict[str, object] = {
        "kind": "text_classification",
        "labels": ["sports", "tech"],
        "max_train_rows": None,
        "rules": {"min_rows": 10},
    }
    return TrainedModelManifest(files=FILES, task=task, trained_on="5" * 64, seed=7)


@pytest.fixture
def promoted() -> PromotionDecision:
    reasons = (Reason(rule="minimum accuracy", passed=True, message="accuracy 0.950 reaches the minimum 0.900"),)
    return PromotionDecision(verdict=Verdict.PROMOTE, version="challenger01", champion=None, reasons=reasons)


@pytest.fixture
def kept() -> PromotionDecision:
    reasons = (
        Reason(rule="minimum accuracy", passed=True, message="accuracy 0.912 reaches the minimum 0.900"),
        Reason(rule="margin accuracy", passed=False, message="accuracy 0.912 is below champion's 0.965"),
    )
    return PromotionDecision(verdict=Verdict.KEEP, version="challenger01", champion="champion0001", reasons=reasons)


@pytest.fixture
def live() -> Deployment:
    return Deployment(
        outcome="live",
        model="news",
        url="http://127.0.0.1:8501/predict",
        version="challenger01",
        traffic={"challenger01": 100, "champion0001": 0},
        message="version challenger01 serves all traffic.",
    )
