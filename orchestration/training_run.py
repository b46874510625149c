"""The run around a training: durable checkpoints, MLflow, progress on the terminal."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from zenml.client import Client
from zenml.logger import get_logger

from evergreen.adapters.mlflow.tracking import MlflowTrainingRun, log_params
from evergreen.core.artifacts import Splits, TrainedModel
from evergreen.core.errors import BusyError
from evergreen.core.locks import exclusive
from evergreen.core.protocols import Task
from evergreen.core.reports import Origin
from orchestration.checkpoints import Checkpoints, checkpoints_of
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
        BusyError: another process of this machine is at the same training now.
    """
    plain = task.training_configuration()
    checkpoints = _checkpoints(splits.manifest.content_hash, plain, seed)
    with exclusive(_lock(checkpoints), "another training of the same rows, task and seed is under way"):
        _open(checkpoints, origin)
        log_params({"seed": seed, "splits": splits.manifest.content_hash, "task": plain})
        yield MlflowTrainingRun(
            out_dir=scratch_directory("model"),
            checkpoint_dir=checkpoints.path,
            seed=seed,
            progress=_show_progress,
            keep=checkpoints.keep,
        )


def discard_checkpoints(model: TrainedModel) -> None:
    """Removes what the model's training left to resume from: it is stored now, so `--no-cache` trains anew.

    So goes what no training of this machine touched for KEPT_DAYS; checkpoints of a training that is under way stay.
    """
    manifest = model.manifest
    checkpoints = _checkpoints(manifest.trained_on, manifest.task, manifest.seed)
    _discard(checkpoints)
    for lock in checkpoints.path.parent.glob(f"*{LOCK_SUFFIX}"):
        if _last_touched(lock) < time.time() - KEPT_DAYS * SECONDS_A_DAY:
            _discard(checkpoints_of(Client().active_stack.artifact_store, lock.stem))


def _open(checkpoints: Checkpoints, origin: Origin) -> None:
    """Opens the checkpoints, empty when what an earlier attempt left started from other weights, or does not tell."""
    checkpoints.open()
    origin_file = checkpoints.path / "origin.json"
    told = origin_file.read_text(encoding="utf-8") if origin_file.exists() else None
    if any(checkpoints.path.iterdir()) and told != origin.model_dump_json():
        checkpoints.discard()
        checkpoints.open()
    origin_file.write_text(origin.model_dump_json(), encoding="utf-8")


def _discard(checkpoints: Checkpoints) -> None:
    lock = _lock(checkpoints)
    with suppress(BusyError), exclusive(lock, "a training writes these checkpoints"):
        checkpoints.discard()
        lock.unlink(missing_ok=True)


def _lock(checkpoints: Checkpoints) -> Path:
    return checkpoints.path.with_suffix(LOCK_SUFFIX)


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


def _checkpoints(splits: str, task: dict[str, object], seed: int) -> Checkpoints:
    """`checkpoints/<hash of splits, task, seed and code>` below the artifact store."""
    parts = [splits, task, seed, library_fingerprint()]
    name = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
    return checkpoints_of(Client().active_stack.artifact_store, name)
