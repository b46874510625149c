"""Sections that a report holds: known ones by their kind, others as they were written; and reports without sections."""

import json
from typing import Any, Literal

from evergreen.core.metric import Metric
from evergreen.core.report import Baseline, EvaluationReport, Timings
from evergreen.core.sections import (
    ConfusionMatrix,
    Forgetting,
    OtherSection,
    PartScores,
    Section,
    Table,
    WorstPictures,
    WorstTexts,
)

OLD: dict[str, Any] = {
    "version": "v",
    "splits": "5" * 64,
    "rows": 3,
    "labels": ["a", "b"],
    "metrics": {"accuracy": {"value": 0.5, "low": 0.4, "high": "NaN"}},
    "confidence": 0.95,
    "baseline": {"label": "a", "metrics": {"accuracy": 0.5}},
    "per_class": {},
    "slices": [],
    "confusion": [[1, 1], [0, 1]],
    "worst": [{"id": "r", "excerpt": "text", "truth": "a", "predicted": "b", "score": 0.9}],
    "comparison": None,
    "size_bytes": 1,
    "timings": {"latency_p50_ms": 1, "latency_p95_ms": 1, "rows_per_s": 1},
}


class Curve(Section):
    """A section that a package made."""

    kind: Literal["lift_curve"] = "lift_curve"
    points: tuple[dict[str, float], ...]


def report(*sections: Section) -> EvaluationReport:
    return EvaluationReport(
        kind="classification",
        version="v",
        splits="s",
        rows=1,
        primary_metric="accuracy",
        metrics={"accuracy": Metric(value=1, low=1, high=1)},
        confidence=0.95,
        baseline=Baseline(label="a", metrics={}),
        sections=sections,
        size_bytes=1,
        timings=Timings(latency_p50_ms=1, latency_p95_ms=1, rows_per_s=1),
    )


def test_a_section_of_a_package_is_kept_with_its_fields_and_read_as_a_table() -> None:
    written = report(Curve(points=({"share": 0.1, "lift": 4.0}, {"share": 0.2, "lift": 3.0}))).model_dump_json()
    again = EvaluationReport.model_validate_json(written)
    (section,) = again.sections
    assert isinstance(section, OtherSection)
    assert again.model_dump_json() == written
    table = section.table()
    assert (table.title, table.columns) == ("Lift curve: points", ("share", "lift"))
    assert table.rows == ((0.1, 4.0), (0.2, 3.0))
    assert (section.holds_rows, Curve.holds_rows) == (True, True)  # nobody knows: not published, whoever read it


def test_a_known_kind_with_fields_of_a_later_version_is_kept_too() -> None:
    matrix = {"kind": "confusion_matrix", "labels": ["a"], "counts": [[1]], "thresholds": [0.5]}
    fields = json.loads(report().model_dump_json()) | {"sections": [matrix]}
    (section,) = EvaluationReport.model_validate(fields).sections
    assert section.model_dump(mode="json") == matrix
    assert ("thresholds", "[0.5]") in section.table().rows


def test_sections_are_found_by_their_type() -> None:
    matrix = ConfusionMatrix(labels=("a", "b"), counts=((1, 2), (3, 4)))
    loaded = EvaluationReport.model_validate_json(
        report(Table(title="t", columns=(), rows=()), matrix).model_dump_json()
    )
    assert loaded.section(ConfusionMatrix) == matrix
    assert loaded.section(WorstTexts) is None
    assert matrix.table().rows == (("a", 1, 2), ("b", 3, 4))


def test_what_was_learnt_and_forgotten_is_told_in_a_line_and_as_a_table() -> None:
    ours, theirs = Metric(value=0.95, low=0.9, high=1), Metric(value=0.9, low=0.8, high=1)
    gained = Metric(value=0.05, low=-0.01, high=0.1)
    new = PartScores(part="new", rows=1200, metrics={"accuracy": ours}, champion={"accuracy": theirs})
    parts = (new.model_copy(update={"differences": {"accuracy": gained}}), PartScores(part="replayed", rows=7))
    written = report(Forgetting(metric="accuracy", parts=parts)).model_dump_json()
    section = EvaluationReport.model_validate_json(written).section(Forgetting)
    assert section is not None
    assert section.summary == "accuracy on 1,200 new rows 0.950 (champion 0.900), on 7 replayed rows not measured"
    assert section.table().rows == (
        ("new", 1200, "accuracy", 0.95, 0.9, 0.05, -0.01, 0.1),
        ("replayed", 7, "too few to be measured", None, None, None, None, None),
    )
    assert not section.holds_rows


def test_the_confusions_and_errors_of_an_old_report_become_sections() -> None:
    opened = EvaluationReport.model_validate_json(json.dumps(OLD))
    matrix, worst = opened.section(ConfusionMatrix), opened.section(WorstTexts)
    assert matrix == ConfusionMatrix(labels=("a", "b"), counts=((1, 1), (0, 1)))
    assert worst is not None
    assert [text.id for text in worst.rows] == ["r"]
    assert (opened.kind, opened.primary_metric, opened.primary_class_metric) == ("classification", "accuracy", "f1")
    assert EvaluationReport.model_validate_json(opened.model_dump_json()).sections == opened.sections


def test_an_old_report_of_pictures_is_one_of_segmentation() -> None:
    terms = {"lead": "mean_iou", "class_lead": "iou", "row": "image", "counted": "pixel"}
    picture = {"id": "p", "overlay": "b", "scores": {"mean_iou": 0.1}}
    opened = EvaluationReport.model_validate(OLD | {"terms": terms, "worst": [], "worst_images": [picture]})
    worst, matrix = opened.section(WorstPictures), opened.section(ConfusionMatrix)
    assert worst is not None
    assert (worst.labels, worst.pictures[0].id) == (("a", "b"), "p")
    assert matrix is not None
    assert (matrix.counted, opened.kind, opened.row_noun, opened.primary_metric) == (
        "pixel",
        "segmentation",
        "image",
        "mean_iou",
    )
