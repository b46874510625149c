"""What a person reads of a run on Vertex AI while it goes on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from evergreen.adapters.vertex.jobs import JobTask, PipelineJob, UnreachableError, VertexJobs
from evergreen.core.errors import EvergreenError
from orchestration.run_settings import is_watched, without_waiting
from orchestration.watch import PATIENCE_S, Patience, StepNote, Watch, follow, patiently

START = datetime(2026, 11, 28, 3, 0, tzinfo=UTC)
STEPS = ("identify", "fetch", "train")


class Watcher:
    """The lines of a watch whose clock the test moves."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.now = 0.0
        self.watch = Watch(STEPS, {"train": "n1-standard-8 + 1 NVIDIA_TESLA_T4"}, self.lines.append, lambda: self.now)

    def see(self, at: float, *tasks: JobTask, state: str = "RUNNING", **notes: StepNote) -> list[str]:
        """What is told of these tasks, `at` seconds after the start."""
        self.now, before = at, len(self.lines)
        self.watch.see(PipelineJob(name="training-1", state=state, error="", tasks=tasks), notes)
        return self.lines[before:]


def task(name: str, state: str, start_s: float | None = None, end_s: float | None = None) -> JobTask:
    def moment(seconds: float | None) -> datetime | None:
        return None if seconds is None else START + timedelta(seconds=seconds)

    return JobTask(name=name, state=state, started=moment(start_s), ended=moment(end_s))


def test_a_step_is_told_when_it_starts_with_its_machine_and_when_it_ends_with_its_seconds() -> None:
    watcher = Watcher()
    assert watcher.see(0, task("train", "PENDING")) == []
    assert watcher.see(5, task("train", "RUNNING", 5)) == ["train       started on n1-standard-8 + 1 NVIDIA_TESLA_T4"]
    assert watcher.see(10, task("train", "RUNNING", 5)) == []
    ended = task("train", "SUCCEEDED", 5, 317)
    assert watcher.see(320, ended, train=StepNote(status="completed")) == ["train       done in 312 s"]
    assert watcher.see(330, ended, state="SUCCEEDED") == []


def test_a_step_that_reports_how_far_it_is_is_quoted_and_any_other_has_its_minutes() -> None:
    watcher = Watcher()
    running = task("train", "RUNNING", 0)
    watcher.see(0, running)
    far = StepNote(status="running", progress="training: 640 of 4000 rows (16 %)")
    assert watcher.see(5, running, train=far) == ["train       training: 640 of 4000 rows (16 %)"]
    further = far.model_copy(update={"progress": "training: 700 of 4000 rows (17 %)"})
    assert watcher.see(20, running, train=further) == []  # a line for each look would bury the others
    assert watcher.see(40, running, train=further) == ["train       training: 700 of 4000 rows (17 %)"]
    watcher.see(41, task("fetch", "RUNNING", 41))
    assert watcher.see(120, task("fetch", "RUNNING", 41)) == ["fetch       running for 1 min"]


def test_what_comes_from_cache_is_told_as_such_with_or_without_a_task() -> None:
    watcher = Watcher()
    cached = StepNote(status="cached")
    assert watcher.see(0, fetch=cached) == ["fetch       from cache"]
    watcher.see(5, task("train", "RUNNING", 5))
    ended = task("train", "SUCCEEDED", 5, 36)
    assert watcher.see(40, ended, train=StepNote(status="running")) == []  # ZenML is asked less often
    assert watcher.see(50, ended, train=cached) == ["train       from cache, in 31 s"]


def test_the_end_of_a_step_does_not_wait_for_zenml_for_long() -> None:
    watcher = Watcher()
    ended = task("identify", "SUCCEEDED", 0, 41)
    assert watcher.see(0, ended) == ["identify    started on a machine that Vertex AI chooses"]
    assert watcher.see(25, ended) == ["identify    done in 41 s"]


def test_a_step_that_never_started_and_machines_that_were_not_to_be_had_are_told() -> None:
    watcher = Watcher()
    assert watcher.see(5, task("identify", "FAILED", None, 5)) == ["identify    failed before it started"]
    watcher.see(6, task("train", "RUNNING", 6))
    refused = StepNote(status="running", machines=("n1-standard-8 was not to be had: no quota",))
    assert watcher.see(9, task("train", "RUNNING", 6), train=refused) == [
        "train       n1-standard-8 was not to be had: no quota"
    ]
    assert watcher.see(12, task("train", "FAILED", 6, 12), train=refused) == ["train       failed after 6 s"]


class Answers(VertexJobs):
    """What Vertex AI answers, one after another; errors are raised."""

    def __init__(self, *answers: PipelineJob | Exception) -> None:
        super().__init__("news-project", "europe-west4")
        object.__setattr__(self, "answers", iter(answers))

    answers: Iterator[PipelineJob | Exception]

    def pipeline(self, job_id: str) -> PipelineJob:
        answer = next(self.answers)
        if isinstance(answer, Exception):
            raise answer
        return answer.model_copy(update={"name": job_id})


GOES_ON = PipelineJob(name="", state="RUNNING", error="", tasks=(task("train", "RUNNING", 0),))
DONE = PipelineJob(name="", state="SUCCEEDED", error="", tasks=(task("train", "SUCCEEDED", 0, 60),))
AWAY = UnreachableError("looking at pipeline job training-1: 503 service unavailable")


def test_an_outage_of_minutes_is_told_once_and_the_run_followed_to_its_end() -> None:
    watcher = Watcher()

    def sleep(seconds: float) -> None:
        watcher.now += seconds

    jobs = Answers(GOES_ON, *[AWAY] * 60, GOES_ON, DONE)
    assert follow(jobs, "training-1", watcher.watch, lambda _: {}, sleep).state == "SUCCEEDED"
    outage = [line for line in watcher.lines if "Vertex AI" in line]
    assert len(outage) == 2
    assert "Vertex AI not answering since " in outage[0]
    assert outage[1].endswith("Vertex AI answers again after 300 s")
    assert watcher.lines[-1] == "train       done in 60 s"


def test_who_is_not_answered_for_long_is_sent_to_the_console() -> None:
    watcher = Watcher()

    def sleep(_: float) -> None:
        watcher.now += PATIENCE_S

    link = "console.cloud.google.com/vertex-ai/locations/europe-west4/pipelines/runs/training-1.project=news-project"
    with pytest.raises(EvergreenError, match=f"did not answer for 30 minutes.*the run goes on, see https://{link}"):
        follow(Answers(*[AWAY] * 3), "training-1", watcher.watch, lambda _: {}, sleep)


def test_a_refusal_is_no_outage() -> None:
    refusal = EvergreenError("looking at pipeline job training-1: 403 permission denied")
    with pytest.raises(EvergreenError, match=r"permission denied; the run goes on, see https://"):
        follow(Answers(refusal), "training-1", Watcher().watch, lambda _: {}, lambda _: None)


def test_zenml_may_be_away_when_the_run_ends() -> None:
    watcher = Watcher()
    answers: Iterator[str | Exception] = iter(
        [ConnectionError("refused"), RuntimeError("502 bad gateway"), "completed"]
    )

    def ask() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    patience = Patience("ZenML", "the run has ended", watcher.lines.append, lambda: watcher.now)
    assert patiently(ask, patience, lambda _: None) == "completed"
    assert ["ZenML not answering since" in line for line in watcher.lines] == [True, False]


def test_a_run_is_watched_unless_its_configuration_says_that_nothing_waits() -> None:
    assert is_watched({})
    waits = {"settings": {"orchestrator.vertex": {"synchronous": True, "labels": {"team": "news"}}}}
    assert is_watched(waits)
    submitted = without_waiting(waits)
    assert not is_watched(submitted)
    assert submitted["settings"]["orchestrator.vertex"]["labels"] == {"team": "news"}
