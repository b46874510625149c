import os
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from evergreen.runtime.processes import free_port, library_environment, log_tail, port_conflict, usable_cores


def test_a_child_imports_the_library_from_anywhere_and_inherits_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    script = "import os, evergreen.core.errors; print(os.environ.get('HF_TOKEN'), os.environ['AIP_MODE'])"
    environment = library_environment({"AIP_MODE": "PREDICTION"})
    printed = subprocess.check_output([sys.executable, "-c", script], env=environment, cwd=tmp_path, text=True)
    assert printed == "None PREDICTION\n"


def test_a_child_sees_the_accelerators_that_we_see_and_goes_no_more_online(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "CUDA_VISIBLE_DEVICES": "1",
        "NVIDIA_VISIBLE_DEVICES": "all",
        "HIP_VISIBLE_DEVICES": "",
        "HF_HUB_OFFLINE": "1",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert given.items() <= library_environment({}).items()


def test_a_free_port_can_be_bound() -> None:
    socket.create_server(("127.0.0.1", free_port())).close()


def test_a_taken_port_is_told_with_its_holder_and_a_free_one_is_none() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        conflict = port_conflict("127.0.0.1", port)
        assert conflict is not None
        assert f"in use (held by {psutil.Process().name()}, pid {os.getpid()})" in conflict
    assert port_conflict("127.0.0.1", port) is None


def test_an_address_of_another_machine_has_no_holder() -> None:
    conflict = port_conflict("192.0.2.1", 8501)  # reserved for documentation
    assert conflict is not None
    assert "held by" not in conflict


def test_the_tail_of_a_log_is_its_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"first\n" * 50_000 + b"caf\xff\nlast\n")
    assert log_tail(log, 2) == "caf\ufffd\nlast"
    assert log_tail(tmp_path / "none.log") == ""


@pytest.mark.parametrize(
    ("files", "allowed"),
    [
        ({}, 8),
        ({"cpu.max": "max 100000"}, 8),
        ({"cpu.max": "350000 100000"}, 3),
        ({"cpu.max": "50000 100000"}, 1),
        ({"cpu.max": "3200000 100000"}, 8),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 8),
        ({"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}, 2),
    ],
)
def test_a_container_that_is_allowed_fewer_cores_than_the_machine_has_counts_those(
    files: dict[str, str], allowed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    (tmp_path / "cpu").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text + "\n")
    assert usable_cores(tmp_path) == allowed
