"""The locks of one model on this machine: its run, and changes of its versions."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evergreen.core.locks import exclusive, in_turn, is_held


@contextmanager
def run_lock(directory: Path, model: str) -> Iterator[None]:
    """Held by one run of a model at a time on this machine.

    Raises:
        BusyError: another run holds it.
    """
    with exclusive(_run_lock(directory, model), f"another run of model '{model}' is under way"):
        yield


@contextmanager
def model_lock(directory: Path, model: str) -> Iterator[None]:
    """Held while aliases and endpoint change; waits for whoever changes them now, and says on stderr for whom."""

    def waiting(holder: str) -> None:
        sys.stderr.write(f"process {holder} is changing the versions of model '{model}'; waiting for it\n")

    with in_turn(directory / f"{model}.versions.lock", waiting):
        yield


def is_running(directory: Path, model: str) -> bool:
    """Whether a run of the model is under way on this machine."""
    return is_held(_run_lock(directory, model))


def _run_lock(directory: Path, model: str) -> Path:
    return directory / f"{model}.run.lock"
