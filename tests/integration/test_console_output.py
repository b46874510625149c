"""What a person sees of a failing run, in a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.own_zenml import copy_home, python

SCRIPT = """
import sys
from commands.console import quiet_zenml, report_errors
from evergreen.core.errors import InputError
from zenml import pipeline, step

@step
def fetch() -> int:
    raise InputError("column 'label' missing from rows.csv (has: id, text)")

@pipeline(enable_cache=False)
def training() -> None:
    fetch()

debug = "--debug" in sys.argv
with report_errors(debug=debug) as outcome, quiet_zenml(debug=debug):
    training()
sys.exit(outcome.code)
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, laid_out: Path) -> Path:
    """A ZenML in which no stack was registered."""
    home = tmp_path_factory.mktemp("home") / "zenml"
    copy_home(laid_out, home)
    return home


@pytest.mark.parametrize("debug", [False, True])
def test_a_failing_step_is_one_line_and_bad_input(home: Path, tmp_path: Path, debug: bool) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    done = python(home, str(script), *(["--debug"] if debug else []))
    assert done.returncode == 2
    assert done.stderr.endswith("error: column 'label' missing from rows.csv (has: id, text)\n")
    assert "Step `fetch` has started." in done.stdout
    assert ("Traceback" in done.stderr + done.stdout) == debug
    assert ("Using stack" in done.stdout) == debug
    if not debug:
        assert done.stderr.count("\n") == 1
        assert "column 'label'" not in done.stdout
