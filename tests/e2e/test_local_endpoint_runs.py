"""Runs that meet at one local endpoint: one after another, at once, cut off, on other ports, with edited code."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading

import httpx
import psutil
import pytest

from evergreen.adapters.local_endpoint.asking import post_predict
from evergreen.adapters.local_endpoint.control import find_front
from evergreen.core.errors import BusyError, EndpointError, InputError
from evergreen.runtime.processes import free_port
from tests.e2e.served import GOOD, Served
from tests.e2e.steady_client import SteadyClient
from tests.keyword_model import write_keyword_model
from tests.own_zenml import ROOT
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e


def test_the_endpoint_outlives_the_run_that_started_it_its_terminal_and_its_files(served: Served) -> None:
    trained = write_keyword_model(served.path / "temporary")
    script = """
import sys
from pathlib import Path
from evergreen.adapters.local_endpoint.host import LocalHost
from evergreen.adapters.local_endpoint.settings import LocalHostSettings
from tests.keyword_model import COMMAND
version, model_dir, state = sys.argv[1:]
endpoint = LocalHost(LocalHostSettings(port=0), COMMAND).open("news", Path(state))
endpoint.upload(version, Path(model_dir))
endpoint.deploy(version)
endpoint.set_traffic({version: 100})
print("up", flush=True)
sys.stdin.read()
"""
    command = [sys.executable, "-c", script, trained.version, str(trained.path), str(served.path / "state")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"up\n"
        os.killpg(run.pid, signal.SIGHUP)
        os.killpg(run.pid, signal.SIGINT)
    for path in sorted(trained.path.iterdir()):
        path.unlink()
    os.kill(served.pid(trained.version), signal.SIGKILL)  # the files are needed once more
    assert served.endpoint.predict(GOOD)[0]["label"] == "sport"


def test_two_runs_do_not_change_one_endpoint_at_once(served: Served) -> None:
    version = served.live()
    slow = served.upload("slow", load_s=2)
    deploying = threading.Thread(target=served.open().deploy, args=(slow,))
    deploying.start()
    wait_until(lambda: slow in served.front().versions)
    with pytest.raises(BusyError, match="another run"):
        served.endpoint.set_traffic({version: 100})
    assert served.endpoint.predict(GOOD)
    deploying.join()
    assert set(served.endpoint.status().ready) == {version, slow}


def test_a_taken_port_is_named_with_its_holder_and_the_way_out(served: Served) -> None:
    version = served.upload("first")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(EndpointError, match=f"127.0.0.1:{port}.*pid {os.getpid()}.*host.port"):
            served.open(port=port).deploy(version)
    assert find_front(served.files) is None


def test_another_configured_port_does_not_move_a_running_endpoint_silently(served: Served) -> None:
    version = served.live()
    with pytest.raises(InputError, match="teardown"):
        served.open(port=free_port()).deploy(served.upload("second"))
    assert served.endpoint.status().ready == (version,)


def test_a_run_is_told_beforehand_that_the_endpoint_is_live_elsewhere(served: Served) -> None:
    served.live()
    port = httpx.URL(served.url()).port
    for same in ({}, {"port": port}):
        served.open(**same).check()
    for changes in ({"port": free_port()}, {"host": "0.0.0.0"}):  # noqa: S104 - asked for, never bound
        with pytest.raises(InputError, match=rf"is live at 127\.0\.0\.1:{port}, .*teardown .* back to .*port {port}"):
            served.open(**changes).check()


def test_the_workers_inherit_no_secret_of_the_run(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    version = served.live()
    for pid in (served.front().pid, served.pid(version)):
        assert "HF_TOKEN" not in psutil.Process(pid).environ()


def test_ctrl_c_while_a_version_starts_withdraws_it_and_the_live_one_serves_on(served: Served) -> None:
    live, slow = served.live(), served.upload("slow", load_s=60)
    script = """
import sys
from pathlib import Path
from evergreen.adapters.local_endpoint.host import LocalHost
from evergreen.adapters.local_endpoint.settings import LocalHostSettings
from tests.keyword_model import COMMAND
LocalHost(LocalHostSettings(port=0), COMMAND).open("news", Path(sys.argv[2])).deploy(sys.argv[1])
"""
    command = [sys.executable, "-c", script, slow, str(served.path / "state")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as run:
        wait_until(lambda: slow in served.front().versions)
        run.send_signal(signal.SIGINT)
    wait_until(lambda: list(served.front().versions) == [live])
    assert served.endpoint.predict(GOOD)


def test_a_run_killed_while_it_deploys_holds_up_no_later_one(served: Served) -> None:
    live, slow = served.live(), served.upload("slow", load_s=2)
    deploying = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from pathlib import Path; from tests.keyword_model import COMMAND\n"
            "from evergreen.adapters.local_endpoint.host import LocalHost\n"
            "from evergreen.adapters.local_endpoint.settings import LocalHostSettings\n"
            "LocalHost(LocalHostSettings(port=0), COMMAND).open('news', Path(sys.argv[2])).deploy(sys.argv[1])",
            slow,
            str(served.path / "state"),
        ]
    )
    wait_until(lambda: slow in served.front().versions)
    deploying.kill()
    deploying.wait()
    served.endpoint.deploy(slow)
    assert set(served.endpoint.status().ready) == {live, slow}


DEPLOY = """
import sys
from pathlib import Path
from evergreen.adapters.local_endpoint.host import LocalHost
from evergreen.adapters.local_endpoint.settings import LocalHostSettings
from tests.keyword_model import COMMAND
version, state = sys.argv[1:]
endpoint = LocalHost(LocalHostSettings(port=0, startup_timeout_s=30), COMMAND).open("news", Path(state))
endpoint.deploy(version)
endpoint.renew(version)
endpoint.set_traffic({version: 100})
print(*endpoint.status().outdated)
"""


def test_edited_serving_code_takes_the_place_of_what_runs_without_a_failed_request(served: Served) -> None:
    library, version = served.path / "library", served.upload("first", load_s=0.5)
    for folder in ("evergreen", "tests"):
        shutil.copytree(ROOT / folder, library / folder, ignore=shutil.ignore_patterns("__pycache__"))
    edited = library / "evergreen" / "serving" / "requests.py"
    source = edited.read_text(encoding="utf-8")

    def deploy() -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(library), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-c", DEPLOY, version, str(served.path / "state")]
        return subprocess.run(command, env=environment, cwd=library, capture_output=True, text=True, check=False)

    assert deploy().returncode == 0
    pid = served.pid(version)
    assert deploy().returncode == 0
    assert served.pid(version) == pid
    with SteadyClient(served.url(), GOOD) as client:
        wait_until(lambda: client.versions[version] >= 5)
        edited.write_text(source.replace("'instances' is empty", "'instances' is void"), encoding="utf-8")
        assert served.pid(version) == pid
        renewed = deploy()
        assert (renewed.returncode, renewed.stdout) == (0, "\n"), renewed.stderr
        with pytest.raises(InputError, match="'instances' is void"):
            post_predict(served.url(), [])
        pid = served.pid(version)
        edited.write_text("raise RuntimeError('a slip')\n", encoding="utf-8")
        broken = deploy()
        assert "a slip" in broken.stderr
        assert served.pid(version) == pid
        answered = client.versions[version]
        wait_until(lambda: client.versions[version] >= answered + 5)
    assert client.failures == []
