from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from types import ModuleType

import pytest

from commands import parser
from commands.termination import Terminated, sigterm_raises


def terminate_with(cleanup: Callable[[], None]) -> None:
    """Gets SIGTERM, and cleans up."""
    with sigterm_raises():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            cleanup()


def test_sigterm_raises_once_so_that_cleanups_end() -> None:
    cleaned: list[str] = []

    def cleanup() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        cleaned.append("all")

    with pytest.raises(Terminated):
        terminate_with(cleanup)
    assert cleaned == ["all"]


def test_what_happened_on_sigterm_before_happens_again_afterwards() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with sigterm_raises():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_forked_worker_dies_of_the_signal_as_ever() -> None:
    fork = multiprocessing.get_context("fork")
    started = fork.Event()

    def work() -> None:
        started.set()
        time.sleep(60)

    with sigterm_raises():
        worker = fork.Process(target=work, daemon=True)
        worker.start()
        assert started.wait(10)
        worker.terminate()
        worker.join(10)
    assert worker.exitcode == -signal.SIGTERM


def test_a_terminated_command_exits_with_143(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ModuleType("commands.status")
    command.main = lambda _: os.kill(os.getpid(), signal.SIGTERM)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "commands.status", command)
    monkeypatch.setattr("os.environ", {})
    assert parser.main(["status", "--config", "local.yaml"]) == 143
    assert capsys.readouterr().err == "terminated\n"


def test_a_program_that_a_cleanup_starts_can_be_terminated() -> None:
    script = "import os, signal; os.kill(os.getpid(), signal.SIGTERM); print('still here')"
    ended: list[int] = []
    with pytest.raises(Terminated):
        terminate_with(lambda: ended.append(subprocess.call([sys.executable, "-c", script])))
    assert ended == [-signal.SIGTERM]
