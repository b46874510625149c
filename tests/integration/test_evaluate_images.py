"""Evaluations of real tiny models, against naive counts and against a champion on the same pictures."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from evergreen.core.artifacts import SourceIdentity, Splits, TrainedModel
from evergreen.core.decision import Verdict
from evergreen.core.errors import InputError
from evergreen.core.gate import Gate, decide
from evergreen.core.members import measurable, servable, trainable
from evergreen.core.report import EvaluationReport
from evergreen.core.sections import ConfusionMatrix, Forgetting, ScoredRows, WorstPictures
from evergreen.data.dataset import write_dataset
from evergreen.data.labelled import TrainedOn
from evergreen.data.pictures import decode_mask, decode_picture
from evergreen.data.shards import split_batches
from evergreen.evaluation import segmentation
from evergreen.evaluation.segmentation import Confusions, bootstrap_images
from evergreen.tasks.image_segmentation import measurable as measuring
from evergreen.tasks.image_segmentation import pixel_regression
from evergreen.tasks.scored import Live, scored
from tests.rows import with_replayed
from tests.tiny_images import IGNORED, LABELS, Scene, png, scenes, task_with, write_splits
from tests.tiny_text import RecordingRun

ROWS = scenes(190)


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> Splits:
    parts = {"train": ROWS[:120], "validation": ROWS[120:140], "test": ROWS[140:]}
    return write_splits(tmp_path_factory.mktemp("data") / "splits", parts)


@pytest.fixture(scope="module")
def model(splits: Splits, tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    return trainable(task_with()).train(splits, RecordingRun.below(tmp_path_factory.mktemp("good")))


@pytest.fixture(scope="module")
def worse(splits: Splits, tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    task = task_with(epochs=1, max_train_rows=16)
    return trainable(task).train(splits, RecordingRun.below(tmp_path_factory.mktemp("worse")))


@pytest.fixture(scope="module")
def report(model: TrainedModel, splits: Splits) -> EvaluationReport:
    task = task_with(slices={"columns": ["camera"], "min_rows": 3, "share_edges_percent": [5, 25]})
    return measurable(task).evaluate(model, None, splits)


def test_metrics_are_those_of_counting_the_served_masks(report: EvaluationReport, model: TrainedModel) -> None:
    predictor = servable(task_with()).load(model.path)
    truth, answers = [], []
    for row in ROWS[140:]:
        mask = decode_mask(row.mask)
        (prediction,) = predictor.encode(predictor.predict([decode_picture(row.image)]))
        answer = np.asarray(Image.open(io.BytesIO(base64.b64decode(prediction["mask"]))))
        truth.append(mask[mask != IGNORED])
        answers.append(answer[mask != IGNORED])
    true, answered = np.concatenate(truth), np.concatenate(answers)
    ious = [
        ((true == number) & (answered == number)).sum() / ((true == number) | (answered == number)).sum()
        for number in range(len(LABELS))
    ]
    assert report.metrics["pixel_accuracy"].value == pytest.approx((true == answered).mean())
    assert report.metrics["mean_iou"].value == pytest.approx(np.mean(ious))
    for number, label in enumerate(LABELS):
        assert report.per_class[label].metrics["iou"].value == pytest.approx(ious[number])
        assert report.per_class[label].support == 50
    matrix = report.section(ConfusionMatrix)
    assert matrix is not None
    assert np.sum(matrix.counts) == len(true)
    (regression,) = report.references
    assert report.baseline.metrics["mean_iou"] + 0.1 < regression.metrics["mean_iou"] < 1  # colours tell much here
    assert report.baseline.label == "ground"
    assert report.baseline.metrics["pixel_accuracy"] == pytest.approx((true == 0).mean())
    assert report.baseline.metrics["mean_iou"] == pytest.approx((true == 0).mean() / 3)


def test_a_report_shows_slices_and_the_worst_pictures(report: EvaluationReport) -> None:
    slices = {(part.column, part.value): part.rows for part in report.slices}
    assert slices["camera", "left"] + slices["camera", "right"] == 50
    assert slices["longer_side_px", "≤ 128"] == 50
    assert sum(rows for (column, _), rows in slices.items() if column == "share_of disc") > 40
    section = report.section(WorstPictures)
    assert section is not None
    scores = [picture.scores["mean_iou"] for picture in section.pictures]
    assert scores == sorted(scores)
    assert scores[-1] <= report.metrics["mean_iou"].value
    strip = Image.open(io.BytesIO(base64.b64decode(section.pictures[0].overlay)))
    assert strip.size == (3 * 48 + 2 * 4, 36)


def test_equal_evaluations_give_equal_reports(report: EvaluationReport, model: TrainedModel, splits: Splits) -> None:
    again = measurable(task_with(slices={"columns": ["camera"], "min_rows": 3})).evaluate(model, None, splits)
    assert again.model_copy(update={"timings": report.timings}) == report


def test_a_live_version_is_scored_on_any_pictures_with_masks(
    report: EvaluationReport, model: TrainedModel, splits: Splits, tmp_path: Path
) -> None:
    columns = ("id", "image", "mask")
    batches = [batch for name in ("test", "train") for batch in split_batches(splits, name, columns, 20)]
    batches.append(pa.RecordBatch.from_pylist([{"id": "bare", "image": ROWS[0].image}], schema=batches[0].schema))
    pictures = write_dataset(
        batches, tmp_path / "rows", SourceIdentity(kind="files", fingerprint="0", description="pictures of May")
    )
    live = scored(task_with(), Live(model, TrainedOn(splits), None), pictures, tmp_path / "out")
    told = live.section(ScoredRows)
    assert told is not None
    assert (live.rows, told.unlabelled, told.trained_on) == (170, 1, 120)
    new, _ = told.parts
    assert new.metrics["mean_iou"].value == pytest.approx(report.metrics["mean_iou"].value)
    assert live.section(WorstPictures) is not None


def test_new_and_replayed_pictures_are_measured_apart(
    model: TrainedModel, worse: TrainedModel, splits: Splits, tmp_path: Path
) -> None:
    marked = with_replayed(splits, tmp_path / "marked")
    section = measurable(task_with(slices={"min_rows": 3})).evaluate(worse, model, marked).section(Forgetting)
    assert section is not None
    assert {part.part: part.rows for part in section.parts} == {"new": 33, "replayed": 17}
    old = write_splits(tmp_path / "old", {"train": ROWS[:120], "test": ROWS[140::3]})
    by_itself = measurable(task_with()).evaluate(worse, model, old)
    assert by_itself.comparison is not None
    _, replayed = section.parts
    assert replayed.metrics["mean_iou"].value == pytest.approx(by_itself.metrics["mean_iou"].value)
    assert replayed.champion["mean_iou"].value == pytest.approx(by_itself.comparison.metrics["mean_iou"].value)
    assert replayed.differences["mean_iou"].high < 0


def test_pictures_are_drawn_once_for_the_model_and_all_its_baselines(
    model: TrainedModel, splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []

    def recorded(models: list[Confusions]) -> object:
        drawn.append(len(models))
        assert {array.dtype for array in models} == {np.dtype(np.int32)}
        return bootstrap_images(models)

    monkeypatch.setattr(segmentation, "bootstrap_images", recorded)
    measurable(task_with(slices={"min_rows": 1000})).evaluate(model, None, splits)
    assert drawn == [3]


def test_a_worse_model_is_kept_out_and_a_better_one_let_in_by_the_gate_of_texts(
    model: TrainedModel, worse: TrainedModel, splits: Splits
) -> None:
    task, gate = task_with(), Gate(baselines="report")  # colours tell more of these pictures than two epochs teach
    challenger = measurable(task).evaluate(worse, model, splits)
    assert challenger.comparison is not None
    assert challenger.comparison.differences["mean_iou"].high < 0
    kept = decide(challenger, gate, model.version)
    assert kept.verdict is Verdict.KEEP
    assert any(reason.rule == "margin mean_iou" and not reason.passed for reason in kept.reasons)
    promoted = decide(measurable(task).evaluate(model, worse, splits), gate, worse.version)
    assert promoted.verdict is Verdict.PROMOTE
    published = Gate(
        minimum={"pixel_accuracy": 0.55}, margin={}, value_margin={"pixel_accuracy": 0.001}, baselines="report"
    )
    assert decide(challenger, published, model.version).verdict is Verdict.KEEP
    assert decide(measurable(task).evaluate(model, worse, splits), published, worse.version).verdict is Verdict.PROMOTE


def test_a_champion_with_its_labels_in_another_order_is_compared_by_name(
    model: TrainedModel, worse: TrainedModel, splits: Splits, tmp_path: Path
) -> None:
    """The same masks under other numbers: `disc` is 2 in the test split of the other order."""
    order = np.arange(256, dtype=np.uint8)
    order[[1, 2]] = [2, 1]
    rows = [Scene(row.id, row.image, png(order[decode_mask(row.mask)]), row.camera) for row in ROWS]
    renamed = write_splits(tmp_path / "renamed", {"train": rows[:120], "validation": rows[120:140], "test": rows[140:]})
    ours = measurable(task_with()).evaluate(worse, model, splits).comparison
    other = measurable(task_with(labels=("ground", "box", "disc"))).evaluate(worse, model, renamed).comparison
    assert ours is not None
    assert other is not None
    assert other.metrics["mean_iou"].value == pytest.approx(ours.metrics["mean_iou"].value)


def test_large_pictures_are_looked_at_few_at_a_time_and_score_the_same(
    model: TrainedModel, splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = measurable(task_with()).evaluate(model, None, splits)
    monkeypatch.setattr(measuring, "PIXELS_AT_ONCE", 3 * decode_mask(ROWS[140].mask).size)
    monkeypatch.setattr(pixel_regression, "PIXELS_AT_ONCE", 100)
    sizes = [len(batch.ids) for batch in measuring.ImageEvaluator(splits, task_with()).rows(())]
    assert max(sizes) == 3
    assert sum(sizes) == whole.rows
    parts = measurable(task_with()).evaluate(model, None, splits)
    assert (parts.metrics, parts.references) == (whole.metrics, whole.references)


def test_rows_that_cannot_be_measured_are_named(model: TrainedModel, tmp_path: Path) -> None:
    picture, mask = ROWS[140].image, decode_mask(ROWS[140].mask)
    for number, (row, message) in enumerate(
        [
            (Scene("small", picture, png(mask[:9]), "left"), "row 'small': picture and mask have different sizes"),
            (Scene("torn", picture[:50], ROWS[140].mask, "left"), "row 'torn': the picture cannot be decoded"),
        ]
    ):
        splits = write_splits(tmp_path / str(number), {"train": ROWS[:2], "validation": ROWS[:2], "test": [row]})
        with pytest.raises(InputError, match=message):
            measurable(task_with()).evaluate(model, None, splits)
