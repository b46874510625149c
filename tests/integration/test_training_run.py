"""What a training leaves to resume from: kept while it is needed, removed when it is not."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from evergreen.adapters.mlflow.spool import Spool
from evergreen.core.artifacts import Splits, SplitsManifest, TrainedModel, TrainedModelManifest
from evergreen.core.errors import BusyError
from evergreen.core.members import trainable
from evergreen.core.training import Start
from evergreen.tasks.text_classification.settings import TextClassification

if TYPE_CHECKING:
    from zenml.artifact_stores import BaseArtifactStore

TASK = TextClassification(encoder="distilbert/distilbert-base-uncased", labels=("a", "b"))
SPLITS = Splits(Path("splits"), SplitsManifest(files=(), dataset="d", seed=0, rows={}, labels={}, removed={}))
CODE = "c" * 64
FIFTEEN_DAYS_AGO = time.time() - 15 * 86_400


@pytest.fixture(autouse=True)
def checkpoints(zenml_home: Path) -> Iterator[Path]:
    """The folder of all checkpoints, empty."""
    from zenml.client import Client

    folder = Path(Client().active_stack.artifact_store.path) / "checkpoints"
    shutil.rmtree(folder, ignore_errors=True)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def model_of(seed: int) -> TrainedModel:
    manifest = TrainedModelManifest(
        files=(),
        task=trainable(TASK).training_configuration(),
        trained_on=SPLITS.manifest.content_hash,
        seed=seed,
        code=CODE,
    )
    return TrainedModel(Path("model"), manifest)


def leave_checkpoint(seed: int) -> Path:
    """The checkpoints of a training that was cut off."""
    from orchestration.training_run import training_run

    with training_run(TASK, SPLITS, Start(pretrained="p"), seed, CODE) as run:
        (run.checkpoint_dir / "checkpoint-40").mkdir()
    return run.checkpoint_dir


def age(folder: Path, *, but: str = "") -> None:
    """Makes the checkpoints, their folder and their lock 15 days old, but for one path by name."""
    for path in (folder.with_suffix(".lock"), *folder.iterdir(), folder):
        if path.name != but:
            os.utime(path, (FIFTEEN_DAYS_AGO, FIFTEEN_DAYS_AGO))


def test_the_checkpoints_of_a_stored_model_and_their_lock_are_removed_and_no_others(checkpoints: Path) -> None:
    from orchestration.training_run import discard_checkpoints

    _, other = leave_checkpoint(1), leave_checkpoint(2)
    discard_checkpoints(model_of(1))
    assert {path.name for path in checkpoints.iterdir()} == {other.name, f"{other.name}.lock"}


def test_the_checkpoints_of_a_stored_model_leave_a_bucket_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from zenml.client import Client

    from orchestration import training_run
    from orchestration.checkpoints import Checkpoints, RemoteCheckpoints

    store = Client().active_stack.artifact_store

    def in_a_bucket(_store: object, name: str) -> Checkpoints:
        return RemoteCheckpoints(store, f"{store.path}/bucket/{name}")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(training_run, "checkpoints_of", in_a_bucket)
    with training_run.training_run(TASK, SPLITS, Start(pretrained="p"), 1, CODE) as run:
        run.checkpoint_saved()
    assert store.listdir(f"{store.path}/bucket")

    training_run.discard_checkpoints(model_of(1))
    assert store.listdir(f"{store.path}/bucket") == []
    assert not run.checkpoint_dir.exists()


class Bucket:
    """The test's artifact store, that fails where it is to."""

    def __init__(self, store: BaseArtifactStore) -> None:
        self._store = store
        self.broken = ""

    def __getattr__(self, name: str) -> object:
        if name == self.broken:
            raise ConnectionError("503 Service Unavailable")
        return getattr(self._store, name)


@pytest.mark.parametrize("broken", ["listdir", "open", "exists", "rmtree", "makedirs"])
def test_an_error_of_the_store_neither_ends_a_promotion_nor_loses_what_mlflow_lacks(
    broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from zenml.client import Client

    from orchestration import training_run
    from orchestration.checkpoints import RemoteCheckpoints

    store = Bucket(Client().active_stack.artifact_store)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(
        training_run,
        "checkpoints_of",
        lambda _store, name: RemoteCheckpoints(cast("BaseArtifactStore", store), f"{_store.path}/bucket/{name}"),
    )
    with training_run.training_run(TASK, SPLITS, Start(pretrained="p"), 1, CODE) as run:
        (run.checkpoint_dir / "checkpoint-8").mkdir()
        (run.checkpoint_dir / "checkpoint-8" / "trainer_state.json").write_text("{}")
        Spool(run.checkpoint_dir).add_point({"train/loss": 0.5}, 8)
        run.checkpoint_saved()

    store.broken = broken
    with caplog.at_level(logging.WARNING):
        if training_run.send_notes(model_of(1), None):
            training_run.discard_checkpoints(model_of(1))
    store.broken = ""
    assert training_run.send_notes(model_of(1), None)
    assert Spool(run.checkpoint_dir).pending == 1
    training_run.discard_checkpoints(model_of(1))
    (kept,) = store.listdir(f"{Client().active_stack.artifact_store.path}/bucket")  # type: ignore[operator]
    assert "checkpoint-8" not in store.listdir(f"{Client().active_stack.artifact_store.path}/bucket/{kept}")  # type: ignore[operator]
    assert training_run.send_notes(model_of(1), None)
    assert Spool(run.checkpoint_dir).pending == 1


def test_notes_that_another_process_writes_now_are_a_warning_and_stay(caplog: pytest.LogCaptureFixture) -> None:
    from orchestration.training_run import send_notes, training_run

    with training_run(TASK, SPLITS, Start(pretrained="p"), 1, CODE), caplog.at_level(logging.WARNING):
        assert not send_notes(model_of(1), None)
    assert "what MLflow lacks of a training" in caplog.text


def test_checkpoints_of_unknown_origin_are_not_resumed_from() -> None:
    from orchestration.training_run import training_run

    (leave_checkpoint(1) / "start.json").unlink()
    with training_run(TASK, SPLITS, Start(pretrained="p"), 1, CODE) as run:
        assert [path.name for path in run.checkpoint_dir.iterdir()] == ["start.json"]


def test_checkpoints_that_a_training_writes_now_stay() -> None:
    from orchestration.training_run import discard_checkpoints, training_run

    with training_run(TASK, SPLITS, Start(pretrained="p"), 1, CODE) as run:
        age(run.checkpoint_dir)
        discard_checkpoints(model_of(1))
        discard_checkpoints(model_of(2))
        assert (run.checkpoint_dir / "start.json").is_file()
        with pytest.raises(BusyError), training_run(TASK, SPLITS, Start(pretrained="p"), 1, CODE):
            pass


@pytest.mark.parametrize("but", ["", "checkpoint-40", "lock"])
def test_checkpoints_that_nobody_came_back_for_go_after_two_weeks(checkpoints: Path, but: str) -> None:
    from orchestration.training_run import discard_checkpoints

    left = leave_checkpoint(1)
    age(left, but=f"{left.name}.lock" if but == "lock" else but)
    discard_checkpoints(model_of(2))
    kept = {path.name for path in checkpoints.iterdir()}
    assert kept == ({left.name, f"{left.name}.lock"} if but else set())


def test_a_lock_that_its_holder_removes_while_another_reaches_for_it_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from evergreen.runtime import locks

    lock, flock = tmp_path / "x.lock", fcntl.flock

    def removed_meanwhile(descriptor: int, operation: int) -> None:
        lock.unlink()
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", removed_meanwhile)
    refused = pytest.raises(BusyError, match="another is at it, or was until now; run again")
    with refused, locks.exclusive(lock, "another is at it"):
        pass
