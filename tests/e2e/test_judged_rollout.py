"""The judge on a real local endpoint, by its own log: faulty newcomers are taken back, a good one goes all the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from evergreen.core.deployment import Deployment
from tests.e2e.crowd import Crowd
from tests.e2e.served import Served
from tests.faulty_model import COMMAND
from tests.judged import JudgedRollout
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def ramped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JudgedRollout]:
    """A champion with all the traffic."""
    served = Served(tmp_path_factory.mktemp("judged"), COMMAND)
    try:
        yield JudgedRollout(served.path, served.live("champion"))
    finally:
        served.endpoint.delete()


def roll_out(ramped: JudgedRollout, name: str) -> tuple[str, Deployment, Crowd]:
    """The newcomer, what became of it among clients, and what they saw."""
    url = ramped.endpoint.status().url
    assert url is not None
    version = ramped.model(name)
    with Crowd(url) as crowd:
        deployment = ramped.run(version)
    return version, deployment, crowd


@pytest.mark.parametrize(("fault", "rule"), [("failing", "errors"), ("slow", "latency"), ("single class", "collapse")])
def test_a_faulty_newcomer_is_taken_back_at_its_first_share(ramped: JudgedRollout, fault: str, rule: str) -> None:
    version, deployment, crowd = roll_out(ramped, fault)
    assert deployment.outcome == "rolled_back", deployment.message
    assert deployment.traffic == {ramped.champion: 100}
    assert "the judge takes it back at 20 % of the traffic: the newcomer is worse" in deployment.message
    assert f"{rule}: " in deployment.message
    injected = {version} if fault == "failing" else set()
    assert set(crowd.failed()) == injected
    assert crowd.answers[version, 200] > 0


def test_a_good_newcomer_whose_controller_is_killed_goes_on_and_reaches_all_traffic(ramped: JudgedRollout) -> None:
    url = ramped.endpoint.status().url
    assert url is not None
    version, champion = ramped.model("good"), ramped.champion
    with Crowd(url) as crowd:
        command = [sys.executable, "-m", "tests.judged", str(ramped.path), champion, version, "3600"]
        controller = subprocess.Popen(command, cwd=ROOT)
        try:
            wait_until(lambda: ramped.endpoint.status().traffic.get(version) == 20, timeout_s=30)
            wait_until(lambda: any(share.judgement for share in ramped.noted()), timeout_s=30)
        finally:
            os.kill(controller.pid, signal.SIGKILL)
            controller.wait()
        (cut_off,) = ramped.noted()
        assert ramped.endpoint.status().traffic == {champion: 80, version: 20}

        deployment = ramped.run(version)
    assert (deployment.outcome, deployment.traffic) == ("live", {champion: 0, version: 100}), deployment.message
    assert [share.share for share in deployment.transitions] == [20, 50]
    assert deployment.transitions[0].since == cut_off.since
    assert {share.by for share in deployment.transitions} == {"requests"}
    assert crowd.failed() == {}
    assert ramped.noted() == ()
