"""What ZenML has of a run's steps, asked in the background: whoever looks never waits for a server that is away."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self
from uuid import UUID

from zenml import log_metadata
from zenml.client import Client
from zenml.models import StepRunResponse

from evergreen.core.errors import EvergreenError
from orchestration.watch import Patience, StepNote

ASK_EVERY_S = 15.0
PROGRESS_KEY = "progress"
"""Metadata of a step: how far it is, in words."""
MACHINES_KEY = "machines_refused"
"""Metadata of a step or a run: machines that were not to be had, each in a sentence."""


class Notes:
    """The newest notes of a run's steps, while the block lasts."""

    def __init__(self, run: UUID, say: Callable[[str], None]) -> None:
        self._run = run
        self._patience = Patience("ZenML", "the run goes on", say)
        self._newest: Mapping[str, StepNote] = {}
        self._closed = False
        self._asked = threading.Event()
        self._thread = threading.Thread(target=self._ask_on, name="notes of a run", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        self._asked.set()

    def newest(self, at_once: bool) -> Mapping[str, StepNote]:
        """By step, empty until ZenML first answered; `at_once` has it asked now instead of when it is time."""
        if at_once:
            self._asked.set()
        return self._newest

    def _ask_on(self) -> None:
        while not self._closed:
            try:
                steps = Client().list_run_steps(pipeline_run_id=self._run, size=100, hydrate=True).items
                self._newest = {step.name: note_of(step) for step in steps}
            except Exception as error:
                with suppress(EvergreenError):  # Vertex AI says when the run has ended, however long ZenML is away
                    self._patience.failed(" ".join(str(error).split()))
            else:
                self._patience.answered()
            self._asked.wait(ASK_EVERY_S)
            self._asked.clear()


def note_of(step: StepRunResponse) -> StepNote:
    """What ZenML has of one step."""
    metadata = step.run_metadata
    progress = metadata.get(PROGRESS_KEY)
    return StepNote(status=str(step.status), progress=str(progress) if progress else None, machines=refused(metadata))


def refused(metadata: Mapping[str, object]) -> tuple[str, ...]:
    """The sentences about machines in the metadata of a step or a run."""
    noted = metadata.get(MACHINES_KEY)
    return tuple(map(str, noted)) if isinstance(noted, (list, tuple)) else ()


def note_machines(run: UUID, sentences: Sequence[str]) -> None:
    """Writes the sentences about machines to the metadata of a run."""
    log_metadata(metadata={MACHINES_KEY: list(sentences)}, run_id_name_or_prefix=run)
