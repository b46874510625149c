"""What `run` submits once more when a task had no machine."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from evergreen.adapters.vertex.jobs import Cause, JobTask, PipelineJob, VertexJobs
from orchestration.machine_lists import MachineChoice
from orchestration.vertex_runs import Death

STEPS = ["identify", "fetch", "train"]
MACHINES = tuple(MachineChoice(machine_type=f"n1-standard-{size}") for size in (16, 8))
JOBS = VertexJobs("news-project", "europe-west4")
GIVEN = {"train": "1 NVIDIA_TESLA_T4"}
LACKING = Death(task="fetch", cause=Cause.CAPACITY, words="no machine was to be had: no quota", began=False)


def failed(*names: str) -> PipelineJob:
    """A job whose first step was done, and those of these names failed."""
    tasks = [JobTask(name="identify", state="SUCCEEDED"), *(JobTask(name=name, state="FAILED") for name in names)]
    return PipelineJob(name="training-1", state="FAILED", error="The DAG failed.", tasks=tuple(tasks))


class Submitted:
    """Attempts whose submissions are kept instead of made; `dead` are the tasks that Vertex AI ended."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, use_cache: bool = True, operator: bool = False) -> None:
        from commands import watching
        from orchestration import notes, vertex_runs
        from orchestration.configuration import Configuration

        self.options: list[dict[str, Any]] = []
        self.noted: list[list[str]] = []
        self.dead = [LACKING]
        document = {"steps": {"fetch": {"step_operator": operator}}, "extra": {}}
        configuration = Configuration(
            Path("prod.yaml"), ("vertex",), SimpleNamespace(), document, machines={"fetch": MACHINES}
        )

        def submit(_: Any, options: dict[str, Any]) -> Any:
            self.options.append(options)
            return SimpleNamespace(id=uuid4())

        monkeypatch.setattr(watching, "_submit", submit)
        monkeypatch.setattr(vertex_runs, "deaths", lambda *_: self.dead)
        monkeypatch.setattr(notes, "note_machines", lambda _, sentences: self.noted.append(list(sentences)))
        project: Any = SimpleNamespace(configuration=configuration, steps=STEPS, accelerators_in=lambda _: GIVEN)
        self.attempts = watching._Attempts(project, "nightly", use_cache)

    def uncached(self) -> list[str]:
        """The steps that the newest submission does not take from cache."""
        return [name for name, step in self.options[-1]["steps"].items() if step.enable_cache is False]


def test_the_run_is_submitted_from_cache_on_the_next_machine_under_a_name_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    submitted = Submitted(monkeypatch)
    submitted.attempts.submit_next(JOBS, failed("fetch"))
    (options,) = submitted.options
    assert options["run_name"] == "nightly~2"
    job = options["steps"]["fetch"].settings["orchestrator"].model_dump()["custom_job_parameters"]
    assert job == {"machine_type": "n1-standard-8"}
    assert options["steps"]["train"].environment == {"EVERGREEN_ACCELERATORS": GIVEN["train"]}
    assert submitted.uncached() == []
    assert submitted.noted == [["fetch: n1-standard-16: no machine was to be had: no quota"]]
    line = "fetch       n1-standard-16: no machine was to be had: no quota; once more from cache, on n1-standard-8\n"
    assert capsys.readouterr().out == line


def test_without_cache_only_what_this_command_did_itself_is_taken_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    submitted = Submitted(monkeypatch, use_cache=False)
    submitted.attempts.submit_next(JOBS, failed("fetch"))
    assert sorted(submitted.uncached()) == ["fetch", "train"]


def test_when_the_list_has_ended_the_failure_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    submitted = Submitted(monkeypatch)
    submitted.attempts.submit_next(JOBS, failed("fetch"))
    with pytest.raises(RuntimeError, match="The DAG failed"):
        submitted.attempts.submit_next(JOBS, failed("fetch"))
    assert len(submitted.options) == 1


@pytest.mark.parametrize("reason", ["another step failed as well", "its operator has tried", "its code began"])
def test_nothing_is_repeated_that_another_machine_would_not_help(monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    submitted = Submitted(monkeypatch, operator=reason == "its operator has tried")
    if reason == "its code began":
        submitted.dead = [LACKING.model_copy(update={"began": True})]
    job = failed("fetch", "train") if reason == "another step failed as well" else failed("fetch")
    with pytest.raises(RuntimeError, match="The DAG failed"):
        submitted.attempts.submit_next(JOBS, job)
    assert submitted.options == []
