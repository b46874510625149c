"""The run around a training: durable checkpoints, what MLflow is sent, progress on the terminal."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from zenml.client import Client
from zenml.logger import get_logger

from evergreen.adapters.mlflow.sender import Sender, deliver, impatient
from evergreen.adapters.mlflow.spool import Spool
from evergreen.adapters.mlflow.tracking import ActiveRun, MlflowTrainingRun, active_run, as_params, let_go
from evergreen.core.artifacts import Splits, TrainedModel
from evergreen.core.errors import BusyError, EvergreenError
from evergreen.core.members import TaskSettings, trainable
from evergreen.core.training import Start
from evergreen.pages.training import answers_page, curves_page
from evergreen.runtime.asides import beside_the_point
from evergreen.runtime.locks import exclusive
from evergreen.tasks.checkpoints import newest_step
from orchestration.checkpoints import Checkpoints, checkpoints_of
from orchestration.progress import step_progress
from orchestration.scratch import scratch_directory

TRAINS = "a training writes these checkpoints"
LOCK_SUFFIX = ".lock"
KEPT_DAYS = 14
SECONDS_A_DAY = 86_400

logger = get_logger(__name__)


@contextmanager
def training_run(task: TaskSettings, splits: Splits, start: Start, seed: int, code: str) -> Iterator[MlflowTrainingRun]:
    """A run whose checkpoints outlive a kill; `discard_checkpoints` removes them when the model is stored.

    Raises:
        BusyError: another process of this machine is at the same training now.
    """
    plain = trainable(task).training_configuration()
    checkpoints = _checkpoints(splits.manifest.content_hash, plain, seed, code)
    busy = "another training of the same rows, task and seed is under way"
    with exclusive(_lock(checkpoints), busy), step_progress() as note:
        _open(checkpoints, start)
        run = MlflowTrainingRun(
            out_dir=scratch_directory("model"),
            checkpoint_dir=checkpoints.path,
            seed=seed,
            moved=start.moved,
            progress=lambda *numbers: note(_show_progress(*numbers)),
            keep=checkpoints.keep,
            draw_curves=partial(curves_page, metrics=task.metrics),
            draw_answers=answers_page,
        )
        with _tracked(run, {"seed": seed, "splits": splits.manifest.content_hash, "task": plain}) as tracked:
            yield tracked


@contextmanager
def _tracked(run: MlflowTrainingRun, params: Mapping[str, object]) -> Iterator[MlflowTrainingRun]:
    """The run, what it notes being sent to the MLflow run that is active; the run as it is where there is none.

    What MLflow did not take by the end stays beside the checkpoints, and `send_notes` sends it.
    """
    target = active_run()
    spool = _open_spool(run.checkpoint_dir, target, params) if target else None
    if target is None or spool is None:
        yield run
        return
    with impatient():
        with Sender(spool, target.uri) as sender:
            yield replace(run, spool=spool, wake=sender.wake)
        if spool.pending:
            logger.warning("MLflow lacks %d entries of this training; the step `promote` sends them", spool.pending)
            let_go()
    run.keep()


def _open_spool(folder: Path, target: ActiveRun, params: Mapping[str, object]) -> Spool | None:
    with beside_the_point("curves and pages for MLflow"):
        spool = Spool(folder)
        spool.belong_to(target.id)
        spool.forget_after(newest_step(folder))
        spool.add_params(as_params(params))
        return spool
    return None


@contextmanager
def model_notes(model: TrainedModel) -> Iterator[Spool | None]:
    """What MLflow is to have of the model beside its training, sent at the end; None without an active MLflow run."""
    target, checkpoints = active_run(), _of(model)
    if target is None:
        yield None
        return
    with exclusive(_lock(checkpoints), TRAINS):
        checkpoints.open_notes()
        checkpoints.path.mkdir(parents=True, exist_ok=True)
        spool = Spool(checkpoints.path)
        spool.belong_to(target.id)
        yield spool
        if not _send(spool, target.uri):
            let_go()
        checkpoints.keep()


def send_notes(model: TrainedModel, uri: str | None) -> bool:
    """Sends the MLflow at `uri` what it does not have of the model's training; what it does not take stays, with a
    warning, for the next run's `promote`.

    Gives whether what the training noted could be read: where not, nothing of it may be discarded.
    """
    checkpoints, readable = _of(model), False
    with beside_the_point("what MLflow lacks of a training"), exclusive(_lock(checkpoints), TRAINS):
        checkpoints.open_notes()
        readable = True
        spool = Spool(checkpoints.path)
        if uri is not None and spool.pending and _send(spool, uri):
            checkpoints.keep()
    return readable


def discard_checkpoints(model: TrainedModel) -> None:
    """Removes what the model's training left to resume from: it is stored now, so `--no-cache` trains anew.

    What MLflow lacks of the training stays: `send_notes` comes first, and has read it. So goes what no training of this
    machine touched for KEPT_DAYS; checkpoints of a training that is under way stay.
    """
    checkpoints = _of(model)
    _discard(checkpoints, keep_unsent=True)
    for lock in checkpoints.path.parent.glob(f"*{LOCK_SUFFIX}"):
        if _last_touched(lock) < time.time() - KEPT_DAYS * SECONDS_A_DAY:
            _discard(checkpoints_of(Client().active_stack.artifact_store, lock.stem), keep_unsent=False)


def _send(spool: Spool, uri: str) -> bool:
    """Whether MLflow has all of it now; a warning says why not."""
    try:
        with impatient():
            deliver(spool, uri)
    except EvergreenError as error:
        logger.warning("%s; what MLflow lacks is kept, the next `promote` sends it", error)
    return not spool.pending


def _has_unsent(folder: Path) -> bool:
    """Whether MLflow lacks something that was noted beside the checkpoints."""
    with beside_the_point("what MLflow lacks of a training"):
        return folder.is_dir() and Spool(folder).pending > 0
    return False


def _open(checkpoints: Checkpoints, start: Start) -> None:
    """Opens the checkpoints, empty when what an earlier attempt left started from other weights, or does not tell."""
    checkpoints.open()
    note = checkpoints.path / "start.json"
    noted = note.read_text(encoding="utf-8") if note.exists() else None
    if any(checkpoints.path.iterdir()) and noted != start.model_dump_json():
        checkpoints.discard()
        checkpoints.open()
    note.write_text(start.model_dump_json(), encoding="utf-8")


def _discard(checkpoints: Checkpoints, *, keep_unsent: bool) -> None:
    lock = _lock(checkpoints)
    with suppress(BusyError), exclusive(lock, TRAINS), beside_the_point("the removal of checkpoints"):
        if keep_unsent and _has_unsent(checkpoints.path):
            checkpoints.discard_but_notes()
        else:
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


def _show_progress(rows: int, total_rows: int, loss: float, seconds_left: float) -> str:
    """The line that was shown."""
    percent = 100 * rows // max(total_rows, 1)
    message = f"training: {rows} of {total_rows} rows ({percent} %), loss {loss:.3f}, {seconds_left:.0f} s left"
    logger.info(message)
    return message


def _of(model: TrainedModel) -> Checkpoints:
    manifest = model.manifest
    return _checkpoints(manifest.trained_on, manifest.task, manifest.seed, manifest.code)


def _checkpoints(splits: str, task: dict[str, object], seed: int, code: str | None) -> Checkpoints:
    """`checkpoints/<hash of splits, task, seed and code>` below the artifact store."""
    parts = [splits, task, seed, code]
    name = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
    return checkpoints_of(Client().active_stack.artifact_store, name)
