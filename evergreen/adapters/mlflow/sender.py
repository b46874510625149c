"""Sends what a training has for MLflow beside the training, which waits for no answer.

with Sender(spool, uri) as sender:   # begins to send, and at the end waits a little for the rest
    spool.add_point({"train/loss": 0.71}, 8)
    sender.wake()
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Event, Thread
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from evergreen.adapters.mlflow.failures import reason_of, refuses, translated
from evergreen.adapters.mlflow.spool import Spool
from evergreen.core.errors import EvergreenError

if TYPE_CHECKING:
    from mlflow import MlflowClient

IMPATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
"""MLflow's own are 120 s and 7 tries with ever longer pauses: minutes for one point."""
PAUSES_S = (1.0, 2.0, 5.0, 10.0, 20.0)
PATIENCE_AT_THE_END_S = 15.0
PATIENCE_AFTER_A_FAILURE_S = 2.0

logger = logging.getLogger(__name__)


class Sender:
    """A thread that sends a spool's entries as they come, and again after a pause where MLflow does not answer.

    A call that outlasts the patience at the end goes on alone; the spool is closed then, so that it notes nothing.
    """

    def __init__(self, spool: Spool, uri: str) -> None:
        self._spool = spool
        self._uri = uri
        self._thread = Thread(target=self._run, name="mlflow-sender", daemon=True)
        self._due = Event()
        self._ending = Event()
        self._failures = 0

    def wake(self) -> None:
        """Says that there is something to send; returns at once."""
        if not self._failures:  # else the pause goes on
            self._due.set()

    def __enter__(self) -> Self:
        self._thread.start()
        self.wake()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._ending.set()
        self._due.set()
        self._thread.join(PATIENCE_AT_THE_END_S if kind is None else PATIENCE_AFTER_A_FAILURE_S)
        if self._thread.is_alive():
            self._spool.close()

    def _run(self) -> None:
        while True:
            pause = PAUSES_S[min(self._failures, len(PAUSES_S)) - 1] if self._failures else None
            self._due.wait(pause)
            self._due.clear()
            last = self._ending.is_set()
            self._try()
            if last:
                return

    def _try(self) -> None:
        try:
            deliver(self._spool, self._uri)
        except EvergreenError as error:
            self._failures += 1
            if self._failures == 1:
                logger.warning("%s; the training goes on, what it has for MLflow is kept and sent later", error)
        else:
            if self._failures:
                logger.info("MLflow answers again; what was kept for it is sent")
            self._failures = 0


def deliver(spool: Spool, uri: str) -> None:
    """Sends all that is pending; what MLflow refuses for good is left out with a warning.

    Raises:
        EvergreenError: MLflow does not answer, or cannot take anything now.
    """
    import mlflow

    with translated(uri):
        client = mlflow.MlflowClient(tracking_uri=uri)
    while spool.pending and not spool.closed:
        try:
            refused = _send(spool, client)
        except Exception as error:  # an artifact store raises what its library does
            raise EvergreenError(reason_of(uri, error)) from error
        if refused:
            logger.warning("%s; %d points or pages are left out", reason_of(uri, refused[0]), len(refused))


def _send(spool: Spool, client: MlflowClient) -> list[Exception]:
    """Sends what is pending, up to a part that MLflow refuses: of that, what it takes; gives why not the rest."""
    try:
        spool.send(client)
    except Exception as error:  # an artifact store raises what its library does
        if not refuses(error):
            raise
        return spool.send_singly(client, refuses)
    return []


@contextmanager
def impatient() -> Iterator[None]:
    """A block in which MLflow's client gives up soon; what the user's environment says wins."""
    with _environment({name: value for name, value in IMPATIENCE.items() if name not in os.environ}):
        yield


@contextmanager
def _environment(values: Mapping[str, Any]) -> Iterator[None]:
    os.environ.update(values)
    try:
        yield
    finally:
        for name in values:
            os.environ.pop(name, None)
