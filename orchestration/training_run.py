"""The run around a training: durable checkpoints, MLflow, progress on the terminal."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from zenml.client import Client
from zenml.logger import get_logger

from evergreen.adapters.mlflow.tracking import MlflowTrainingRun, log_params
from evergreen.core.artifacts import Splits, TrainedModel
from evergreen.core.errors import BusyError, InputError
from evergreen.core.locks import exclusive
from evergreen.core.protocols import Task
from evergreen.core.reports import Origin
from orchestration.fingerprint import library_fingerprint
from orchestration.scratch import scratch_directory

LOCK_SUFFIX = ".lock"
KEPT_DAYS = 14
SECONDS_A_DAY = 86_400

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
    with exclusive(
        checkpoints.with_suffix(LOCK_SUFFIX), "another training of the same rows, task and seed is under way"
    ):
        if origin_file.exists() and origin_file.read_text(encoding="utf-8") != origin.model_dump_json():
            shutil.rmtree(checkpoints)  # left by a training that started from other weights
        checkpoints.mkdir(parents=True, exist_ok=True)
        origin_file.write_text(origin.model_dump_json(), encoding="utf-8")
        log_params({"seed": seed, "splits": splits.manifest.content_hash, "task": plain})
        yield MlflowTrainingRun(scratch_directory("model"), checkpoints, seed, _show_progress)


def discard_checkpoints(model: TrainedModel) -> None:
    """Removes what the model's training left to resume from: it is stored now, so `--no-cache` trains anew.

    So goes what no training touched for KEPT_DAYS; checkpoints of a training that is under way stay.
    """
    manifest = model.manifest
    checkpoints = _checkpoint_dir(manifest.trained_on, manifest.task, manifest.seed)
    _discard(checkpoints)
    for lock in checkpoints.parent.glob(f"*{LOCK_SUFFIX}"):
        if _last_touched(lock) < time.time() - KEPT_DAYS * SECONDS_A_DAY:
            _discard(lock.with_suffix(""))


def _discard(checkpoints: Path) -> None:
    lock = checkpoints.with_suffix(LOCK_SUFFIX)
    with suppress(BusyError), exclusive(lock, "a training writes these checkpoints"):
        shutil.rmtree(checkpoints, ignore_errors=True)
        lock.unlink(missing_ok=True)


def _last_touched(lock: Path) -> float:
    """Seconds since the epoch: when the lock was taken or a checkpoint written, whichever was later."""
    folder = lock.with_suffix("")
    moments = [0.0]
    for path in (lock, folder, *folder.glob("*")):
        with suppress(FileNotFoundError):  # another run prunes too
            moments.append(path.stat().st_mtime)
    return max(moments)


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
