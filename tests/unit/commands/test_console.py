from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

from commands.console import report_errors, set_verbosity
from commands.termination import Terminated
from evergreen.core.errors import EndpointError, InputError


@pytest.mark.parametrize(
    ("error", "code", "printed"),
    [
        (InputError("column 'label' missing"), 2, "error: column 'label' missing\n"),
        (EndpointError("no answer"), 1, "error: no answer\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (Terminated(), 143, "terminated\n"),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(
    error: BaseException, code: int, printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with report_errors(debug=False) as outcome:
        raise error
    assert outcome.code == code
    assert capsys.readouterr().err == printed


def test_an_unexpected_error_says_its_type_and_how_to_see_more(capsys: pytest.CaptureFixture[str]) -> None:
    with report_errors(debug=False) as outcome:
        raise ZeroDivisionError("division by zero")
    assert outcome.code == 1
    err = capsys.readouterr().err
    assert err.startswith("error: ZeroDivisionError: division by zero\n")
    assert "--debug" in err
    assert "Traceback" not in err


def fail(error: Exception) -> None:
    raise error


def raise_over(error: Exception, *, explicit: bool) -> None:
    """As a library does that wraps what its caller's code raises."""
    try:
        fail(error)
    except Exception as cause:
        if explicit:
            raise ValueError("generation failed") from cause
        raise KeyError("generation failed")  # noqa: B904 - libraries do


@pytest.mark.parametrize("explicit", [True, False])
def test_an_error_that_a_library_wrapped_keeps_its_words_and_its_exit_code(
    explicit: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    with report_errors(debug=False) as outcome:
        raise_over(InputError("column 'label' missing"), explicit=explicit)
    assert outcome.code == 2
    assert capsys.readouterr().err == "error: column 'label' missing\n"


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    with report_errors(debug=True):
        raise InputError("column 'label' missing")
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert err.endswith("error: column 'label' missing\n")


def test_nothing_raised_is_exit_code_zero() -> None:
    with report_errors(debug=False) as outcome:
        pass
    assert outcome.code == 0


def test_only_a_run_shows_steps_and_the_users_own_choice_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.environ", {})
    set_verbosity(shows_steps=False, debug=False)
    assert os.environ["ZENML_LOGGING_VERBOSITY"] == "ERROR"
    monkeypatch.setattr("os.environ", {"ZENML_LOGGING_VERBOSITY": "WARN"})
    set_verbosity(shows_steps=True, debug=False)
    assert os.environ["ZENML_LOGGING_VERBOSITY"] == "WARN"
    monkeypatch.setattr("os.environ", {"NO_COLOR": "1"})
    set_verbosity(shows_steps=True, debug=True)
    assert os.environ == {"NO_COLOR": "1", "ZENML_LOGGING_COLORS_DISABLED": "true"}


def test_a_broken_pipe_that_is_not_stdout_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    with report_errors(debug=False) as outcome:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")
    assert outcome.code == 1
    assert "error: BrokenPipeError" in capfd.readouterr().err


def test_a_reader_that_has_gone_is_nothing_to_tell() -> None:
    script = (
        "from commands.console import report_errors\n"
        "with report_errors(debug=False):\n"
        "    print('x' * 10**6, flush=True)"
    )
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = subprocess.run([sys.executable, "-c", script], stdout=writer, stderr=subprocess.PIPE, check=False)
    finally:
        os.close(writer)
    assert ended.stderr == b""
