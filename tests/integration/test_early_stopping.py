"""Early stopping across a kill: the patience that was left is left after it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from evergreen.core.artifacts import Splits, TrainedModel
from evergreen.core.members import trainable
from evergreen.tasks.text_classification.settings import TextClassification
from tests.tiny_text import RecordingRun, headlines, task_with, write_encoder, write_splits

PATIENCE, EVALUATIONS = 4, 24
"""Evaluations without a better one, and all that a whole training has."""


class KilledError(BaseException):
    """What ends the process."""


@dataclass
class MortalRun(RecordingRun):
    """A run that is killed as soon as it was told of `lives_for_rows`, or of the checkpoint `lives_until`."""

    lives_for_rows: int = 0
    lives_until: str = ""

    def report_progress(self, rows: int, total_rows: int, loss: float, seconds_left: float) -> None:
        super().report_progress(rows, total_rows, loss, seconds_left)
        if self.lives_for_rows and rows >= self.lives_for_rows:
            raise KilledError

    def checkpoint_saved(self) -> None:
        super().checkpoint_saved()
        if self.lives_until in self.saved[-1]:
            raise KilledError


def mortal(folder: Path, lives_for_rows: int = 0, lives_until: str = "") -> MortalRun:
    run = RecordingRun.below(folder)
    return MortalRun(run.out_dir, run.checkpoint_dir, lives_for_rows=lives_for_rows, lives_until=lives_until)


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> Splits:
    rows = headlines(660)
    parts = {"train": rows[:500], "validation": rows[500:560], "test": rows[560:]}
    return write_splits(tmp_path_factory.mktemp("data") / "splits", parts)


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> TextClassification:
    """Learns too fast: soon no evaluation is better than those before, at which one depends on the processor."""
    encoder = write_encoder(tmp_path_factory.mktemp("pretrained") / "encoder")
    restless = {"epochs": 6, "learning_rate": 0.05, "evaluations_per_epoch": 4, "dropout": 0.1}
    return task_with(encoder, **restless, early_stopping_patience=PATIENCE)


@pytest.fixture(scope="module")
def undisturbed(
    task: TextClassification, splits: Splits, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TrainedModel, RecordingRun]:
    run = RecordingRun.below(tmp_path_factory.mktemp("undisturbed"))
    return trainable(task).train(splits, run), run


def test_it_stops_when_its_patience_ends(undisturbed: tuple[TrainedModel, RecordingRun]) -> None:
    losses = [point["validation/loss"] for _, point in undisturbed[1].points if "validation/loss" in point]
    assert losses.index(min(losses)) == len(losses) - 1 - PATIENCE
    assert len(losses) < EVALUATIONS


@pytest.mark.parametrize("rows", [420, *(pytest.param(rows, marks=pytest.mark.variants) for rows in (300, 560))])
def test_a_killed_training_stops_where_it_would_have_and_gives_the_same_model(
    task: TextClassification,
    splits: Splits,
    undisturbed: tuple[TrainedModel, RecordingRun],
    tmp_path: Path,
    rows: int,
) -> None:
    expected, whole = undisturbed
    killed = mortal(tmp_path, lives_for_rows=rows)
    with pytest.raises(KilledError):
        trainable(task).train(splits, killed)

    resumed = RecordingRun.below(tmp_path)
    model = trainable(task).train(splits, resumed)

    assert 0 < len(resumed.points) < len(whole.points)
    assert resumed.points == whole.points[-len(resumed.points) :]
    assert model.version == expected.version


def test_a_training_killed_once_its_patience_had_ended_trains_no_more(
    task: TextClassification, splits: Splits, undisturbed: tuple[TrainedModel, RecordingRun], tmp_path: Path
) -> None:
    expected, whole = undisturbed
    killed = mortal(tmp_path, lives_until=max(whole.saved[-1], key=lambda name: int(name.rpartition("-")[2])))
    with pytest.raises(KilledError):
        trainable(task).train(splits, killed)

    resumed = RecordingRun.below(tmp_path)
    model = trainable(task).train(splits, resumed)

    assert resumed.points == []
    assert model.version == expected.version
