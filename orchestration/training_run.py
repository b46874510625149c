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
from evergreen.core.artifacts import Splits
from evergreen.core.base import Frozen
from evergreen.core.errors import InputError
from orchestration.scratch import scratch_directory

logger = get_logger(__name__)


@contextmanager
def training_run(task: Frozen, splits: Splits, seed: int) -> Iterator[MlflowTrainingRun]:
    """A run whose checkpoints outlive a kill and are removed once the training succeeded."""
    checkpoints = _checkpoint_dir(task, splits, seed)
    log_params({"seed": seed, "splits": splits.manifest.content_hash, "task": task.model_dump(mode="json")})
    yield MlflowTrainingRun(scratch_directory("model"), checkpoints, seed, _show_progress)
    shutil.rmtree(checkpoints, ignore_errors=True)


def _show_progress(rows: int, total_rows: int, loss: float, seconds_left: float) -> None:
    percent = 100 * rows // max(total_rows, 1)
    message = "training: %d of %d rows (%d %%), loss %.3f, %d s left"
    logger.info(message, rows, total_rows, percent, loss, seconds_left)


def _checkpoint_dir(task: Frozen, splits: Splits, seed: int) -> Path:
    """`checkpoints/<hash of splits, task, seed>` below the artifact store."""
    store = Client().active_stack.artifact_store
    if not Path(store.path).is_absolute():
        raise InputError(
            f"artifact store '{store.name}' is at {store.path}; checkpoints need a folder of this machine; "
            "activate a stack with a local artifact store"
        )
    parts = [splits.manifest.content_hash, task.model_dump(mode="json"), seed]
    name = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
    directory = Path(store.path) / "checkpoints" / name
    directory.mkdir(parents=True, exist_ok=True)
    return directory
