"""A delivery that is cancelled leaves no run: its jobs end, its lease is free, its rollout undone, and ZenML knows."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator

import pytest

from tests.integration.cloudbox.person import Person
from tests.running_box import running_box
from tests.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.emulated]

BUCKET = "local-schedules"
MODULE = "tests.integration.cloudbox.stopped_run"
IDLE = {"holder": None, "rollout": None}


def started(person: Person, name: str) -> subprocess.Popen[str]:
    """The command that waits for a run, which is at its rollout by now."""
    process = person.starts(name)
    wait_until(lambda: is_at_its_rollout(person, name) or process.poll() is not None, timeout_s=400)
    assert process.poll() is None, process.communicate()[0]
    return process


def is_at_its_rollout(person: Person, name: str) -> bool:
    """Whether the run has noted a rollout with the lease, by the bucket's file on disk: a client takes seconds."""
    lease = person.box.box.home.state("gcs") / "buckets" / BUCKET / "locks" / "stopped-news.json"
    return lease.exists() and f'"rollout":{{"run":"{name}"' in lease.read_text("utf-8")


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    with running_box(tmp_path_factory.mktemp("box") / "home", "gateway", "gcs", "vertex", "zenml") as box:
        person = Person(box, tmp_path_factory.mktemp("person"), MODULE)
        person.says("register")
        yield person


def assert_nothing_is_left(person: Person, name: str) -> None:
    state = person.state(name)
    assert set(state["pipelines"]) == {"PIPELINE_STATE_CANCELLED"}
    assert set(state["jobs"].values()) == {"JOB_STATE_CANCELLED"}
    assert any(job.startswith(f"{name}-roll ") for job in state["jobs"])
    assert (state["zenml"], state["steps"]) == (["stopped"], ["stopped"])
    assert {key: state[key] for key in IDLE} == IDLE


def test_the_step_that_follows_a_cancelled_delivery_ends_its_run(person: Person) -> None:
    name = "deliver-4711-1"
    process = started(person, name)
    process.kill()  # what GitHub does to a command that does not end in time
    process.communicate()
    before = person.state(name)
    assert (before["pipelines"], before["holder"], before["rollout"]) == (["PIPELINE_STATE_RUNNING"], name, name)

    assert person.says("stop", "deliver-4711-2").startswith("nothing to stop: no run of model 'stopped-news'")
    said = person.says("stop", name)
    assert f"run         {name}  stopped  (pipeline job cancelled, 1 custom jobs cancelled)" in said
    assert "the traffic is as before the rollout of b2: nothing is live" in said
    assert_nothing_is_left(person, name)


def test_ctrl_c_in_the_command_that_watches_ends_the_run(person: Person) -> None:
    name = "by-hand"
    process = started(person, name)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=240)[0]
    assert process.returncode == 130, said
    assert f"run         {name}  stopped  (pipeline job cancelled, 1 custom jobs cancelled)" in said
    assert "pipeline    https://console.cloud.google.com/vertex-ai/" in said
    assert "Traceback" not in said
    assert_nothing_is_left(person, name)
