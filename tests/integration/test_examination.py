"""The step `validate` with tasks that examine rows in ways that are not ours."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow.parquet as pq
import pytest

from evergreen.core.artifacts import ClassCounts, Dataset
from evergreen.core.errors import DatasetError, InputError
from evergreen.core.members import TaskSettings
from evergreen.core.protocols import CountClasses
from evergreen.core.validation import ValidationReport
from evergreen.data import class_counts
from steps import validate as step
from tests.rows import dataset_of

ROWS = 60


class Examination:
    """Tells `count` of the first `task.counted` rows, and finds nothing wrong."""

    def __init__(self, task: Counted) -> None:
        self.task = task

    def examine(self, dataset: Dataset, count: CountClasses) -> ValidationReport:
        count(np.ones((self.task.counted, 256), dtype=np.int64))
        return ValidationReport(
            dataset=dataset.manifest.content_hash, rows=dataset.manifest.rows, columns={}, labels={}
        )


class BrokenOff(Examination):
    def examine(self, dataset: Dataset, count: CountClasses) -> ValidationReport:
        report = super().examine(dataset, count)
        raise DatasetError(report.rows, ["a mask is unreadable"])


class Counted(TaskSettings):
    examinable: ClassVar[str] = f"{__name__}:Examination"
    columns: ClassVar = {"text": "string"}
    kind: str = "counted"
    counted: int = ROWS


class Broken(Counted):
    examinable: ClassVar[str] = f"{__name__}:BrokenOff"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the step writes class counts."""
    monkeypatch.setattr(step, "scratch_directory", lambda name: tmp_path / name)
    monkeypatch.setattr(class_counts, "GROUP_ROWS", 10)
    return tmp_path / "class_counts"


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return dataset_of([(f"r{n}", f"text {n}", "a") for n in range(ROWS)], tmp_path / "rows")


def validated(task: TaskSettings, dataset: Dataset) -> ClassCounts:
    _, _, counts = step.validate.entrypoint(task, dataset, code="")
    assert isinstance(counts, ClassCounts)
    return counts


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("counted", [0, ROWS])
def test_a_task_counts_all_rows_or_none(counted: int, dataset: Dataset) -> None:
    assert validated(Counted(counted=counted), dataset).manifest.rows == counted


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("counted", [50, ROWS + 1])
def test_a_task_that_counts_other_rows_is_named_with_both_numbers(counted: int, dataset: Dataset) -> None:
    message = (
        rf"kind 'counted' counted the classes of {counted} rows in a dataset of 60 \(allowed: 60, or none at all\)"
    )
    with pytest.raises(InputError, match=message):
        validated(Counted(counted=counted), dataset)


def test_an_examination_that_fails_leaves_no_open_file(folder: Path, dataset: Dataset) -> None:
    with pytest.raises(DatasetError, match="unreadable") as raised:  # holds what was open as it was raised
        validated(Broken(), dataset)
    assert pq.read_metadata(folder / "rows-00000.parquet").num_rows == ROWS
    assert not (folder / "manifest.json").exists()
    del raised
