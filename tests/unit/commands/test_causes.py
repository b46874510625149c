from __future__ import annotations

import errno
import shutil
import sqlite3
from pathlib import Path

import pytest

from commands import causes
from commands.causes import plain_cause
from commands.console import report_errors
from evergreen.core.errors import InputError


class SafetensorError(Exception):
    """As safetensors raises it."""


def test_where_zenml_keeps_its_own_may_be_the_full_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "zenml"
    home.mkdir()
    monkeypatch.setenv("ZENML_CONFIG_PATH", str(home))
    room = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: room._replace(free=0) if path == home else room)
    assert str(plain_cause(OSError(errno.ENOSPC, "No space left on device"))).startswith(
        f"no room in {home} (0.0 GB free)"
    )


def test_a_login_that_has_run_out_is_told_with_the_line_that_renews_it(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = type("CredentialsNotValid", (Exception,), {"__module__": "zenml.exceptions"})
    monkeypatch.setattr(causes, "_zenml_server", lambda: "https://zenml.example.org")
    message = str(plain_cause(refused("invalid")))
    assert message.endswith("zenml login https://zenml.example.org")
    assert "run out" in message


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device", "/var/model/weights"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
        OSError("[Errno 28] Error writing bytes to file. Detail: [errno 28] No space left on device"),
        sqlite3.OperationalError("database or disk is full"),
        RuntimeError('IO Error: Could not write all bytes to file "/tmp/x.parquet": No space left on device'),
    ],
)
def test_a_full_disk_is_told_with_the_place_its_room_and_what_to_do(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    with report_errors(debug=False) as outcome:
        raise RuntimeError("a step failed") from error
    err = capsys.readouterr().err
    assert outcome.code == 1
    assert err.startswith("error: no room in /")
    assert "GB free" in err
    assert "set TMPDIR (for ZenML's folder ZENML_CONFIG_PATH) to a folder with room" in err
    assert "not expected" not in err


@pytest.mark.parametrize(
    ("error", "said", "code"),
    [
        (MemoryError(), "not enough memory: MemoryError: no message; set a smaller batch_size", 1),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "set a smaller batch_size", 1),
        (RecursionError("maximum recursion depth exceeded"), "nested too deep to be read", 2),
        (FileNotFoundError(2, "No such file or directory", "/store/x/data.json"), "/store/x/data.json is gone", 1),
        (PermissionError(13, "Permission denied", "/store/x"), "/store/x cannot be used: Permission denied", 1),
    ],
)
def test_other_plain_causes_are_told_with_what_to_do(
    error: Exception, said: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with report_errors(debug=False) as outcome:
        raise error
    assert said in capsys.readouterr().err
    assert outcome.code == code


def test_what_has_no_plain_cause_stays_as_it_is() -> None:
    assert plain_cause(ZeroDivisionError("division by zero")) is None
    assert plain_cause(KeyError("No such key: disk")) is None
    handled = KeyError("column")
    handled.__context__ = FileNotFoundError(2, "No such file or directory", "/cache/x")
    assert plain_cause(handled) is None


def test_a_path_that_is_too_long_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    with report_errors(debug=False) as outcome:
        Path("a" * 5_000).is_file()
    err = capsys.readouterr().err
    assert outcome.code == 2
    assert err.startswith("error: the path 'aaaa")
    assert "of 5,000 characters, or a name in it, is longer than the system takes; shorten it" in err
    assert len(err) < 200
    unnamed = plain_cause(OSError(errno.ENAMETOOLONG, "File name too long"))
    assert str(unnamed) == "a path, or a name in it, is longer than the system takes; shorten it"


def test_an_error_of_our_own_keeps_its_words(capsys: pytest.CaptureFixture[str]) -> None:
    with report_errors(debug=False) as outcome:
        raise InputError("rows.csv cannot be read") from FileNotFoundError(2, "No such file or directory", "rows.csv")
    assert outcome.code == 2
    assert capsys.readouterr().err == "error: rows.csv cannot be read\n"
