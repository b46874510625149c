"""What a process that we start is given, and what it left behind.

`Popen(command, env=library_environment({"AIP_HTTP_PORT": "8080"}))` starts one that imports this very library, sees the
accelerators that we see, and inherits none of the run's secrets.
"""

from __future__ import annotations

import errno
import os
import resource
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

INHERITED = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR", "TZ", "SYSTEMROOT", "VIRTUAL_ENV")
INHERITED_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")
INHERITED_DEVICES = ("CUDA_", "NVIDIA_", "HIP_", "ROCR_")
"""Prefixes of the variables that say which accelerators a process may use, and how."""
PATIENT_THREADS = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}
"""Variables under which threads of OpenMP, GNU's and LLVM's, sleep while they wait for each other.

Spinning ones take the cores from whatever else the machine does. They count when the library is loaded.
"""
CGROUP = Path("/sys/fs/cgroup")
LIBRARY_ROOT = Path(__file__).resolve().parents[2]
TAIL_BYTES = 64 * 1024


def library_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """`extra` over the few variables that any process needs, with this library on the import path."""
    named = {*INHERITED, *INHERITED_OFFLINE}
    kept = {name: value for name, value in os.environ.items() if name in named or name.startswith(INHERITED_DEVICES)}
    inherited_path = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    path = [str(LIBRARY_ROOT), *(folder for folder in inherited_path if folder)]
    return {**kept, "PYTHONPATH": os.pathsep.join(path), "PYTHONUNBUFFERED": "1", **extra}


def allow_files(wanted: int) -> None:
    """Lets this process hold so many files and connections, as far as it may: some systems allow it 256."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def usable_cores(cgroup: Path = CGROUP) -> int:
    """How many cores this process may keep busy: its affinity, and what its container is allowed (at least 1).

    Source: https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu, and `cpu.cfs_quota_us` of version 1.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for files in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        with suppress(OSError, ValueError):
            quota, period = (int(number) for name in files for number in (cgroup / name).read_text().split())
            if quota > 0 and period > 0:
                return min(cores, max(quota // period, 1))
    return cores


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port that nothing listened on a moment ago."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def port_conflict(host: str, port: int) -> str | None:
    """Why nothing can listen there, with the process that does where the machine tells it; None when the port is free.

    `Address already in use (held by uvicorn, pid 4711)`
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            holder = _port_holder(port) if error.errno == errno.EADDRINUSE else None
            return f"{error.strerror or error}{f' (held by {holder})' if holder else ''}"
    return None


def log_tail(path: Path, lines: int = 15) -> str:
    """The last lines of a log file; empty when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def _port_holder(port: int) -> str | None:
    import psutil

    try:
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
            if connection.pid and listens:
                return f"{psutil.Process(connection.pid).name()}, pid {connection.pid}"
    except psutil.Error:
        pass  # another user's process is not shown
    return None
