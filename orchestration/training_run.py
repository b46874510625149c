"""The run around a training: durable checkpoints, MLflow, progress on the terminal."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zenml.client import Client
from zenml.logger import get_logger

from evergreen.adapters.mlflow.tracking import MlflowTrainingRun, log_params
from evergreen.core.artifacts import Splits, TrainedModel
from evergreen.core.errors import InputError
from evergreen.core.locks import exclusive
from evergreen.core.protocols import Task
from evergreen.core.reports import Origin
from orchestration.fingerprint import library_fingerprint
from orchestration.scratch import scratch_directory

logger = get_logger(__name__)


@contextmanager
def training_run(task: Task, splits: Splits, origin: Origin, seed: int) -> Iterator[MlflowTrainingRun]:
    """A run whose checkpoints outlive a kill; `discard_checkpoints` removes them when the model is stored.

    Raises:
        BusyError: another process is at the same training now.
    """
    plain = task.training_configuration()
    checkpoints = _checkpoint_dir(splits.manifest.content_hash, plain, seed)
    origin_file = checkpoints / "origin.json"
    with exclusive(checkpoints.with_suffix(".lock"), "another training of the same rows, task and seed is under way"):
        if origin_file.exists() and origin_file.read_text(encoding="utf-8") != origin.model_dump_json():
            shutil.rmtree(checkpoints)  # left by a training that started from other weights
        checkpoints.mkdir(parents=True, exist_ok=True)
        origin_file.write_text(origin.model_dump_json(), encoding="utf-8")
        log_params({"seed": seed, "splits": splits.manifest.content_hash, "task": plain})
        yield MlflowTrainingRun(scratch_directory("model"), checkpoints, seed, _show_progress)


def discard_checkpoints(model: TrainedModel) -> None:
    """Removes what the model's training left to resume from: it is stored now, so `--no-cache` trains anew."""
    manifest = model.manifest
    shutil.rmtree(_checkpoint_dir(manifest.trained_on, manifest.task, manifest.seed), ignore_errors=True)


def _show_progress(rows: int, total_rows: int, loss: float, seconds_left: float) -> None:
    percent = 100 * rows // max(total_rows, 1)
    message = "training: %d of %d rows (%d %%), loss %.3f, %d s left"
    logger.info(message, rows, total_rows, percent, loss, seconds_left)


def _checkpoint_dir(splits: str, task: dict[str, object], seed: int) -> Path:
    """`checkpoints/<hash of splits, task, seed and code>` below the artifact store."""
    store = Client().active_stack.artifact_store
    if not Path(store.path).is_absolute():
        raise InputError(
            f"artifact store '{store.name}' is at {store.path}; checkpoints need a folder of this machine; "
            "activate a stack with a local artifact store"
        )
    parts = [splits, task, seed, library_fingerprint()]
    name = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
    return Path(store.path) / "checkpoints" / name
