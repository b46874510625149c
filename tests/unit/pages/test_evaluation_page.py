from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evergreen.core.metric import Metric
from evergreen.core.report import Baseline, ClassReport, Comparison, EvaluationReport, SmallSlice
from evergreen.core.sections import ConfusionMatrix, OtherSection, WorstPicture, WorstPictures, WorstTexts
from evergreen.pages.evaluation import evaluation_page, judged
from evergreen.pages.sections import MOST_LABELS, fold
from tests.generated import few
from tests.unit.pages.reading import UNDEFINED, Page, metric, worst_text

Read = Callable[[str], Page]


def test_metrics_stand_with_their_intervals_beside_the_majority_baseline(report: EvaluationReport, read: Read) -> None:
    text = read(evaluation_page(report)).text
    assert "95 % intervals" in text
    assert "Accuracy 0.950 0.930–0.970" in text
    assert "Majority baseline 0.600 Accuracy of “sports”" in text


def test_the_page_tells_where_the_version_stands_against_the_champion(report: EvaluationReport, read: Read) -> None:
    text = read(evaluation_page(report)).text
    assert "Accuracy: better than the champion" in text
    assert "Difference +0.050 (95 % interval +0.030 to +0.070)" in text
    assert "champion0001" in text


def test_a_champion_that_may_know_the_rows_is_told_beside_the_differences(report: EvaluationReport, read: Read) -> None:
    words = "favours the champion It may have been trained on some of these rows: split.seed was 0."
    assert words not in read(evaluation_page(report)).text
    assert report.comparison is not None
    doubted = report.comparison.model_copy(update={"doubt": "split.seed was 0"})
    assert words in read(evaluation_page(report.model_copy(update={"comparison": doubted}))).text


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        (metric(0.05), "better"),
        (metric(-0.05), "worse"),
        (metric(0.01), "no clear difference"),
        (metric(0.0), "no clear difference"),
        (UNDEFINED, "no clear difference"),
    ],
)
def test_only_an_interval_that_leaves_zero_out_is_a_difference(difference: Metric, words: str) -> None:
    assert judged(difference)[0] == words


def test_a_live_version_on_other_rows_says_which_of_them_flatter_it(scored: EvaluationReport, read: Read) -> None:
    text = read(evaluation_page(scored)).text
    assert "The live version on rows of may.csv 150 rows new to it: accuracy 0.940; 50 rows that it was trained" in text
    assert "Metrics on 200 labelled rows" in text
    assert "may.csv, 3 rows without a label left out" in text
    assert "that it was trained on 50 accuracy 1.000" in text
    assert "First version" not in text
    assert "test rows" not in text.replace("no error on the test rows", "")


def test_a_first_version_says_that_there_is_no_champion(report: EvaluationReport, read: Read) -> None:
    text = read(evaluation_page(report.model_copy(update={"comparison": None}))).text
    assert "There is no champion to compare with" in text
    assert "Challenger minus champion" not in text


def test_confusions_classes_slices_errors_cost_and_lineage_are_shown(report: EvaluationReport, read: Read) -> None:
    text = read(evaluation_page(report)).text
    assert "sports tech 7 5.8 %" in text
    assert "0.935 0.915–0.955" in text
    assert "Text length ≤ 1000 0.910 0.890–0.930 90" in text
    assert "sports/199 A goal in code sports tech 0.987" in text
    for value in ("8.3 ms", "14.9 ms", "101 rows/s", "90.9 MB", "5" * 64):
        assert value in text


def test_hostile_text_stays_text(report: EvaluationReport, read: Read) -> None:
    hostile = "<script>alert(1)</script>"
    other = OtherSection.model_validate({"kind": hostile, "rows": [{hostile: hostile}]})
    matrix = ConfusionMatrix(labels=(hostile, "tech"), counts=((113, 7), (3, 77)))
    update = {
        "labels": (hostile, "tech"),
        "per_class": {hostile: report.per_class["sports"]},
        "baseline": Baseline(label=hostile, metrics={"accuracy": 0.5}),
        "sections": (matrix, WorstTexts(rows=(worst_text(hostile, hostile, hostile, 1.0),)), other),
    }
    page = read(evaluation_page(report.model_copy(update=update)))
    assert "script" not in page.tags
    assert page.text.count(hostile) >= 6


@settings(few(), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(min_size=1, max_size=400))
def test_any_text_gives_a_whole_page_with_well_formed_drawings(report: EvaluationReport, text: str) -> None:
    matrix = ConfusionMatrix(labels=(text, "tech"), counts=((113, 7), (3, 77)))
    sections = (matrix, WorstTexts(rows=(worst_text(text, text, text, 0.5),)))
    page = Page(evaluation_page(report.model_copy(update={"labels": (text, "tech"), "sections": sections})))
    assert len(page.drawings) == 6


def test_what_is_undefined_says_so_and_breaks_nothing(report: EvaluationReport, read: Read) -> None:
    undefined = report.model_copy(
        update={
            "metrics": {"accuracy": UNDEFINED},
            "per_class": {"sports": ClassReport(metrics={"f1": UNDEFINED}, support=0)},
            "comparison": Comparison(
                champion="c", metrics={"accuracy": UNDEFINED}, differences={"accuracy": UNDEFINED}
            ),
        }
    )
    page = read(evaluation_page(undefined))
    assert "undefined" in page.text
    assert "nan" not in page.text.lower()
    assert all(
        "nan" not in value
        for drawing in page.drawings
        for element in drawing.iter()
        for value in element.attrib.values()
    )


def test_an_empty_report_still_has_a_page(report: EvaluationReport, read: Read) -> None:
    nothing: dict[str, Any] = {"metrics": {}, "per_class": {}, "slices": (), "sections": (), "labels": ()}
    nothing["comparison"] = None
    text = read(evaluation_page(report.model_copy(update=nothing))).text
    assert "No slice has enough rows" in text
    assert "class" not in text.lower()
    flawless = report.model_copy(update={"sections": (WorstTexts(),)})
    assert "made no error" in read(evaluation_page(flawless)).text


def test_one_class_alone_has_a_matrix(report: EvaluationReport, read: Read) -> None:
    matrix = ConfusionMatrix(labels=("sports",), counts=((200,),))
    page = read(evaluation_page(report.model_copy(update={"labels": ("sports",), "sections": (matrix,)})))
    assert "No row was confused" in page.text


def test_a_hundred_labels_fit_a_page(report: EvaluationReport, read: Read) -> None:
    labels = tuple(f"label {i}" for i in range(100))
    confusion = tuple(tuple(9 if i == j else int(j == 0 and i > 90) for j in range(100)) for i in range(100))
    per_class = {label: ClassReport(metrics={"f1": metric(i / 200 + 0.1)}, support=9) for i, label in enumerate(labels)}
    matrix = ConfusionMatrix(labels=labels, counts=confusion)
    update = {"labels": labels, "sections": (matrix,), "per_class": per_class}
    html = evaluation_page(report.model_copy(update=update))
    text = read(html).text
    assert "76 labels with the fewest errors are drawn as one" in text
    assert "The other 75 classes" in text
    assert len(html) < 300_000


def test_folding_keeps_every_row_and_the_labels_with_most_errors() -> None:
    size = MOST_LABELS + 5
    counts = [[10 if i == j else 0 for j in range(size)] for i in range(size)]
    counts[size - 1][0] = 4
    labels, folded = fold([str(i) for i in range(size)], counts)
    assert len(labels) == len(folded) == MOST_LABELS
    assert sum(map(sum, folded)) == sum(map(sum, counts))
    assert {"0", str(size - 1), "6 others"} <= set(labels)
    assert folded[labels.index(str(size - 1))][labels.index("0")] == 4


def test_equal_reports_have_equal_pages(report: EvaluationReport) -> None:
    assert evaluation_page(report) == evaluation_page(report.model_copy(deep=True))


def test_a_page_stands_alone(report: EvaluationReport) -> None:
    html = evaluation_page(report)
    assert html.startswith("<!doctype html>")
    assert "default-src 'none'" in html
    assert "http://" not in html
    assert "https://" not in html


def test_a_report_of_pictures_is_told_in_its_own_terms_with_the_worst_to_look_at(
    report: EvaluationReport, read: Read
) -> None:
    overlay = base64.b64encode(b"a small picture").decode()
    masks = report.model_copy(
        update={
            "metrics": {"mean_iou": metric(0.71), "pixel_accuracy": metric(0.9)},
            "per_class": {
                "sports": ClassReport(metrics={"iou": metric(0.8), "dice": metric(0.9)}, support=120),
                "tech": ClassReport(metrics={"iou": metric(0.6), "dice": metric(0.7)}, support=80),
            },
            "baseline": Baseline(label="sports", metrics={"mean_iou": 0.24}),
            "comparison": None,
            "sections": (
                ConfusionMatrix(labels=report.labels, counts=((113, 7), (3, 77)), counted="pixel"),
                WorstPictures(
                    labels=report.labels,
                    pictures=(WorstPicture(id="shape-7", overlay=overlay, scores={"mean_iou": 0.31}),),
                ),
            ),
            "primary_metric": "mean_iou",
            "primary_class_metric": "iou",
            "row_noun": "image",
        }
    )
    html = evaluation_page(masks)
    page = read(html)
    assert f'src="data:image/png;base64,{overlay}"' in html
    for text in ("200 test images", "Confusion matrix (pixels", "IoU interval", "Support (images)", "shape-7", "0.310"):
        assert text in page.text, text
    assert "img-src data:" in html  # else the page's own policy hides the pictures
    assert "F1" not in page.text
    assert " rows" not in page.text


def test_slices_that_are_too_small_are_named_with_their_rows(read: Read, report: EvaluationReport) -> None:
    small = tuple(SmallSlice(column="source", value=f"radio {n}", rows=n) for n in range(1, 25))
    text = read(evaluation_page(report.model_copy(update={"small_slices": small}))).text
    assert "Too few to be measured by themselves" in text
    assert "Source radio 1: 1 row; Source radio 2: 2 rows;" in text
    assert "radio 20: 20 rows and 4 more slices." in text
    assert "Too few to be measured" not in read(evaluation_page(report)).text


def test_what_answered_for_the_champion_is_named_and_so_is_why_another_engine_did(
    report: EvaluationReport, comparison: Comparison, read: Read
) -> None:
    served = comparison.model_copy(update={"engine": "int8-u8s8"})
    text = read(evaluation_page(report.model_copy(update={"comparison": served}))).text
    assert "champion0001, answered by int8-u8s8" in text
    assert "stands in" not in text
    lost = comparison.model_copy(update={"stands_in": "its graphs are gone"})
    text = read(evaluation_page(report.model_copy(update={"comparison": lost}))).text
    assert "torch stands in The engine that serves the champion could not answer here: its graphs are gone." in text
