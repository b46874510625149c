"""Shadow traffic on the local endpoint's own processes: clients see nothing of it, whatever the newcomer does."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from evergreen.core.errors import EndpointError
from evergreen.core.ramp import Ramp
from evergreen.core.rollout import Release, roll_out
from evergreen.core.shadow import Shadow, ShadowReport
from evergreen.requestlog.reading import FolderLog
from tests.e2e.served import GOOD, Served
from tests.noted import rows
from tests.waiting import wait_until

ALL = Shadow(share=1.0, for_s=60)
SLOW_S = 2.0


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    served = Served(tmp_path_factory.mktemp("shadow"))
    served.live("champion")
    yield served
    served.endpoint.delete()


@contextmanager
def newcomer(served: Served, name: str, delay_s: float = 0.0) -> Iterator[str]:
    """A version that stands by."""
    version = served.upload(name, delay_s=delay_s)
    served.endpoint.deploy(version)
    try:
        yield version
    finally:
        served.endpoint.shadow(version, None)
        served.endpoint.undeploy(version)


def ask(served: Served, count: int) -> list[tuple[str, float]]:
    """The version that answered and the seconds that it took, of each request."""
    answers = []
    url = served.url()
    with httpx.Client(trust_env=False, timeout=20) as client:
        for _ in range(count):
            began = time.monotonic()
            answer = client.post(url, json={"instances": GOOD})
            assert answer.status_code == 200
            answers.append((answer.headers["x-model-version"], time.monotonic() - began))
    return answers


def compared(served: Served) -> ShadowReport:
    report = served.endpoint.status().shadow
    assert report is not None
    return report


def champion(served: Served) -> str:
    return next(iter(served.front().traffic))


def test_copies_are_compared_answer_nobody_and_are_no_traffic(served: Served) -> None:
    with newcomer(served, "alike") as version:
        assert served.endpoint.status().shadow is None
        served.endpoint.shadow(version, ALL)
        answers = ask(served, 30)
        wait_until(lambda: compared(served).copies == 30)
        report = compared(served)
        assert (report.version, report.failed, report.dropped, report.agreement) == (version, 0, 0, 1.0)
        assert {answered for answered, _ in answers} == {champion(served)}
        served.endpoint.predict(GOOD, version)  # a question to one version is no traffic either
        served.endpoint.shadow(version, None)
        assert served.endpoint.status().shadow is None
        ask(served, 1)
        log = FolderLog(served.files.requests)
        wait_until(lambda: len(rows(log)) == 31)
        assert {row["version"] for row in rows(log)} == {champion(served)}


@pytest.mark.parametrize("fault", ["slow", "hung", "dead"])
def test_whatever_a_newcomer_does_no_client_waits_for_it(served: Served, fault: str) -> None:
    with newcomer(served, fault, SLOW_S if fault == "slow" else 0.0) as version:
        served.endpoint.shadow(version, ALL)
        pid = served.pid(version)
        if fault != "slow":
            os.kill(pid, signal.SIGSTOP if fault == "hung" else signal.SIGKILL)
        try:
            answers = ask(served, 120)
            assert {answered for answered, _ in answers} == {champion(served)}
            assert max(seconds for _, seconds in answers) < SLOW_S
            assert compared(served).dropped > 0
        finally:
            if fault == "hung":
                os.kill(pid, signal.SIGCONT)


def test_a_version_that_is_undeployed_gets_none_any_more(served: Served) -> None:
    with newcomer(served, "undeployed") as version:
        served.endpoint.shadow(version, ALL)
        assert compared(served).version == version
        served.endpoint.undeploy(version)
        assert served.endpoint.status().shadow is None


def test_only_a_version_that_stands_by_gets_copies(served: Served) -> None:
    for version in champion(served), "unknown":
        with pytest.raises(EndpointError, match="gets no copies of requests"):
            served.endpoint.shadow(version, ALL)


def test_a_rollout_tells_what_came_of_its_shadow(served: Served) -> None:
    before = champion(served)
    version = served.upload("rolled out")
    ramp = Ramp(shadow=Shadow(share=0.5, for_s=1.0))
    path = served.path / "rolled out"
    over = threading.Event()

    def keep_asking() -> None:
        while not over.is_set():
            ask(served, 5)

    client = threading.Thread(target=keep_asking)
    client.start()
    try:
        release = Release(model="news", version=version, fetch=lambda: path, smoke=GOOD, ramp=ramp)
        deployment = roll_out(served.endpoint, release, before, lambda: None)
    finally:
        over.set()
        client.join()
    assert (deployment.outcome, deployment.traffic) == ("live", {before: 0, version: 100})
    assert deployment.shadow is not None
    assert (deployment.shadow.version, deployment.shadow.agreement) == (version, 1.0)
    assert deployment.shadow.copies > 0
    assert served.endpoint.status().shadow is None
