"""What is stopped, and what is left: runs that died, old ones in the way, firings, second submissions, other names."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar
from uuid import uuid4

import pytest

from evergreen.core.errors import EvergreenError, InputError
from evergreen.core.lease import Claim, Holder, Lease, Rollout
from evergreen.runtime.hold import holder_of
from tests.memory_endpoint import MemoryEndpoint
from tests.memory_host import hosting
from tests.memory_lease import MemoryLease

pytestmark = pytest.mark.usefixtures("zenml_home")
Answer = TypeVar("Answer")
BEFORE = MemoryEndpoint({"old": 100}).status()


class Canary:
    """An endpoint at the canary of a run, which holds the lease from another machine."""

    def __init__(self, run: str, **holder: Any) -> None:
        self.lease, self.endpoint = MemoryLease(), MemoryEndpoint({"old": 90, "new": 10})
        self.host = hosting(self.endpoint, self.lease)
        claimed: Holder = holder_of(run).model_copy(update={"owner": "root@elsewhere", **holder})
        claim = Claim(self.lease, "news", claimed)
        assert claim.take(self.lease.read())
        claim.note(Rollout(run=run, version="new", champion="old", before=BEFORE))

    @property
    def is_undone(self) -> bool:
        assert (self.lease.read().lease == Lease()) == (self.endpoint.traffic.get("new", 0) == 0)
        return self.lease.read().lease == Lease()


def run_that_failed(model: str, name: str) -> None:
    """A run of ZenML that has failed, as `run` tells of one that died on Vertex AI."""
    from zenml import pipeline, step

    from orchestration.runs import model_tag

    @step
    def fails() -> None:
        raise RuntimeError("out of memory")

    @pipeline(enable_cache=False)
    def training() -> None:
        fails()

    with suppress(RuntimeError):
        training.with_options(run_name=name, tags=[model_tag(model)])()


def a_run(name: str, flavor: str | None = "local") -> Any:
    """An unfinished run, of a stack with this orchestrator or of one that was deleted."""
    from zenml.enums import StackComponentType

    orchestrator = {StackComponentType.ORCHESTRATOR: [SimpleNamespace(flavor_name=flavor, id=uuid4())]}
    stack = SimpleNamespace(name=flavor, components=orchestrator) if flavor else None
    status = SimpleNamespace(is_finished=False)
    return SimpleNamespace(
        id=uuid4(), name=name, stack=stack, status=status, run_metadata={}, orchestrator_run_id=None, steps={}
    )


def noted(kept: list[str], subject: str, answer: Answer) -> Answer:
    """The answer of a stand-in that was called about `subject`."""
    kept.append(subject)
    return answer


@pytest.fixture
def ending(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The runs that were ended, ZenML and processes left alone."""
    from orchestration import ending

    ended: list[str] = []
    monkeypatch.setattr(ending, "announce", lambda _: None)
    monkeypatch.setattr(ending, "_settle", lambda run: noted(ended, run.name, "stopped"))
    monkeypatch.setattr(ending, "_end_process", lambda *_: "process 1 ended")
    return ended


def unfinished(monkeypatch: pytest.MonkeyPatch, *looks: list[Any]) -> None:
    """Each look at ZenML finds the next of these, then the last."""
    from orchestration import stopping

    left = list(looks)
    monkeypatch.setattr(stopping, "_unfinished", lambda *_: left.pop(0) if len(left) > 1 else left[0])


def test_of_a_run_that_died_and_that_zenml_knows_as_failed_the_canary_goes_back_at_once() -> None:
    from orchestration.stopping import stop_runs

    run_that_failed("died", "deliver-1-1")
    canary = Canary("deliver-1-1")
    canary.lease.pass_time(20)
    assert stop_runs("died", canary.host, "deliver-1").left == ()
    assert not canary.is_undone
    assert "as before the rollout of new" in (stop_runs("died", canary.host, "deliver-1-1").put_back or "")
    assert canary.is_undone
    assert canary.endpoint.traffic == {"old": 100}


def test_of_a_command_of_this_machine_whose_process_is_gone_too() -> None:
    from orchestration.stopping import stop_runs

    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    canary = Canary("rollback", owner=holder_of("rollback").owner, pid=gone.pid)
    assert stop_runs("gone", canary.host).put_back
    assert canary.is_undone


def test_whoever_is_at_work_keeps_the_lease_and_is_named() -> None:
    from orchestration.stopping import stop_runs

    canary = Canary("deliver-2-1")
    stop = stop_runs("at-work", canary.host)
    assert not canary.is_undone
    (left,) = stop.left
    assert left.startswith(
        "the rollout of version new by deliver-2-1: the lease of model 'at-work' is held by root@else"
    )


def test_an_old_run_whose_stack_is_gone_keeps_no_other_from_its_end(
    monkeypatch: pytest.MonkeyPatch, ending: list[str]
) -> None:
    from orchestration.stopping import stop_runs

    zombies = [a_run("of-last-month", None), a_run("of-another-stack", "kubernetes")]
    unfinished(monkeypatch, [zombies[0], a_run("run-new"), zombies[1]])
    canary = Canary("run-new")
    stop = stop_runs("news", canary.host)
    assert [stopped.run for stopped in stop.runs] == ["run-new"]
    assert canary.is_undone
    assert [line.partition(":")[0] for line in stop.left] == ["run of-last-month", "run of-another-stack"]
    assert "its stack was deleted" in stop.left[0]
    assert ending == ["of-last-month", "run-new"]  # the first is never in the way again


def test_firings_that_zenml_does_not_know_end_and_those_that_tell_it_meanwhile(
    monkeypatch: pytest.MonkeyPatch, ending: list[str]
) -> None:
    from orchestration import stopping

    cancelled: list[str] = []
    monkeypatch.setattr(stopping, "firings_under_way", lambda _: ["news-1", "news-2"])
    monkeypatch.setattr(stopping, "end_firing", lambda job: noted(cancelled, job, "cancelled"))
    unfinished(monkeypatch, [a_run("known")], [a_run("known-by-now")])
    host = Canary("known").host
    stop = stopping.stop_runs("news", host)
    assert cancelled == ["news-1", "news-2"]
    assert ending == ["known", "known-by-now"]
    assert [stopped.run for stopped in stop.runs] == ["known", "news-1", "news-2", "known-by-now"]

    unfinished(monkeypatch, [])
    stopping.stop_runs("news", host, "by-hand")
    assert cancelled == ["news-1", "news-2"]


def test_the_pipeline_jobs_of_all_the_models_schedules_are_its_firings(monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestration import schedules

    assert schedules.firings_under_way("news") == []  # this stack keeps no schedules

    running = {
        "schedules/1": ["news-1"],
        "schedules/2": ["news-2", "news-3"],
        "schedules/3": ["of-another-model"],
        "schedules/4": ["batch-1"],
    }
    names = ["evergreen-news-0000aaaa", "evergreen-news", "evergreen-news-pets-0000aaaa"]
    names.append("evergreen-batch_prediction-news-0000aaaa")
    there = [SimpleNamespace(name=name, resource=resource) for name, resource in zip(names, running, strict=True)]
    vertex = SimpleNamespace(beginning=lambda _: there, running=lambda resource: running[resource])
    stack = a_run("any", "vertex").stack
    monkeypatch.setattr(schedules, "Client", lambda: SimpleNamespace(active_stack_model=stack))
    monkeypatch.setattr(schedules, "vertex_schedules", lambda: vertex)
    assert schedules.firings_under_way("news") == ["news-1", "news-2", "news-3", "batch-1"]


def served(monkeypatch: pytest.MonkeyPatch, model: str, host: Any) -> argparse.Namespace:
    """Arguments of a command whose configuration is of this model."""
    from commands import project

    configuration = SimpleNamespace(path=Path("prod.yaml"))
    opened = SimpleNamespace(model_name=model, host=host, configuration=configuration, check_stack=lambda: None)
    monkeypatch.setattr(project, "open_served", lambda *_: opened)
    return argparse.Namespace(config="prod.yaml", name=None, run_name=None, debug=False)


def test_the_command_tells_what_it_ended_and_fails_with_what_it_could_not(
    monkeypatch: pytest.MonkeyPatch, ending: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    from commands.stop import main

    unfinished(monkeypatch, [a_run("of-last-month", None), a_run("run-new")])
    with pytest.raises(
        EvergreenError, match=r"run of-last-month: .*\n  python run.py stop --config prod.yaml"
    ) as caught:
        main(served(monkeypatch, "news", Canary("run-new").host))
    assert caught.value.exit_code == 1
    out = capsys.readouterr().out
    assert "run         run-new  stopped  (process 1 ended)" in out
    assert "nothing to stop" not in out


def test_a_stop_that_is_cut_off_tells_what_is_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from commands.stop import main
    from orchestration import stopping

    def cut_off(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(stopping, "end", cut_off)
    unfinished(monkeypatch, [a_run("run-new")])
    with pytest.raises(KeyboardInterrupt):
        main(served(monkeypatch, "news", Canary("run-new").host))
    printed = capsys.readouterr().err
    assert "finish it with\n  python run.py stop --config prod.yaml --name news\n" in printed
    assert "left        run run-new, the rollout of version new by run-new" in printed


@pytest.mark.parametrize("began", ["before", "meanwhile"])
def test_teardown_deletes_nothing_while_a_run_or_a_firing_is_under_way(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], began: str
) -> None:
    from commands.teardown import main
    from orchestration import deployment, runs, schedules, stopping

    did: list[str] = []
    ended: str | None = "undeployed a1"
    looks = [["news-1"]] if began == "before" else [[], ["news-1"]]
    monkeypatch.setattr(stopping, "firings_under_way", lambda _: looks.pop(0))
    monkeypatch.setattr(runs, "runs_here", lambda: False)
    monkeypatch.setattr(schedules, "delete_schedules", lambda name: noted(did, f"schedule of {name}", 1))
    monkeypatch.setattr(deployment, "tear_down", lambda *_: noted(did, "endpoint", ended))
    unfinished(monkeypatch, [a_run("killed-here-long-ago")])
    with pytest.raises(InputError, match=r"under way: news-1, .*\n  python run.py stop --config prod.yaml") as caught:
        main(served(monkeypatch, "news", None))
    assert caught.value.exit_code == 2
    assert did == ([] if began == "before" else ["schedule of news"])

    assert capsys.readouterr().out == ("" if began == "before" else "the schedule of model 'news' ended\n")

    looks[:] = [[], []]
    main(served(monkeypatch, "news", None))
    assert did[-4:] == [
        "schedule of news",
        "schedule of batch_prediction-news",
        "schedule of monitoring_of-news",
        "endpoint",
    ]
    said = capsys.readouterr().out.splitlines()
    assert said[:4] == [
        "the schedule of model 'news' ended",
        "the schedule of batch prediction of model 'news' ended",
        "the schedule of monitoring of model 'news' ended",
        "the endpoint of model 'news': undeployed a1",
    ]

    looks[:], ended = [[]], None
    monkeypatch.setattr(schedules, "delete_schedules", lambda _: 0)
    main(served(monkeypatch, "news", None))
    assert capsys.readouterr().out.startswith("model 'news' has no endpoint, none was stopped\n")


@pytest.mark.parametrize("there", [1, 0])
def test_teardown_of_batch_prediction_ends_its_schedule_and_leaves_the_endpoint(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], there: int
) -> None:
    from commands.teardown import main
    from orchestration import deployment, runs, schedules

    did: list[str] = []
    monkeypatch.setattr(runs, "runs_here", lambda: False)
    monkeypatch.setattr(schedules, "delete_schedules", lambda name: noted(did, name, there))
    monkeypatch.setattr(deployment, "tear_down", lambda *_: noted(did, "endpoint", None))
    args = served(monkeypatch, "news", None)
    args.config = "batch.yaml"
    main(args)
    assert did == ["batch_prediction-news"]
    said = capsys.readouterr().out
    assert ("the schedule of batch prediction of model 'news' ended" in said) == bool(there)
    assert "its endpoint stays" in said


def test_the_last_runs_of_batch_prediction_are_apart_from_the_others() -> None:
    from orchestration.runs import BATCH, last_runs, model_tag
    from tests.batched_run import batch_prediction

    run_that_failed("batched", "training-of-batched")
    batch_prediction.with_options(run_name="batch-of-batched", tags=[model_tag("batched")])()
    assert [(run.name, run.predicted) for run in last_runs("batched")] == [("training-of-batched", None)]
    assert [(run.name, run.predicted) for run in last_runs("batched", of=BATCH)] == [
        ("batch-of-batched", "20 rows, 1 unusable")
    ]


def test_nobody_elses_run_is_taken_for_a_second_submission() -> None:
    from orchestration.runs import attempt_name, is_attempt, newest_submission, run_name, submissions

    assert [attempt_name("nightly", number) for number in (1, 2, 3)] == ["nightly", "nightly~2", "nightly~3"]
    assert [is_attempt(candidate, "nightly") for candidate in ("nightly", "nightly~2", "nightly-2", "nightly~x")] == [
        True,
        True,
        False,
        False,
    ]
    with pytest.raises(InputError, match="run name 'nightly~2' ends as"):
        run_name({}, "nightly~2")
    for name in ("nightly", "nightly~2", "nightly-2"):
        run_that_failed("named", name)
    assert [run.name for run in submissions("named", "nightly")] == ["nightly~2", "nightly"]
    newest = newest_submission("named", "nightly")  # not the model's newest run
    assert newest is not None
    assert newest.name == "nightly~2"
    with pytest.raises(InputError, match="a run named 'nightly' is there already"):
        run_name({}, "nightly")
    assert run_name({}, "nightly-3") == "nightly-3"


class Project:
    """What `run_pipeline` asks of a project on Vertex AI."""

    is_on_vertex = True
    active_stack = "vertex"
    model_name = "resubmitted"
    steps = ("fetch",)

    def __init__(self, host: Any) -> None:
        from orchestration.configuration import Configuration
        from orchestration.machine_lists import MachineChoice

        self.host = host
        machines = {"fetch": tuple(MachineChoice(machine_type=f"n1-standard-{size}") for size in (16, 8))}
        document: dict[str, Any] = {"steps": {}, "extra": {}}
        self.configuration = Configuration(Path("p.yaml"), ("vertex",), SimpleNamespace(), document, machines=machines)

    def accelerators_in(self, _: object) -> dict[str, str]:
        return {}


def watched(monkeypatch: pytest.MonkeyPatch, submitted: Callable[[str], Any], followed: Callable[[Any], Any]) -> None:
    """`run_pipeline` with these in the place of ZenML and Vertex AI; the first task had no machine."""
    from commands import watching
    from orchestration import notes, runs, vertex_runs

    monkeypatch.setattr(watching, "_submit", lambda _, options: submitted(options["run_name"]))
    monkeypatch.setattr(watching, "_follow", lambda *given: followed(given[-1]))
    monkeypatch.setattr(watching, "_lacking", lambda *_: {"fetch": "no machine was to be had"})
    monkeypatch.setattr(watching, "_end_in_zenml", lambda _: None)
    monkeypatch.setattr(notes, "note_machines", lambda *_: None)
    monkeypatch.setattr(vertex_runs, "job_id_of", lambda run: run.name)
    monkeypatch.setattr(runs, "runs_here", lambda: False)


def test_ctrl_c_ends_the_second_submission_of_the_run_that_is_watched(
    monkeypatch: pytest.MonkeyPatch, ending: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    from zenml.client import Client

    from commands.started import stopped_with_this_command
    from commands.watching import run_pipeline
    from orchestration import runs, stopping

    there: list[Any] = []

    def submit(name: str) -> Any:
        there.append(a_run(name))
        return there[-1]

    def follow(run: Any) -> Any:
        if run.name != "nightly":
            raise KeyboardInterrupt
        run.status.is_finished = True
        return SimpleNamespace(link=str), SimpleNamespace(name="job", state="FAILED", tasks=(), error="no machine")

    watched(monkeypatch, submit, follow)
    monkeypatch.setattr(Client, "get_pipeline_run", lambda _, wanted: next(run for run in there if run.id == wanted))
    monkeypatch.setattr(
        stopping, "submissions", lambda _, name: [run for run in reversed(there) if runs.is_attempt(run.name, name)]
    )
    canary = Canary("nightly~2")
    project: Any = Project(canary.host)
    there.append(a_run("nightly-2"))  # somebody else's
    with pytest.raises(KeyboardInterrupt), stopped_with_this_command(project, "nightly", detach=False):
        run_pipeline(project, "nightly", use_cache=True)
    assert ending == ["nightly~2"]
    assert canary.is_undone
    assert "run         nightly~2  stopped" in capsys.readouterr().err


def test_ctrl_c_during_the_submission_comes_once_the_job_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    from commands.watching import run_pipeline

    known: list[str] = []

    def submit(name: str) -> Any:
        signal.raise_signal(signal.SIGINT)
        known.append(name)
        return a_run(name)

    def follow(_: Any) -> Any:
        raise AssertionError("it was not stopped")

    watched(monkeypatch, submit, follow)
    project: Any = Project(None)
    with pytest.raises(KeyboardInterrupt):
        run_pipeline(project, "by-hand", use_cache=True)
    assert known == ["by-hand"]
