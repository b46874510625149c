"""A run on Vertex AI as it goes, line by line: each step's start and machine, how far it is, its end.

train       started on n1-standard-8 + 1 NVIDIA_TESLA_T4
train       training: 640 of 4000 rows (16 %), loss 0.412, 210 s left
train       done in 312 s
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from evergreen.adapters.vertex.jobs import ENDED, FAILED, JobTask, PipelineJob, UnreachableError, VertexJobs
from evergreen.core.base import Frozen
from evergreen.core.errors import EvergreenError

POLL_EVERY_S = 5.0
TELL_EVERY_S = 30.0
"""A step that reports how far it is has a line so often."""
ELAPSED_EVERY_S = 60.0
"""A step that reports nothing has one so often."""
NOTE_WITHIN_S = 20.0
"""How long ZenML may take to say that a step, which Vertex AI has ended, came from cache."""
PATIENCE_S = 1800.0
PENDING = "PENDING"

Value = TypeVar("Value")


class StepNote(Frozen):
    """What ZenML has of a step: its status, how far it said it is, and machines that were not to be had for it."""

    status: str
    progress: str | None = None
    machines: tuple[str, ...] = ()


@dataclass
class Watch:
    """What was told of a run so far; `see` tells what is new. `machines` are those of the steps, in words."""

    steps: Sequence[str]
    machines: Mapping[str, str]
    say: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    _begun: dict[str, float] = field(default_factory=dict)
    _ended: dict[str, float] = field(default_factory=dict)
    _over: set[str] = field(default_factory=set)
    _reported: dict[str, tuple[float, str]] = field(default_factory=dict)
    _refused: dict[str, int] = field(default_factory=dict)

    @property
    def waits_for_zenml(self) -> bool:
        """Whether a step has ended of which ZenML did not say how."""
        return bool(self._ended.keys() - self._over)

    def see(self, job: PipelineJob, notes: Mapping[str, StepNote]) -> None:
        """Tells what became of the steps since the last look."""
        tasks = {task.name: task for task in job.tasks}
        for step in self.steps:
            if step not in self._over:
                self._see(step, tasks.get(step), notes.get(step), over=job.is_ended)

    def _see(self, step: str, task: JobTask | None, note: StepNote | None, *, over: bool) -> None:
        if task is None or task.state in (PENDING, "NOT_TRIGGERED", "CANCELLED"):
            if note is not None and note.status == "cached":
                self._finish(step, "from cache")
            return
        if step not in self._begun:
            self._begun[step] = self.clock()
            self._reported[step] = (self.clock(), "")
            if task.state != FAILED or task.started:
                self._tell(step, f"started on {self.machines.get(step, 'a machine that Vertex AI chooses')}")
        self._tell_refused(step, note)
        if task.state in ENDED:
            self._end(step, task, note, over=over)
        else:
            self._tell_progress(step, note)

    def _end(self, step: str, task: JobTask, note: StepNote | None, *, over: bool) -> None:
        since = self._ended.setdefault(step, self.clock())
        noted = note is not None and note.status in ("cached", "completed", "failed")
        if not (noted or over or task.state == FAILED or self.clock() - since >= NOTE_WITHIN_S):
            return
        lasted = f"{(task.ended - task.started).total_seconds():.0f} s" if task.started and task.ended else None
        if task.state == FAILED:
            self._finish(step, f"failed after {lasted}" if lasted else "failed before it started")
        elif note is not None and note.status == "cached":
            self._finish(step, f"from cache, in {lasted}" if lasted else "from cache")
        else:
            self._finish(step, f"done in {lasted}" if lasted else "done")

    def _tell_progress(self, step: str, note: StepNote | None) -> None:
        at, text = self._reported[step]
        passed = self.clock() - at
        if note is not None and note.progress and note.progress != text:
            if passed >= TELL_EVERY_S or not text:
                self._reported[step] = (self.clock(), note.progress)
                self._tell(step, note.progress)
        elif passed >= ELAPSED_EVERY_S:
            self._reported[step] = (self.clock(), text)
            self._tell(step, f"running for {(self.clock() - self._begun[step]) / 60:.0f} min")

    def _tell_refused(self, step: str, note: StepNote | None) -> None:
        machines = note.machines if note else ()
        for sentence in machines[self._refused.get(step, 0) :]:
            self._tell(step, sentence)
        self._refused[step] = len(machines)

    def _finish(self, step: str, text: str) -> None:
        self._over.add(step)
        self._tell(step, text)

    def _tell(self, step: str, text: str) -> None:
        self.say(f"{step:<11} {text}")


@dataclass
class Patience:
    """Bears with a service that does not answer: told once, and once more when it answers again.

    Raises (both verbs):
        EvergreenError: it did not for PATIENCE_S; what is watched goes on all the same.
    """

    service: str
    goes_on: str
    say: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    _since: float | None = None

    def failed(self, reason: str) -> None:
        """Notes that there was no answer."""
        if self._since is None:
            self._since = self.clock()
            self.say(f"{'':<11} {self.service} not answering since {datetime.now(UTC):%H:%M:%S} UTC ({reason})")
        elif self.clock() - self._since > PATIENCE_S:
            raise EvergreenError(
                f"{self.service} did not answer for {PATIENCE_S / 60:.0f} minutes: {reason}; {self.goes_on}"
            )

    def answered(self) -> None:
        """Notes that there was one."""
        if self._since is not None:
            self.say(f"{'':<11} {self.service} answers again after {self.clock() - self._since:.0f} s")
            self._since = None


def patiently(ask: Callable[[], Value], patience: Patience, sleep: Callable[[float], None] = time.sleep) -> Value:
    """What is asked of a server, once it answers.

    Raises:
        EvergreenError: it did not for long.
    """
    while True:
        try:
            answer = ask()
        except (OSError, RuntimeError) as error:  # ZenML's client has no error of its own for a server that is away
            patience.failed(" ".join(str(error).split()))
            sleep(POLL_EVERY_S)
        else:
            patience.answered()
            return answer


def follow(
    jobs: VertexJobs,
    job_id: str,
    watch: Watch,
    notes: Callable[[bool], Mapping[str, StepNote]],
    sleep: Callable[[float], None] = time.sleep,
) -> PipelineJob:
    """The pipeline job once it has ended, told by the watch until then.

    `notes` gives ZenML's newest word of each step without waiting for it, and takes whether it should be asked at once.

    Raises:
        EvergreenError: Vertex AI refuses to tell, or does not answer for long. The run goes on.
    """
    goes_on = f"the run goes on, see {jobs.link(job_id)}"
    patience = Patience("Vertex AI", goes_on, watch.say, watch.clock)
    while True:
        try:
            job = jobs.pipeline(job_id)
        except UnreachableError as error:
            patience.failed(str(error))
        except EvergreenError as error:
            raise EvergreenError(f"{error}; {goes_on}") from error
        else:
            patience.answered()
            watch.see(job, notes(watch.waits_for_zenml))
            if job.is_ended:
                return job
        sleep(POLL_EVERY_S)
