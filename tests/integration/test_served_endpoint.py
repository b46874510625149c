"""The local endpoint's processes under the contract of every endpoint, and what only they can meet."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from evergreen.adapters.local_endpoint import endpoint as endpoint_module
from evergreen.adapters.local_endpoint.control import ask_status
from evergreen.adapters.local_endpoint.host import LocalHost
from evergreen.adapters.local_endpoint.settings import LocalHostSettings
from evergreen.adapters.local_endpoint.state import EndpointFiles, FrontStatus, WorkerStatus
from evergreen.core.rollout import Release, roll_out
from tests.endpoint_contract import GOOD, EndpointContract, deploy, live, never, release
from tests.keyword_model import COMMAND, write_keyword_model

HOST = LocalHostSettings(port=0, startup_timeout_s=30, request_timeout_s=20, drain_timeout_s=5)


class ServedTrial:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.files = EndpointFiles(path / "state" / "news")
        self.endpoint = LocalHost(HOST, COMMAND).open("news", path / "state")

    def model(self, name: str, broken: bool = False) -> tuple[str, Path]:
        trained = write_keyword_model(self.path / name, name=name, broken=broken)
        return trained.version, trained.path

    def spoil(self, version: str, spoilt: bool = True) -> None:
        content = self.files.model_dir(version) / "task.json"
        aside = content.with_suffix(".aside")
        content.rename(aside) if spoilt else aside.rename(content)

    def die(self) -> None:
        front = psutil.Process(self.front().pid)
        workers = front.children()
        front.kill()
        psutil.wait_procs([front, *workers], timeout=15)

    def front(self) -> FrontStatus:
        address = self.files.read_address()
        assert address is not None
        status = ask_status(address)
        assert status is not None
        return status

    def worker(self, version: str) -> WorkerStatus:
        return self.front().versions[version]


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[ServedTrial]:
    trial = ServedTrial(tmp_path)
    yield trial
    trial.endpoint.delete()


class TestLocalEndpoint(EndpointContract):
    """The whole contract."""


def test_a_version_in_back_off_is_healed_by_the_next_deploy(trial: ServedTrial) -> None:
    version = live(trial, "a")
    trial.spoil(version)
    pid = trial.worker(version).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while trial.worker(version).state != "failed" and time.monotonic() < deadline:
        time.sleep(0.05)
    trial.spoil(version, False)
    trial.endpoint.deploy(version)
    assert trial.endpoint.predict(GOOD)


def test_what_each_version_describes_itself_is_at_the_port_that_the_front_names(trial: ServedTrial) -> None:
    version = live(trial, "a")
    address = trial.files.read_address()
    assert address is not None
    own = f"http://127.0.0.1:{trial.worker(version).port}"
    for route in ("/metrics", "/openapi.json"):
        refused = httpx.get(f"{address.url}{route}", trust_env=False)
        assert refused.status_code == 404
        assert "at the port that GET /status names" in refused.json()["error"]["message"]
        assert httpx.get(f"{own}{route}", trust_env=False).status_code == 200


def test_one_lost_answer_of_a_healthy_front_costs_nothing(trial: ServedTrial, monkeypatch: pytest.MonkeyPatch) -> None:
    champion = live(trial, "a")
    before = trial.worker(champion)
    lost = [True]

    def ask_but_lose_the_first(*args: Any) -> FrontStatus | None:
        return None if lost and lost.pop() else ask_status(*args)

    monkeypatch.setattr(endpoint_module, "ask_status", ask_but_lose_the_first)
    assert roll_out(trial.endpoint, release(trial, "broken", broken=True), champion, never).outcome == "rolled_back"
    assert trial.worker(champion) == before
    assert trial.endpoint.status().traffic == {champion: 100}


def test_a_killed_front_does_not_make_the_standby_a_newcomer(trial: ServedTrial) -> None:
    champion, standby = live(trial, "a"), deploy(trial, "b")
    trial.spoil(standby)
    (trial.path / "b" / "task.json").unlink()  # nor can it be uploaded again
    trial.die()
    again = Release(model="news", version=standby, fetch=lambda: trial.path / "b", smoke=GOOD)
    assert roll_out(trial.endpoint, again, champion, never).outcome == "rolled_back"
    assert trial.endpoint.status().traffic == {champion: 100, standby: 0}
    assert trial.endpoint.predict(GOOD)


def test_a_standby_whose_files_were_damaged_is_uploaded_again(trial: ServedTrial) -> None:
    champion, standby = live(trial, "a"), deploy(trial, "b")
    trial.spoil(standby)
    trial.die()
    again = Release(model="news", version=standby, fetch=lambda: trial.path / "b", smoke=GOOD)
    assert roll_out(trial.endpoint, again, champion, lambda: None).outcome == "live"
    assert trial.endpoint.status().traffic == {champion: 0, standby: 100}
