"""The run around a training: durable checkpoints, MLflow, progress on the terminal."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager

from zenml.client import Client
from zenml.logger import get_logger

from evergreen.adapters.mlflow.tracking import MlflowTrainingRun, log_params
from evergreen.core.artifacts import Splits, TrainedModel
from evergreen.core.protocols import Task
from evergreen.core.reports import Origin
from orchestration.checkpoints import Checkpoints, checkpoints_of
from orchestration.deployment import state_directory
from orchestration.fingerprint import library_fingerprint
from orchestration.locks import exclusive
from orchestration.scratch import scratch_directory

logger = get_logger(__name__)


@contextmanager
def training_run(task: Task, splits: Splits, origin: Origin, seed: int) -> Iterator[MlflowTrainingRun]:
    """A run whose checkpoints outlive a kill; `discard_checkpoints` removes them when the model is stored.

    Raises:
        BusyError: another process of this machine is at the same training now.
    """
    plain = task.training_configuration()
    name = _checkpoint_name(splits.manifest.content_hash, plain, seed)
    lock = state_directory() / "trainings" / f"{name}.lock"
    with exclusive(lock, "another training of the same rows, task and seed is under way"):
        checkpoints = _checkpoints_from(origin, name)
        log_params({"seed": seed, "splits": splits.manifest.content_hash, "task": plain})
        yield MlflowTrainingRun(
            out_dir=scratch_directory("model"),
            checkpoint_dir=checkpoints.path,
            seed=seed,
            progress=_show_progress,
            keep=checkpoints.keep,
        )


def discard_checkpoints(model: TrainedModel) -> None:
    """Removes what the model's training left to resume from: it is stored now, so `--no-cache` trains anew."""
    manifest = model.manifest
    name = _checkpoint_name(manifest.trained_on, manifest.task, manifest.seed)
    checkpoints_of(Client().active_stack.artifact_store, name).discard()


def _checkpoints_from(origin: Origin, name: str) -> Checkpoints:
    """The training's checkpoints; none when what an earlier attempt left started from other weights."""
    store = Client().active_stack.artifact_store
    checkpoints = checkpoints_of(store, name)
    origin_file = checkpoints.path / "origin.json"
    if origin_file.exists() and origin_file.read_text(encoding="utf-8") != origin.model_dump_json():
        checkpoints.discard()
        checkpoints = checkpoints_of(store, name)
    origin_file.write_text(origin.model_dump_json(), encoding="utf-8")
    return checkpoints


def _show_progress(rows: int, total_rows: int, loss: float, seconds_left: float) -> None:
    percent = 100 * rows // max(total_rows, 1)
    message = "training: %d of %d rows (%d %%), loss %.3f, %d s left"
    logger.info(message, rows, total_rows, percent, loss, seconds_left)


def _checkpoint_name(splits: str, task: dict[str, object], seed: int) -> str:
    """Hash of splits, task, seed and code."""
    parts = [splits, task, seed, library_fingerprint()]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
