import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from evergreen.adapters.local_endpoint import LocalEndpoint, post_predict
from evergreen.adapters.local_endpoint.endpoint import ServedEndpoint
from evergreen.adapters.local_endpoint.front_process import ask_status, find_front
from evergreen.adapters.local_endpoint.host import open_endpoint
from evergreen.adapters.local_endpoint.state import EndpointFiles, FrontStatus
from evergreen.core.errors import BusyError, EndpointError, InputError, RequestTooLargeError
from evergreen.core.processes import free_port
from tests.keyword_model import COMMAND, write_keyword_model
from tests.own_zenml import ROOT

pytestmark = pytest.mark.e2e
GOOD = [{"text": "a late goal"}]
HOST = LocalEndpoint(port=0, startup_timeout_s=30, request_timeout_s=20, drain_timeout_s=10, lock_timeout_s=0.3)


class Bench:
    """An endpoint of its own below `path`, and models to put on it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files = EndpointFiles(path / "state" / "news")
        self.endpoint = self.open()

    def open(self, **changes: Any) -> ServedEndpoint:
        return open_endpoint(HOST.model_copy(update=changes), "news", self.path / "state", COMMAND)

    def upload(self, name: str, **model: Any) -> str:
        trained = write_keyword_model(self.path / name, name=name, **model)
        self.endpoint.upload(trained.version, trained.path)
        return trained.version

    def live(self, name: str = "first", **model: Any) -> str:
        version = self.upload(name, **model)
        self.endpoint.deploy(version)
        self.endpoint.set_traffic({version: 100})
        return version

    def front(self) -> FrontStatus:
        address = self.files.read_address()
        assert address is not None
        status = ask_status(address)
        assert status is not None
        return status

    def url(self) -> str:
        url = self.endpoint.status().url
        assert url is not None
        return url

    def pid(self, version: str) -> int:
        pid = self.front().versions[version].pid
        assert pid is not None
        return pid


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    with contextlib.suppress(BusyError):
        bench.endpoint.delete()


class Client(threading.Thread):
    """Asks every 20 ms until stopped; keeps every answer that was not a prediction, and who answered."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.failures: list[str] = []
        self.versions: Counter[str] = Counter()
        self.slowest_s = 0.0
        self._stop_asking = threading.Event()

    def run(self) -> None:
        while not self._stop_asking.wait(0.02):
            started = time.monotonic()
            try:
                answer = httpx.post(self.url, json={"instances": GOOD}, trust_env=False, timeout=30)
                if answer.status_code == 200:
                    self.versions[answer.json()["metadata"]["model_version"]] += 1
                else:
                    self.failures.append(answer.text)
            except httpx.HTTPError as error:
                self.failures.append(repr(error))
            self.slowest_s = max(self.slowest_s, time.monotonic() - started)

    def __enter__(self) -> "Client":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop_asking.set()
        self.join()


def wait_until(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def test_an_endpoint_that_was_never_deployed_is_not_there(bench: Bench) -> None:
    assert bench.endpoint.status().url is None
    with pytest.raises(EndpointError, match="not running"):
        bench.endpoint.predict(GOOD)
    with pytest.raises(EndpointError, match="upload it first"):
        bench.endpoint.deploy("abc")
    with pytest.raises(EndpointError, match="is down"):
        bench.endpoint.set_traffic({"abc": 100})
    bench.endpoint.undeploy("abc")
    bench.endpoint.delete()


def test_a_version_gets_requests_only_once_it_has_traffic(bench: Bench) -> None:
    version = bench.upload("first")
    bench.endpoint.deploy(version)
    assert bench.endpoint.status().ready == (version,)
    assert bench.endpoint.status().traffic == {version: 0}
    assert bench.endpoint.predict(GOOD, version)[0]["label"] == "sport"
    with pytest.raises(EndpointError, match="no version has traffic"):
        bench.endpoint.predict(GOOD)
    bench.endpoint.set_traffic({version: 100})
    assert bench.endpoint.predict(GOOD)[0]["label"] == "sport"
    assert httpx.get(bench.url().replace("/predict", "/health")).status_code == 200


def test_deploying_what_runs_and_repeating_a_split_change_nothing(bench: Bench) -> None:
    version = bench.live()
    before = bench.front()
    bench.endpoint.deploy(version)
    bench.endpoint.set_traffic({version: 100})
    assert bench.front() == before


def test_no_request_fails_while_a_version_replaces_another(bench: Bench) -> None:
    first = bench.live()
    with Client(bench.url()) as client:
        second = bench.upload("second", load_s=0.5)
        bench.endpoint.deploy(second)
        bench.endpoint.set_traffic({first: 80, second: 20})
        wait_until(lambda: client.versions[second] >= 5)
        bench.endpoint.set_traffic({second: 100})
        bench.endpoint.undeploy(first)
        settled = client.versions[second]
        wait_until(lambda: client.versions[second] >= settled + 10)
    assert client.failures == []
    assert set(client.versions) == {first, second}
    assert bench.endpoint.status().ready == (second,)


def test_the_split_is_exact(bench: Bench) -> None:
    first, second = bench.live(), bench.upload("second")
    bench.endpoint.deploy(second)
    bench.endpoint.set_traffic({first: 95, second: 5})
    with httpx.Client(trust_env=False) as client:
        answers = [client.post(bench.url(), json={"instances": GOOD}) for _ in range(100)]
    assert Counter(answer.headers["x-model-version"] for answer in answers) == {first: 95, second: 5}


def test_one_version_can_be_asked_whatever_its_traffic(bench: Bench) -> None:
    first, second = bench.live(), bench.upload("second")
    bench.endpoint.deploy(second)
    url = bench.url()
    by_split = httpx.post(url, json={"instances": GOOD})
    by_path = httpx.post(url.replace("/predict", f"/versions/{second}/predict"), json={"instances": GOOD})
    assert [answer.headers["x-model-version"] for answer in (by_split, by_path)] == [first, second]
    unknown = httpx.post(url.replace("/predict", "/versions/nope/predict"), json={"instances": GOOD})
    assert (unknown.status_code, second in unknown.json()["error"]["message"]) == (404, True)


def test_a_bad_request_through_the_front_is_a_4xx_that_names_the_instance(bench: Bench) -> None:
    bench.live()
    url = bench.url()
    with pytest.raises(InputError, match=r"instances\[1\]"):
        post_predict(url, [*GOOD, {"text": ""}])
    with pytest.raises(InputError, match="10000, allowed are 1000"):
        post_predict(url, GOOD * 10_000)
    with pytest.raises(RequestTooLargeError, match="413"):
        post_predict(url, [{"text": "x" * 11_000_000}])
    assert post_predict(url, [{"text": "гол " * 1_000_000}])[0]["label"]  # 7 MB as UTF-8, 21 MB as ASCII
    with pytest.raises(InputError, match=r"instances\[0\].* surrogate"):
        post_predict(url, [{"text": "\ud800"}])
    with pytest.raises(InputError, match="404"):
        post_predict(url + "s", GOOD)
    assert httpx.post(url, content=b"{", headers={"content-type": "text/plain"}).status_code == 415
    assert httpx.get(url).status_code == 405
    assert httpx.get(url).headers["allow"] == "POST"
    traced = httpx.post(url, content=b"{", headers={"x-trace-id": "t-1"})
    assert (traced.status_code, traced.headers["x-trace-id"]) == (400, "t-1")


def test_a_killed_worker_is_started_again_and_no_request_fails(bench: Bench) -> None:
    version = bench.live(load_s=0.5)
    with Client(bench.url()) as client:
        wait_until(lambda: client.versions[version] >= 5)
        killed = bench.pid(version)
        os.kill(killed, signal.SIGKILL)
        answered = client.versions[version]
        wait_until(lambda: client.versions[version] >= answered + 10)
        assert bench.pid(version) != killed
    assert client.failures == []


def test_a_request_in_a_worker_that_is_killed_is_answered_all_the_same(bench: Bench) -> None:
    version = bench.live(delay_s=0.5)
    threading.Timer(0.2, lambda: os.kill(bench.pid(version), signal.SIGKILL)).start()
    assert bench.endpoint.predict(GOOD)[0]["label"] == "sport"
    assert bench.front().versions[version].restarts == 1


def test_the_other_version_answers_at_once_for_one_that_is_down(bench: Bench) -> None:
    first, second = bench.live(), bench.upload("second", load_s=3)
    bench.endpoint.deploy(second)
    bench.endpoint.set_traffic({first: 50, second: 50})
    os.kill(bench.pid(second), signal.SIGKILL)
    started = time.monotonic()
    for _ in range(20):
        bench.endpoint.predict(GOOD)
    assert time.monotonic() - started < 2


def test_a_killed_front_is_seen_leaves_no_worker_and_is_healed_by_the_next_deploy(bench: Bench) -> None:
    version = bench.live()
    url, front, worker = bench.url(), bench.front().pid, bench.pid(version)
    os.kill(front, signal.SIGKILL)
    wait_until(lambda: bench.endpoint.status().url is None)
    wait_until(lambda: not psutil.pid_exists(worker))
    with pytest.raises(EndpointError, match="nothing answers"):
        bench.endpoint.predict(GOOD)
    bench.endpoint.deploy(version)
    assert bench.url() == url
    assert bench.endpoint.status().traffic == {version: 100}
    assert bench.endpoint.predict(GOOD)[0]["label"] == "sport"


def test_a_version_that_does_not_load_is_reported_with_its_last_words_and_withdrawn(bench: Bench) -> None:
    first, broken = bench.live(), bench.upload("broken", broken=True)
    with pytest.raises(EndpointError, match="names no keywords") as caught:
        bench.endpoint.deploy(broken)
    assert "exit code 2" in str(caught.value)
    assert bench.endpoint.status().traffic == {first: 100}
    assert list(bench.front().versions) == [first]
    assert bench.endpoint.predict(GOOD)


def test_a_first_version_that_does_not_load_leaves_nothing_running(bench: Bench) -> None:
    broken = bench.upload("broken", broken=True)
    with pytest.raises(EndpointError, match="names no keywords"):
        bench.endpoint.deploy(broken)
    assert find_front(bench.files) is None


def test_traffic_that_is_no_split_or_goes_to_nobody_is_refused(bench: Bench) -> None:
    version = bench.live()
    for split in ({version: 90}, {version: 120, "x": -20}, {}):
        with pytest.raises(InputError, match="sum to 100"):
            bench.endpoint.set_traffic(split)
    with pytest.raises(EndpointError, match="not deployed"):
        bench.endpoint.set_traffic({version: 50, "x": 50})
    with pytest.raises(EndpointError, match="has 100 % of the traffic"):
        bench.endpoint.undeploy(version)
    assert bench.endpoint.status().traffic == {version: 100}


def test_undeploying_waits_for_the_requests_in_flight(bench: Bench) -> None:
    slow, second = bench.live("slow", delay_s=1.0), bench.upload("second")
    bench.endpoint.deploy(second)
    answers: list[Any] = []
    asking = threading.Thread(target=lambda: answers.append(bench.endpoint.predict(GOOD)))
    asking.start()
    wait_until(lambda: bench.front().versions[slow].in_flight == 1)
    bench.endpoint.set_traffic({second: 100})
    bench.endpoint.undeploy(slow)
    asking.join()
    assert answers[0][0]["label"] == "sport"


def test_an_undeployed_version_comes_back_without_an_upload(bench: Bench) -> None:
    first, second = bench.live(), bench.upload("second")
    bench.endpoint.deploy(second)
    bench.endpoint.set_traffic({second: 100})
    bench.endpoint.undeploy(first)
    bench.endpoint.deploy(first)
    assert set(bench.endpoint.status().ready) == {first, second}


def test_delete_stops_every_process_and_forgets_everything(bench: Bench) -> None:
    version = bench.live()
    front, worker = bench.front().pid, bench.pid(version)
    bench.endpoint.delete()
    assert not psutil.pid_exists(worker)
    assert not psutil.pid_exists(front)
    assert not bench.files.root.exists()
    assert bench.endpoint.status().url is None


def test_the_endpoint_outlives_the_run_that_started_it_its_terminal_and_its_files(bench: Bench) -> None:
    trained = write_keyword_model(bench.path / "temporary")
    script = """
import sys
from pathlib import Path
from evergreen.adapters.local_endpoint.host import LocalEndpoint, open_endpoint
from tests.keyword_model import COMMAND
version, model_dir, state = sys.argv[1:]
endpoint = open_endpoint(LocalEndpoint(port=0), "news", Path(state), COMMAND)
endpoint.upload(version, Path(model_dir))
endpoint.deploy(version)
endpoint.set_traffic({version: 100})
print("up", flush=True)
sys.stdin.read()
"""
    command = [sys.executable, "-c", script, trained.version, str(trained.path), str(bench.path / "state")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"up\n"
        os.killpg(run.pid, signal.SIGHUP)
        os.killpg(run.pid, signal.SIGINT)
    for path in sorted(trained.path.iterdir()):
        path.unlink()
    os.kill(bench.pid(trained.version), signal.SIGKILL)  # the files are needed once more
    assert bench.endpoint.predict(GOOD)[0]["label"] == "sport"


def test_two_runs_do_not_change_one_endpoint_at_once(bench: Bench) -> None:
    version = bench.live()
    slow = bench.upload("slow", load_s=2)
    deploying = threading.Thread(target=bench.open().deploy, args=(slow,))
    deploying.start()
    wait_until(lambda: slow in bench.front().versions)
    with pytest.raises(BusyError, match="another run"):
        bench.endpoint.set_traffic({version: 100})
    assert bench.endpoint.predict(GOOD)
    deploying.join()
    assert set(bench.endpoint.status().ready) == {version, slow}


def test_a_taken_port_is_named_with_its_holder_and_the_way_out(bench: Bench) -> None:
    version = bench.upload("first")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(EndpointError, match=f"127.0.0.1:{port}.*pid {os.getpid()}.*host.port"):
            bench.open(port=port).deploy(version)
    assert find_front(bench.files) is None


def test_another_configured_port_does_not_move_a_running_endpoint_silently(bench: Bench) -> None:
    version = bench.live()
    with pytest.raises(InputError, match="teardown"):
        bench.open(port=free_port()).deploy(bench.upload("second"))
    assert bench.endpoint.status().ready == (version,)


def test_a_run_is_told_beforehand_that_the_endpoint_is_live_elsewhere(bench: Bench) -> None:
    bench.live()
    port = httpx.URL(bench.url()).port
    for same in ({}, {"port": port}):
        bench.open(**same).check()
    for changes in ({"port": free_port()}, {"host": "0.0.0.0"}):  # noqa: S104 - asked for, never bound
        with pytest.raises(InputError, match=rf"is live at 127\.0\.0\.1:{port}, .*teardown .* back to .*port {port}"):
            bench.open(**changes).check()


def test_a_front_that_hangs_is_not_in_the_way_of_the_run_that_replaces_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = bench.live()
    hung, port = bench.front().pid, httpx.URL(bench.url()).port
    os.kill(hung, signal.SIGSTOP)
    monkeypatch.setattr("evergreen.adapters.local_endpoint.control.RELOAD_S", 2.0)
    endpoint = bench.open(port=port)
    endpoint.check()
    endpoint.deploy(version)
    assert bench.front().pid != hung
    assert bench.endpoint.predict(GOOD)[0]["label"] == "sport"


def test_a_recycled_pid_is_never_taken_for_the_front(bench: Bench) -> None:
    version = bench.live()
    bench.endpoint.delete()
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as stranger:
        bench.files.root.mkdir(parents=True)
        address = {"pid": stranger.pid, "host": "127.0.0.1", "port": 1}
        (bench.files.root / "front.json").write_text(json.dumps(address))
        assert bench.endpoint.status().url is None
        bench.endpoint.delete()
        assert stranger.poll() is None
        stranger.communicate()
    assert version


def test_the_workers_inherit_no_secret_of_the_run(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    version = bench.live()
    for pid in (bench.front().pid, bench.pid(version)):
        assert "HF_TOKEN" not in psutil.Process(pid).environ()


def test_ctrl_c_while_a_version_starts_withdraws_it_and_the_live_one_serves_on(bench: Bench) -> None:
    live, slow = bench.live(), bench.upload("slow", load_s=60)
    script = """
import sys
from pathlib import Path
from evergreen.adapters.local_endpoint.host import LocalEndpoint, open_endpoint
from tests.keyword_model import COMMAND
open_endpoint(LocalEndpoint(port=0), "news", Path(sys.argv[2]), COMMAND).deploy(sys.argv[1])
"""
    command = [sys.executable, "-c", script, slow, str(bench.path / "state")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as run:
        wait_until(lambda: slow in bench.front().versions)
        run.send_signal(signal.SIGINT)
    wait_until(lambda: list(bench.front().versions) == [live])
    assert bench.endpoint.predict(GOOD)


def test_a_run_killed_while_it_deploys_holds_up_no_later_one(bench: Bench) -> None:
    live, slow = bench.live(), bench.upload("slow", load_s=2)
    deploying = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from pathlib import Path; from tests.keyword_model import COMMAND\n"
            "from evergreen.adapters.local_endpoint.host import LocalEndpoint, open_endpoint\n"
            "open_endpoint(LocalEndpoint(port=0), 'news', Path(sys.argv[2]), COMMAND).deploy(sys.argv[1])",
            slow,
            str(bench.path / "state"),
        ]
    )
    wait_until(lambda: slow in bench.front().versions)
    deploying.kill()
    deploying.wait()
    bench.endpoint.deploy(slow)
    assert set(bench.endpoint.status().ready) == {live, slow}


DEPLOY = """
import sys
from pathlib import Path
from evergreen.adapters.local_endpoint.host import LocalEndpoint, open_endpoint
from tests.keyword_model import COMMAND
version, state = sys.argv[1:]
endpoint = open_endpoint(LocalEndpoint(port=0, startup_timeout_s=30), "news", Path(state), COMMAND)
endpoint.deploy(version)
endpoint.set_traffic({version: 100})
print(*endpoint.status().outdated)
"""


def test_edited_serving_code_takes_the_place_of_what_runs_without_a_failed_request(bench: Bench) -> None:
    library, version = bench.path / "library", bench.upload("first", load_s=0.5)
    for folder in ("evergreen", "tests"):
        shutil.copytree(ROOT / folder, library / folder, ignore=shutil.ignore_patterns("__pycache__"))
    edited = library / "evergreen" / "serving" / "requests.py"
    source = edited.read_text(encoding="utf-8")

    def deploy() -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(library), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-c", DEPLOY, version, str(bench.path / "state")]
        return subprocess.run(command, env=environment, cwd=library, capture_output=True, text=True, check=False)

    assert deploy().returncode == 0
    pid = bench.pid(version)
    assert deploy().returncode == 0
    assert bench.pid(version) == pid
    with Client(bench.url()) as client:
        wait_until(lambda: client.versions[version] >= 5)
        edited.write_text(source.replace("'instances' is empty", "'instances' is void"), encoding="utf-8")
        assert bench.pid(version) == pid
        renewed = deploy()
        assert (renewed.returncode, renewed.stdout) == (0, "\n"), renewed.stderr
        with pytest.raises(InputError, match="'instances' is void"):
            post_predict(bench.url(), [])
        pid = bench.pid(version)
        edited.write_text("raise RuntimeError('a slip')\n", encoding="utf-8")
        broken = deploy()
        assert "a slip" in broken.stderr
        assert bench.pid(version) == pid
        answered = client.versions[version]
        wait_until(lambda: client.versions[version] >= answered + 5)
    assert client.failures == []
