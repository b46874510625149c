"""A box is started, healed and stopped, and keeps its state."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from cloudbox.box import HOST, open_or_make_box
from cloudbox.home import Home
from tests.running_box import REPOSITORY, RunningBox, running_box
from tests.waiting import wait_until

NOBODY = 65534


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBox]:
    with running_box(tmp_path_factory.mktemp("box") / "home", "gcs", "gateway") as box:
        yield box


def kept_files(home: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in home.rglob("*") if path.is_file() and "logs" not in path.parts}


def processes_of(home: Path) -> list[str]:
    printed = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or [])
        if str(home) in line and process.pid != os.getpid():
            printed.append(line)
    return printed


def store(box: RunningBox, bucket: str, text: str) -> None:
    url = box.box.url("gcs")
    httpx.post(f"{url}/storage/v1/b", json={"name": bucket}, trust_env=False).raise_for_status()
    upload = f"{url}/upload/storage/v1/b/{bucket}/o?uploadType=media&name=note"
    httpx.post(upload, content=text, trust_env=False).raise_for_status()


def stored(box: RunningBox, bucket: str) -> str:
    url = f"{box.box.url('gcs')}/storage/v1/b/{bucket}/o/note?alt=media"
    return httpx.get(url, trust_env=False).raise_for_status().text


def test_up_returns_once_every_service_answers(box: RunningBox) -> None:
    status = box.status()
    assert {name for name, service in status["services"].items() if service["state"] == "answers"} == {"gcs", "gateway"}
    assert status["supervised"]
    assert status["services"]["vertex"]["state"] == "stopped"


def test_a_second_up_changes_nothing(box: RunningBox) -> None:
    files, pids = kept_files(box.home), box.pids()
    box.up()
    assert kept_files(box.home) == files
    assert box.pids() == pids


def test_its_files_are_its_owners_alone(box: RunningBox) -> None:
    assert box.home.stat().st_mode & 0o777 == 0o700
    for file in (box.box.home.credentials, box.box.home.server_key, *(box.home / "logs").iterdir()):
        assert file.stat().st_mode & 0o777 == 0o600, file


def test_a_service_that_dies_is_started_again_and_has_kept_its_state(box: RunningBox) -> None:
    store(box, "kept", "before")
    killed = box.pids()["gcs"]
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: box.pids()["gcs"] not in {None, killed}, timeout_s=10)
    box.wait_for("gcs")
    assert stored(box, "kept") == "before"
    assert box.status()["services"]["gcs"]["restarts"] == 1


def test_a_service_is_restarted_on_demand_and_has_kept_its_state(box: RunningBox) -> None:
    store(box, "restarted", "before")
    pids = box.pids()
    assert box.command("restart", "gcs").stdout.startswith("gcs ")
    assert stored(box, "restarted") == "before"
    assert box.pids()["gateway"] == pids["gateway"]
    assert box.pids()["gcs"] not in {None, pids["gcs"]}
    refused = box.command("restart", "vertex", check=False)
    assert (refused.returncode, "vertex does not run" in refused.stderr) == (1, True)


def test_a_service_that_is_killed_leaves_no_container_behind(tmp_path: Path) -> None:
    container = {"imageUri": "any", "command": ["python", "-c", f"import time; '{tmp_path}'; time.sleep(600)"]}
    pool = {"machineSpec": {"machineType": "n1-standard-4"}, "replicaCount": "1", "containerSpec": container}
    job = {"displayName": "sleeper", "jobSpec": {"workerPoolSpecs": [pool]}}
    with running_box(tmp_path / "home", "vertex", "gateway") as box:
        vertex = f"https://{box.box.address('vertex', 'https')}/v1/projects/local-project/locations/us-central1"
        trust = ssl.create_default_context(cafile=str(box.box.home.ca))
        httpx.post(f"{vertex}/customJobs", json=job, verify=trust, trust_env=False).raise_for_status()
        wait_until(lambda: any("time.sleep(600)" in line for line in processes_of(tmp_path)), timeout_s=10)
        os.kill(box.pids()["vertex"], signal.SIGKILL)
        box.command("down")  # at once: no next life of the service clears away what this one left
    assert processes_of(tmp_path) == []


def test_services_outlive_their_supervisor_and_the_next_one_takes_them_over(box: RunningBox) -> None:
    pids = box.pids()
    supervisor = json.loads(box.box.home.process("supervisor").read_text())["process"]["pid"]
    os.kill(supervisor, signal.SIGKILL)
    wait_until(lambda: not box.status()["supervised"], timeout_s=5)
    assert box.pids() == pids
    box.up()
    assert box.status()["supervised"]
    assert box.pids() == pids


def test_down_ends_every_process_and_the_next_up_finds_state_and_ports_as_they_were(box: RunningBox) -> None:
    store(box, "before-down", "still here")
    ports = box.box.ports
    assert "gcs" in box.command("down").stdout
    assert processes_of(box.home) == []
    assert {service["state"] for service in box.status()["services"].values()} == {"stopped"}
    assert "nothing was running" in box.command("down").stdout
    box.up()
    assert box.box.ports == ports
    assert stored(box, "before-down") == "still here"


def test_a_box_keeps_the_project_and_region_it_was_made_with(box: RunningBox) -> None:
    refused = box.up("--region", "europe-west4", check=False)
    assert refused.returncode == 1
    assert "has region us-central1, not europe-west4" in refused.stderr


def test_a_service_that_keeps_ending_is_named_with_its_log(tmp_path: Path) -> None:
    box = RunningBox(tmp_path / "home", ["gcs", "gateway"])
    (box.home / "gcs").mkdir(parents=True)
    (box.home / "gcs" / "buckets").write_text("a file where the emulator wants a folder")
    try:
        refused = box.up(check=False)
        assert refused.returncode == 1
        assert f"gcs keeps ending; see {box.home}/logs/gcs.log" in refused.stderr
        assert box.status()["services"]["gateway"]["state"] == "answers"
    finally:
        box.command("down")


def test_a_port_taken_by_another_program_is_named(tmp_path: Path) -> None:
    box = RunningBox(tmp_path / "home", ["gcs"])
    port = open_or_make_box(Home(box.home)).port("gcs")
    with socket.create_server((HOST, port)):
        refused = box.up(check=False)
    assert refused.returncode == 1
    assert f"port {port} (gcs, http) is taken by another program" in refused.stderr
    assert processes_of(box.home) == []


def test_a_person_s_own_images_are_kept_and_given_the_box_s_network(box: RunningBox) -> None:
    box.up("--image", f"serving:1={sys.executable},{REPOSITORY}")
    images = json.loads(box.box.home.images.read_text())
    assert images["serving:1"]["python"] == sys.executable
    assert images["serving:1"]["code"] == str(REPOSITORY)
    assert images["*"]["env"] == images["serving:1"]["env"]
    assert images["*"]["env"]["STORAGE_EMULATOR_HOST"] == box.box.url("gcs")
    assert not any(name.startswith(("ZENML", "MLFLOW")) for name in images["*"]["env"])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user; all else here ran as one")
def test_an_ordinary_user_starts_and_stops_a_box() -> None:
    as_nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    tried = [*as_nobody, "env", sys.executable, "-c", "import cloudbox"]
    if not shutil.which("setpriv") or subprocess.run(tried, cwd=REPOSITORY, check=False).returncode:
        pytest.skip("an ordinary user of this machine may not run this Python, or not read this checkout")
    home = Path(tempfile.mkdtemp())  # pytest's own folders are closed to others
    os.chown(home, NOBODY, NOBODY)
    command = [*as_nobody, sys.executable, "-m", "cloudbox", "--home", str(home)]
    try:
        subprocess.run([*command, "up", "--services", "gcs,gateway"], cwd=REPOSITORY, check=True)
    finally:
        subprocess.run([*command, "down"], cwd=REPOSITORY, check=True)
        assert processes_of(home) == []
        shutil.rmtree(home)
