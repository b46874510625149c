"""Who is at work on a model: its run on this machine, and the lease of whoever changes its versions, on any machine."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from evergreen.core.lease import Claim, Lease, LeaseStore, from_nobody
from evergreen.runtime.hold import Patience, held, holder_of
from evergreen.runtime.locks import exclusive, holder, is_held

STEP_WAIT_S = 3600.0
"""How long a step waits for the lease: another rollout may hold each of its shares for a while."""
COMMAND_WAIT_S = 300.0
BESIDE = ("monitoring", "evaluation")
"""Pipelines whose runs go on beside a training, and keep none out: they read, and write nothing but what they tell."""


@contextmanager
def run_lock(directory: Path, model: str, run: str, stop: str, pipeline: str = "training") -> Iterator[None]:
    """Held by one run of a model at a time on this machine, and by one of each pipeline beside it; tells which run this
    process is at.

    Raises:
        BusyError: another run holds it; the message has `stop`, the line that ends it.
    """
    taken, instead = f"another run of model '{model}' is under way", f"wait for it to end, or end it with\n  {stop}"
    turn = _turn(model, pipeline)
    with exclusive(_run_lock(directory, turn), taken, instead=instead):
        _run_name(directory, turn).write_text(run, encoding="utf-8")
        yield


@contextmanager
def model_lease(
    store: LeaseStore, model: str, run: str, wait_s: float, over: Callable[[Lease], bool] = from_nobody
) -> Iterator[Claim]:
    """Held, on any machine, while aliases and endpoint change for a run or command; says on stderr for whom it waits.

    Raises:
        BusyError: somebody else held it for `wait_s` seconds; the message says who.
        EvergreenError: where it is kept does not answer.
    """

    def waiting(message: str) -> None:
        sys.stderr.write(f"{message}\n")

    with held(store, f"model '{model}'", holder_of(run), Patience(wait_s, waiting, over)) as claim:
        yield claim


def is_running(directory: Path, model: str, pipeline: str = "training") -> bool:
    """Whether a run of the model is under way on this machine: of this pipeline, or of one that keeps it out."""
    return is_held(_run_lock(directory, _turn(model, pipeline)))


def running_process(directory: Path, model: str, run: str) -> int | None:
    """The id of the process of this machine that is at this run of the model; None when there is none."""
    for turn in (model, *(_turn(model, pipeline) for pipeline in BESIDE)):
        pid, name = holder(_run_lock(directory, turn)), _run_name(directory, turn)
        if pid is not None and name.exists() and name.read_text(encoding="utf-8") == run:
            return pid
    return None


def _turn(model: str, pipeline: str) -> str:
    """What runs that keep each other out are named for; no model: names of models have no `_`."""
    return f"{model}_{pipeline}" if pipeline in BESIDE else model


def _run_lock(directory: Path, turn: str) -> Path:
    return directory / f"{turn}.run.lock"


def _run_name(directory: Path, turn: str) -> Path:
    return directory / f"{turn}.run"
