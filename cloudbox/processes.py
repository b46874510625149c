"""Processes that outlive the command which started them, found again by id *and* start time: ids are used again."""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

SAME_START_S = 1.5  # the machine's start is known in whole seconds, and may be rounded anew
STOP_WITHIN_S = 15.0
POLL_EVERY_S = 0.05
MARK = "CLOUDBOX_PROCESS"
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


@dataclass(frozen=True)
class ProcessId:
    """A process, for good: `started` is in seconds after the machine's own start, which no setting of clocks moves."""

    pid: int
    started: float

    @classmethod
    def of(cls, process: psutil.Process) -> ProcessId:
        """The identity of a process that runs. Raises psutil.NoSuchProcess."""
        return cls(process.pid, process.create_time() - psutil.boot_time())

    def is_of(self, process: psutil.Process) -> bool:
        """Whether this is the identity of a process, and not of one that had its number before."""
        return process.pid == self.pid and abs(ProcessId.of(process).started - self.started) < SAME_START_S


def start(command: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path) -> psutil.Popen:
    """A process in a session of its own, which no terminal's end reaches; its output is appended to `log`."""
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "ab") as output:
        return psutil.Popen(
            command,
            env={**environment, MARK: "1"},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def find(process: ProcessId | None) -> psutil.Process | None:
    """The process when it still runs; None when it has ended or its id now belongs to another."""
    if process is None:
        return None
    try:
        running = psutil.Process(process.pid)
        return running if process.is_of(running) and _runs(running) else None
    except psutil.NoSuchProcess:
        return None


def stop_alone(process: ProcessId) -> None:
    """Ends one process and none that it began: SIGTERM, then SIGKILL."""
    if running := find(process):
        _each([running], "terminate")
        _each(_still_alive([running]), "kill")


def stop(leaders: Sequence[ProcessId]) -> None:
    """Ends sessions: SIGTERM to their groups, then SIGKILL to whatever of them, or begun by them, is left."""
    leftovers = {process for leader in leaders for process in _family(leader)}
    for leader in leaders:
        if find(leader):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(leader.pid, 15)
        else:
            _each(_session(leader), "terminate")
    leftovers = {*_still_alive(leftovers), *(process for leader in leaders for process in _session(leader))}
    _each(leftovers, "kill")
    _still_alive(leftovers)


def adopt_orphans() -> None:
    """Makes this process the parent of whatever its descendants leave behind (Linux; elsewhere the system is)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def stop_orphans(known: Collection[int]) -> None:
    """Ends the children of this process that are not known by number, and collects them."""
    orphans = [child for child in psutil.Process().children() if child.pid not in known]
    stop([ProcessId.of(orphan) for orphan in orphans if _runs(orphan)])
    for orphan in orphans:
        with contextlib.suppress(psutil.TimeoutExpired):
            orphan.wait(timeout=0)


def _each(processes: Iterable[psutil.Process], action: str) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            getattr(process, action)()


def _still_alive(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Those that have not ended in time; one that has, but was not yet collected by its parent, counts as ended."""
    deadline = time.monotonic() + STOP_WITHIN_S
    while (alive := [process for process in processes if _runs(process)]) and time.monotonic() < deadline:
        time.sleep(POLL_EVERY_S)
    return alive


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _family(leader: ProcessId) -> set[psutil.Process]:
    """The leader, its descendants (which may have sessions of their own) and the rest of its session."""
    running = find(leader)
    try:
        descendants = [running, *running.children(recursive=True)] if running else []
    except psutil.NoSuchProcess:
        descendants = []
    return {*descendants, *_session(leader)}


def _session(leader: ProcessId) -> list[psutil.Process]:
    """Who lives in the session that this leader began, although the leader may have ended.

    The system gives a leader's id to no other process while its session has members. So if another process has the
    id by now, nobody is left. After a restart of the machine the id may have been anybody's: members bear our mark.
    """
    if psutil.pid_exists(leader.pid) and not _is(leader):
        return []
    members = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError, PermissionError):
            if os.getsid(process.pid) == leader.pid and _runs(process) and MARK in process.environ():
                members.append(process)
    return members


def _is(leader: ProcessId) -> bool:
    try:
        return leader.is_of(psutil.Process(leader.pid))
    except psutil.NoSuchProcess:
        return False
