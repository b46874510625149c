"""A live version scored on rows of any origin: which of them it was trained on, and what cannot be scored."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sklearn.metrics import accuracy_score

from evergreen.core.artifacts import SplitName, Splits, TrainedModel
from evergreen.core.errors import InputError
from evergreen.core.members import source_of
from evergreen.core.part import PartOfSource
from evergreen.core.report import EvaluationReport
from evergreen.core.sections import NEW_TO_IT, TRAINED_ON, Forgetting, ScoredRows
from evergreen.data.freshness import coverage_after
from evergreen.data.held_out import held_out_after
from evergreen.data.labelled import TrainedOn, labelled_splits
from evergreen.data.shards import iter_batches
from evergreen.data.split import split
from evergreen.data.split_plan import SplitPlan
from evergreen.tasks.image_segmentation.settings import ImageSegmentation
from evergreen.tasks.scored import Live, scored
from tests import dated_rows
from tests.integration.bbc import LABELS, TfidfPredictor, TfidfTask, bbc_rows, train, write_splits
from tests.rows import Row, dataset_of, rows_of

TASK = TfidfTask()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scored")


@pytest.fixture(scope="module")
def splits(folder: Path) -> Splits:
    rows = bbc_rows(60)
    return write_splits(folder / "splits", train=rows[::2], test=rows[1::2])


@pytest.fixture(scope="module")
def model(folder: Path) -> TrainedModel:
    return train(folder / "model", bbc_rows(60)[::2])


def unseen() -> list[dict[str, str]]:
    """The other half of the articles, without the one that the first half has, too."""
    known = {row["text"].casefold() for row in bbc_rows(60)[::2]}
    return [row for row in bbc_rows(60)[1::2] if row["text"].casefold() not in known]


def live(model: TrainedModel, splits: Splits) -> Live:
    return Live(model, TrainedOn(splits), None)


def labelled(rows: list[dict[str, str]]) -> list[Row]:
    return [(row["id"], row["text"], row["label"]) for row in rows]


@pytest.fixture(scope="module")
def report(model: TrainedModel, splits: Splits, folder: Path) -> EvaluationReport:
    unlabelled: list[Row] = [("none", "Shares rose.", None), ("blank", "Shares fell.", " ")]
    again = [(f"again-{name}", f"  {text}", label) for name, text, label in labelled(bbc_rows(60)[::2])]
    dataset = dataset_of([*labelled(unseen()), *unlabelled, *again], folder / "rows")
    return scored(TASK, live(model, splits), dataset, folder / "out")


def test_the_rows_are_measured_as_test_rows_are(report: EvaluationReport, model: TrainedModel) -> None:
    rows = [*unseen(), *bbc_rows(60)[::2]]
    predicted = TfidfPredictor(model.path).predict([row["text"] for row in rows]).argmax(axis=1)
    assert report.rows == len(rows) == 299
    truth = [LABELS.index(row["label"]) for row in rows]
    assert report.metrics["accuracy"].value == pytest.approx(accuracy_score(truth, predicted))
    assert (report.version, report.comparison) == (model.version, None)
    assert report.baseline.metrics["accuracy"] == pytest.approx(0.2, abs=0.01)
    assert report.references[0].metrics["accuracy"] > 0.8


def test_rows_that_the_version_was_trained_on_are_told_whatever_their_ids_and_measured_apart(
    report: EvaluationReport, model: TrainedModel
) -> None:
    told = report.section(ScoredRows)
    assert told is not None
    assert report.section(Forgetting) is None
    assert {part.part: part.rows for part in told.parts} == {NEW_TO_IT: 149, TRAINED_ON: 150}
    assert (told.trained_on, told.unlabelled) == (150, 2)
    new, known = (part.metrics["accuracy"].value for part in told.parts)
    assert known == 1.0 > new
    assert told.summary == (
        f"149 rows new to it: accuracy {new:.3f}; 150 rows that it was trained on, which flatters it: accuracy 1.000; "
        "2 more without a label"
    )
    assert EvaluationReport.model_validate_json(report.model_dump_json()).section(ScoredRows) == told


def test_rows_of_one_class_alone_can_be_scored(model: TrainedModel, splits: Splits, tmp_path: Path) -> None:
    dataset = dataset_of(labelled(bbc_rows(60)[1:20:2]), tmp_path / "rows")
    report = scored(TASK, live(model, splits), dataset, tmp_path / "out")
    assert report.rows == 10
    told = report.section(ScoredRows)
    assert told is not None
    assert [(part.part, part.rows) for part in told.parts] == [(NEW_TO_IT, 10)]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("1", "Shares rose.", None)], r"no row of rows of a test has a label \(1 row read\); name rows with labels"),
        (
            [("1", "Goal!", "sports"), ("2", "Shares", "finance")],
            r"1 of the 2 labelled rows .*\n- unknown label .*\(2\)",
        ),
        ([("may.tsv:4", "Goal!", "finance")], r"\n- unknown label .*: 1 row \(row 4 of may\.tsv\)$"),
        ([("1", " ", "sports")], r"cannot be scored on 1 of the 1 .*\n- null or blank text: 1 row \(1\)"),
    ],
)
def test_rows_that_cannot_be_scored_are_told_by_reason(
    model: TrainedModel, splits: Splits, tmp_path: Path, rows: list[Row], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        scored(TASK, live(model, splits), dataset_of(rows, tmp_path / "rows"), tmp_path / "out")


def test_another_kind_of_task_and_a_missing_column_are_told(
    model: TrainedModel, splits: Splits, tmp_path: Path
) -> None:
    dataset = dataset_of([("1", "Goal!", "sports")], tmp_path / "rows")
    pictures = ImageSegmentation(labels=("pet", "background"))
    with pytest.raises(InputError, match="is of kind 'text_classification', not 'image_segmentation'"):
        scored(pictures, live(model, splits), dataset, tmp_path / "out")
    columns = {name: kind for name, kind in dataset.manifest.columns.items() if name != "label"}
    without = type(dataset)(dataset.path, dataset.manifest.model_copy(update={"columns": columns}))
    with pytest.raises(InputError, match=r"no column 'label' in .* \(has: id, text\).* map source\.columns\.label"):
        scored(TASK, live(model, splits), without, tmp_path / "out")


def test_rows_that_earlier_versions_were_trained_on_are_known_by_their_coverage(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    dated_rows.write(path, [(f"{number}", 1, 1) for number in range(60)])
    source, part = source_of(dated_rows.source(path)), PartOfSource(until=datetime(2027, 1, 1, tzinfo=UTC))
    first = source.read_new(part, tmp_path / "first")
    coverage = coverage_after(first, part, None)
    plan = SplitPlan(train=0.5, validation=0.25, test=0.25, near_duplicate_similarity=None)
    before = split(first, plan, tmp_path / "before")
    held_out = held_out_after(before, first.manifest.columns, None, tmp_path / "held")
    dated_rows.append(path, *((f"new-{number}", 2, 2) for number in range(5)))
    dataset = source.read(None, tmp_path / "all")
    elsewhere = write_splits(tmp_path / "other", train=bbc_rows(2), test=bbc_rows(2))  # of a later version's run
    trained_on = TrainedOn(elsewhere, coverage, held_out)
    made = labelled_splits(iter_batches(dataset.shards), dataset, trained_on, tmp_path / "out")
    known = {row["text"] for row in rows_of(made.shards(SplitName.TEST)) if row["replayed"]}
    assert known == {row["text"] for row in rows_of(before.shards(SplitName.TRAIN))}
    assert made.manifest.replayed == {SplitName.TEST: len(known)}
    assert made.manifest.rows[SplitName.TEST] == 65
    assert len(rows_of(made.shards(SplitName.TRAIN))) == 10
