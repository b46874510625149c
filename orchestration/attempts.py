"""A custom job on the first machine of a list that is to be had."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from evergreen.adapters.google.calls import Kind, failure_of, passing_over
from evergreen.adapters.vertex.jobs import RESOURCE_EXHAUSTED, Cause, cause_of, describe, job_error
from evergreen.core.errors import EvergreenError
from orchestration.machine_lists import MachineChoice

CALL_TIMEOUT_S = 60.0
QUEUED_S = 1800.0
"""How long a job may wait for its machine while another one could be tried; a GPU is usually there in ten minutes."""
AGAIN = "run again: a training goes on from its last checkpoint"


class Attempts:
    """Tries the machines one after another; `client` is of the JobService, `request` makes the job of a machine."""

    def __init__(
        self, client: Callable[[], Any], parent: str, machines: Sequence[MachineChoice], request: Callable[[Any], Any]
    ) -> None:
        self._client = client
        self._parent = parent
        self._left = list(machines)
        self._request = request
        self._given_up: set[str] = set()
        self.machine: MachineChoice | None = None
        """The one that was tried last."""
        self.refused: list[str] = []
        """Machines that were not to be had, each with Google's words."""

    def history(self) -> list[str]:
        """What a person is to know: each machine that was not to be had, and the one that was instead."""
        return [*self.refused, f"{self.machine}: had instead"] if self.refused else []

    def submit(self) -> str:
        """The resource name of a job on the next machine for which one is taken.

        Raises:
            EvergreenError: none is left, or Vertex AI refuses the job on any machine; in Google's words.
        """
        while self._left:
            self.machine = self._left.pop(0)
            try:
                job = self._client().create_custom_job(
                    parent=self._parent, custom_job=self._request(self.machine), timeout=CALL_TIMEOUT_S
                )
            except Exception as error:
                failure = failure_of(error)
                if failure is None:
                    raise
                if failure.kind is Kind.EXHAUSTED:
                    self._refuse(describe(RESOURCE_EXHAUSTED, failure.reason))
                    continue
                error_of = job_error(f"Vertex AI does not take the step's job on {self.machine}")
                raise error_of(failure) from error
            return str(job.name)
        raise EvergreenError(
            f"no machine is left to try: {'; '.join(self.refused)}; add another one to extra.machines, or try later"
        )

    def waits_in_vain(self, name: str) -> bool:
        """Whether the job was cancelled, as it has waited for its machine for QUEUED_S and another is left to try."""
        from google.cloud.aiplatform_v1 import JobState

        job = self._client().get_custom_job(name=name, timeout=CALL_TIMEOUT_S)
        waits = job.state in (JobState.JOB_STATE_QUEUED, JobState.JOB_STATE_PENDING) and not job.start_time
        waited_s = (datetime.now(UTC) - job.create_time).total_seconds()
        if not (waits and self._left) or waited_s < QUEUED_S:
            return False
        with passing_over(Kind.PRECONDITION):  # it has just begun, or ended
            self._client().cancel_custom_job(name=name, timeout=CALL_TIMEOUT_S)
            self._refuse(f"{Cause.CAPACITY}: its job was queued for {waited_s / 60:.0f} min")
            self._given_up.add(name)
            return True
        return False

    def after_failure(self, name: str) -> None:
        """Returns when another machine may do what the job of this name, which failed without a word, could not.

        Raises:
            EvergreenError: what ended it would end any other as well, or none is left; in Google's words.
        """
        if name in self._given_up:
            return
        job = self._client().get_custom_job(name=name, timeout=CALL_TIMEOUT_S)
        code, text, began = job.error.code, job.error.message, bool(job.start_time)
        ran_on_spot = began and self.machine is not None and self.machine.spot
        cause, words = cause_of(code, text, ran_on_spot=ran_on_spot), describe(code, text, ran_on_spot=ran_on_spot)
        if cause is Cause.PREEMPTED or (cause is Cause.CAPACITY and not began):
            self._refuse(words)
            if began and not self._left:
                raise EvergreenError(f"{self.refused[-1]}; {AGAIN}")
            return
        ended = "ended without a word of its code" if began else "did not start"
        raise EvergreenError(f"its custom job on {self.machine} {ended}: {words}")

    def _refuse(self, words: str) -> None:
        self.refused.append(f"{self.machine}: {words}")
