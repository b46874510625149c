"""How far a step is, for whoever watches from elsewhere: ZenML's metadata of the step, sent in the background.

A ZenML server that is slow or away holds up no training: the newest words wait for it, older ones are dropped.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

from zenml.logger import get_logger

from orchestration.notes import PROGRESS_KEY

SEND_EVERY_S = 20.0
LAST_WITHIN_S = 5.0

logger = get_logger(__name__)


class Progress:
    """Sends the newest of what it is given, at most every SEND_EVERY_S."""

    def __init__(self, send: Callable[[str], None]) -> None:
        self._send = send
        self._newest: str | None = None
        self._new = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._send_on, name="progress", daemon=True)
        self._thread.start()

    def tell(self, text: str) -> None:
        """Takes the text and returns at once."""
        self._newest = text
        self._new.set()

    def close(self) -> None:
        """Sends nothing more; what is under way has a moment left."""
        self._closed.set()
        self._new.set()
        self._thread.join(LAST_WITHIN_S)

    def _send_on(self) -> None:
        while not self._closed.is_set():
            self._new.wait()
            self._new.clear()
            if self._newest is not None and not self._closed.is_set():
                try:
                    self._send(self._newest)
                except Exception as error:  # whatever ZenML's client raises: nothing may end a training for this
                    logger.debug("progress was not sent: %s", error)
                self._closed.wait(SEND_EVERY_S)


@contextmanager
def step_progress() -> Iterator[Callable[[str], None]]:
    """A function that notes how far the present step is; where no server is asked, or no step runs, it does nothing."""
    step = _step_on_a_server()
    if step is None:
        yield lambda _: None
        return
    progress = Progress(lambda text: _note(step, text))
    try:
        yield progress.tell
    finally:
        progress.close()


def _step_on_a_server() -> UUID | None:
    from zenml.client import Client
    from zenml.enums import StoreType
    from zenml.steps import get_step_context

    try:
        step = get_step_context().step_run.id
    except RuntimeError:
        return None
    return step if Client().zen_store.type == StoreType.REST else None


def _note(step: UUID, text: str) -> None:
    from zenml import log_metadata

    log_metadata(metadata={PROGRESS_KEY: text}, step_id=step)
