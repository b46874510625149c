"""What dies behind the local endpoint, and what its clients notice of it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import httpx
import psutil
import pytest

from evergreen.adapters.local_endpoint.control import find_front
from evergreen.core.errors import EndpointError
from evergreen.requestlog.reading import FolderLog
from tests.e2e.served import GOOD, Served
from tests.e2e.steady_client import SteadyClient
from tests.noted import rows
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e


def test_a_killed_worker_is_started_again_and_no_request_fails(served: Served) -> None:
    version = served.live(load_s=0.5)
    with SteadyClient(served.url(), GOOD) as client:
        wait_until(lambda: client.versions[version] >= 5)
        killed = served.pid(version)
        os.kill(killed, signal.SIGKILL)
        answered = client.versions[version]
        wait_until(lambda: client.versions[version] >= answered + 10)
        assert served.pid(version) != killed
    assert client.failures == []


def test_a_request_in_a_worker_that_is_killed_is_answered_all_the_same(served: Served) -> None:
    version = served.live(delay_s=0.5)
    threading.Timer(0.2, lambda: os.kill(served.pid(version), signal.SIGKILL)).start()
    assert served.endpoint.predict(GOOD)[0]["label"] == "sport"
    assert served.front().versions[version].restarts == 1
    log = FolderLog(served.files.requests)
    wait_until(lambda: sorted(row["status"] for row in rows(log)) == [200, 502])
    assert {row["version"] for row in rows(log)} == {version}


def test_the_other_version_answers_at_once_for_one_that_is_down(served: Served) -> None:
    first, second = served.live(), served.upload("second", load_s=3)
    served.endpoint.deploy(second)
    served.endpoint.set_traffic({first: 50, second: 50})
    os.kill(served.pid(second), signal.SIGKILL)
    started = time.monotonic()
    for _ in range(20):
        served.endpoint.predict(GOOD)
    assert time.monotonic() - started < 2


def test_a_killed_front_is_seen_leaves_no_worker_and_is_healed_by_the_next_deploy(served: Served) -> None:
    version = served.live()
    url, front, worker = served.url(), served.front().pid, served.pid(version)
    os.kill(front, signal.SIGKILL)
    wait_until(lambda: served.endpoint.status().url is None)
    wait_until(lambda: not psutil.pid_exists(worker))
    with pytest.raises(EndpointError, match="nothing answers"):
        served.endpoint.predict(GOOD)
    served.endpoint.deploy(version)
    assert served.url() == url
    assert served.endpoint.status().traffic == {version: 100}
    assert served.endpoint.predict(GOOD)[0]["label"] == "sport"


def test_a_version_that_does_not_load_is_reported_with_its_last_words_and_withdrawn(served: Served) -> None:
    first, broken = served.live(), served.upload("broken", broken=True)
    with pytest.raises(EndpointError, match="names no keywords") as caught:
        served.endpoint.deploy(broken)
    assert "exit code 2" in str(caught.value)
    assert served.endpoint.status().traffic == {first: 100}
    assert list(served.front().versions) == [first]
    assert served.endpoint.predict(GOOD)


def test_a_first_version_that_does_not_load_leaves_nothing_running(served: Served) -> None:
    broken = served.upload("broken", broken=True)
    with pytest.raises(EndpointError, match="names no keywords"):
        served.endpoint.deploy(broken)
    assert find_front(served.files) is None


def test_a_front_that_hangs_is_not_in_the_way_of_the_run_that_replaces_it(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = served.live()
    hung, port = served.front().pid, httpx.URL(served.url()).port
    os.kill(hung, signal.SIGSTOP)
    monkeypatch.setattr("evergreen.adapters.local_endpoint.control.RELOAD_S", 2.0)
    endpoint = served.open(port=port)
    endpoint.check()
    endpoint.deploy(version)
    assert served.front().pid != hung
    assert served.endpoint.predict(GOOD)[0]["label"] == "sport"


def test_a_recycled_pid_is_never_taken_for_the_front(served: Served) -> None:
    version = served.live()
    served.endpoint.delete()
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as stranger:
        served.files.root.mkdir(parents=True)
        address = {"pid": stranger.pid, "host": "127.0.0.1", "port": 1}
        (served.files.root / "front.json").write_text(json.dumps(address))
        assert served.endpoint.status().url is None
        served.endpoint.delete()
        assert stranger.poll() is None
        stranger.communicate()
    assert version
