import fcntl
import os
import threading
from pathlib import Path

import pytest

from evergreen.core.errors import BusyError
from evergreen.runtime.locks import exclusive, holder, is_held


def test_a_held_lock_names_its_holder_and_is_free_again_afterwards(tmp_path: Path) -> None:
    lock = tmp_path / "of" / "news.lock"
    with (
        exclusive(lock, "taken"),
        pytest.raises(BusyError, match=rf"news is busy \(process {os.getpid()}, since 2.+ UTC\); wait for it to end"),
        exclusive(lock, "news is busy", timeout_s=0.05),
    ):
        pass
    assert not is_held(lock)
    assert lock.read_text() == ""
    assert holder(lock) is None
    with exclusive(lock, "taken", timeout_s=0):
        assert is_held(lock)
        assert holder(lock) == os.getpid()


def test_what_to_do_instead_is_told_where_there_is_more_than_to_wait(tmp_path: Path) -> None:
    lock = tmp_path / "news.lock"
    with (
        exclusive(lock, "taken"),
        pytest.raises(BusyError, match=rf"busy \(process {os.getpid()}, since 2.+ UTC\); stop it$"),
        exclusive(lock, "busy", timeout_s=0, instead="stop it"),
    ):
        pass


def test_somebody_who_only_looks_makes_no_run_fail(tmp_path: Path) -> None:
    lock = tmp_path / "news.lock"
    lock.write_text("4711")  # left by a process that was killed
    looking = os.open(lock, os.O_RDWR)
    fcntl.flock(looking, fcntl.LOCK_SH)
    threading.Timer(0.2, os.close, [looking]).start()
    with exclusive(lock, "taken"):
        assert lock.read_text() == str(os.getpid())
