"""An evaluation report: what was measured, how sure that is, beside what, and sections of what else was seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import model_validator

from evergreen.core.base import Frozen
from evergreen.core.engines import TORCH
from evergreen.core.metric import Metric, MetricName, MetricSpec
from evergreen.core.sections import AnySection, Section

S = TypeVar("S", bound=Section)


class ClassReport(Frozen):
    """One class: its metrics by name (precision, recall and F1; IoU and Dice), and the test rows that have it."""

    metrics: dict[str, Metric]
    support: int


class SliceReport(Frozen):
    """The rows where `column` has `value` (a bucket such as `≤ 1000` for lengths)."""

    column: str
    value: str
    rows: int
    metrics: dict[str, Metric]


class SmallSlice(Frozen):
    """Rows where `column` has `value` that are too few to be measured by themselves."""

    column: str
    value: str
    rows: int


class Baseline(Frozen):
    """What one answer to every row scores, the training split's majority label or its mean; or a simple model, by name.

    `differences` are paired-bootstrap, model minus baseline; empty in reports that were made before they were measured.
    `fitted_on` is how many training rows a simple model was fitted on, where that were not all.
    """

    label: str
    metrics: dict[str, float]
    differences: dict[str, Metric] = {}
    fitted_on: int | None = None


class Comparison(Frozen):
    """The champion on the very same rows; differences are paired-bootstrap, challenger minus champion.

    `class_differences` is keyed by label, then by metric. `doubt` says why the champion may have been trained on some
    of these rows, which would favour it; None: nothing points to that. `answers` is the share of rows that the champion
    answers as each label; empty where rows have no single one, and in reports of earlier releases. `engine` answered
    for it, `stands_in` says why that is not the one that serves it (None: it is).
    """

    champion: str
    metrics: dict[str, Metric]
    differences: dict[str, Metric]
    class_differences: dict[str, dict[str, Metric]] = {}
    doubt: str | None = None
    answers: dict[str, float] = {}
    engine: str = TORCH
    stands_in: str | None = None


class Timings(Frozen):
    """Wall-clock measurements on the machine of the run; the only part of a report that may differ between equal runs.

    Latencies are milliseconds of one-instance predictions.
    """

    latency_p50_ms: float
    latency_p95_ms: float
    rows_per_s: float


class EvaluationReport(Frozen):
    """How good one model version is on the test split, and how sure that is.

    `kind` is what was measured (`classification`, `segmentation`, `regression`, or a task's own), `row_noun` what a
    test row is called. `primary_metric` is the metric that summaries lead with, that the baseline is beaten in and that
    the champion is compared in where nothing else is said; `primary_class_metric` orders the classes. `labels` are
    empty without classes. `baseline` answers every row alike, `references` are what simple models score on the same
    rows.
    `specs` say which way the metrics are good; one without a spec is good when it is high.
    """

    kind: str
    version: str
    splits: str
    rows: int
    row_noun: str = "row"
    labels: tuple[str, ...] = ()
    primary_metric: str
    primary_class_metric: str | None = None
    metrics: dict[str, Metric]
    specs: tuple[MetricSpec, ...] = ()
    confidence: float
    baseline: Baseline
    references: tuple[Baseline, ...] = ()
    comparison: Comparison | None = None
    per_class: dict[str, ClassReport] = {}
    slices: tuple[SliceReport, ...] = ()
    small_slices: tuple[SmallSlice, ...] = ()
    sections: tuple[AnySection, ...] = ()
    size_bytes: int
    timings: Timings

    @model_validator(mode="before")
    @classmethod
    def _with_sections(cls, fields: Any) -> Any:
        return _from_fields(fields) if isinstance(fields, dict) and "confusion" in fields else fields

    def spec(self, name: str) -> MetricSpec:
        """Direction, unit and bounds of a metric."""
        return next((spec for spec in self.specs if spec.name == name), MetricSpec(name=name))

    def gain(self, name: str, difference: Metric) -> Metric:
        """A difference of this model minus another, turned so that more is better."""
        if self.spec(name).higher:
            return difference
        return Metric(value=-difference.value, low=-difference.high, high=-difference.low)

    def section(self, member: type[S]) -> S | None:
        """The first section of this type; None: there is none."""
        return next((section for section in self.sections if isinstance(section, member)), None)

    @property
    def baseline_name(self) -> str:
        """What answers every row alike: the majority of the classes, or the baseline's own name."""
        return "majority" if self.labels else self.baseline.label


def _from_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a report that was written when confusion matrix, worst rows and terms were fields of their own."""
    moved = ("confusion", "worst", "worst_images", "terms")
    kept = {name: value for name, value in fields.items() if name not in moved}
    terms = fields.get("terms") or {}
    lead = terms.get("lead", MetricName.ACCURACY)
    sections: list[dict[str, Any]] = []
    if fields["confusion"]:
        counted = terms.get("counted", "row")
        matrix = {"labels": fields["labels"], "counts": fields["confusion"], "counted": counted}
        sections.append({"kind": "confusion_matrix"} | matrix)
    segmentation = lead in (MetricName.MEAN_IOU, MetricName.DICE, MetricName.PIXEL_ACCURACY)
    if segmentation:
        pictures = fields.get("worst_images", ())
        sections.append({"kind": "worst_pictures", "labels": fields["labels"], "pictures": pictures})
    else:
        sections.append({"kind": "worst_texts", "rows": fields.get("worst", ())})
    return kept | {
        "kind": "segmentation" if segmentation else "classification",
        "primary_metric": lead,
        "primary_class_metric": terms.get("class_lead", MetricName.F1),
        "row_noun": terms.get("row", "row"),
        "sections": sections,
    }
