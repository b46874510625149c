"""The doctor on machines with something missing, and on one with nothing missing."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.own_zenml import ROOT, copy_home, python


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, laid_out: Path) -> Path:
    """A ZenML in which no stack was registered."""
    home = tmp_path_factory.mktemp("home") / "zenml"
    copy_home(laid_out, home)
    return home


def test_one_thing_missing_does_not_hide_the_next(home: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("parametres: {}\n", encoding="utf-8")
    done = python(home, "run.py", "doctor", "--config", str(tmp_path / "bad.yaml"))
    assert done.returncode == 1
    assert "FIX   configuration  " in done.stdout
    assert "parametres: unknown key; did you mean 'parameters'?" in done.stdout
    assert "fine  stack          'default' is active\n" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("command", ["run", "doctor", "status"])
def test_a_dead_server_is_told_at_once_with_the_way_out(tmp_path: Path, command: str) -> None:
    server = "http://127.0.0.1:9"  # the discard port: refuses at once, and ZenML would try again for minutes
    began = time.monotonic()
    done = python(tmp_path, "run.py", command, "--config", "local.yaml", ZENML_STORE_URL=server)
    assert time.monotonic() - began < 20
    assert done.returncode == 1
    printed = done.stdout + done.stderr
    assert f"ZenML is connected to {server}, which does not answer; log in again (zenml login)" in printed
    assert 'unset ZENML_STORE_URL; export ZENML_CONFIG_PATH="$PWD/.zenml"' in printed
    assert "Traceback" not in printed


def test_a_wrong_stack_and_a_missing_file_are_told_with_their_fixes(home: Path, tmp_path: Path) -> None:
    text = (ROOT / "configs" / "my_data.yaml").read_text(encoding="utf-8")
    own = tmp_path / "own.yaml"
    own.write_text(text.replace("data/news.csv", "nowhere/news.csv").replace("8503", "0"), encoding="utf-8")
    done = python(home, "run.py", "doctor", "--config", str(own))
    assert done.returncode == 1
    assert "FIX   stack          " in done.stdout
    assert "but stack 'default' is active\n                     python -m stacks.apply local\n" in done.stdout
    assert "FIX   source         " in done.stdout
    assert "nowhere/news.csv" in done.stdout
    assert done.stdout.endswith(" to fix\n")


@pytest.mark.e2e
def test_a_machine_with_the_local_stack_is_ready(tmp_path: Path, laid_out: Path) -> None:
    home = tmp_path / "zenml"
    copy_home(laid_out, home)
    assert python(home, "-m", "stacks.apply", "local").returncode == 0
    text = (ROOT / "configs" / "local.yaml").read_text(encoding="utf-8")
    own = tmp_path / "own.yaml"
    own.write_text(text.replace("8501", "0"), encoding="utf-8")
    done = python(home, "run.py", "doctor", "--config", str(own))
    assert f"ready: python run.py --config {own}" in done.stdout, done.stdout
    assert done.returncode == 0
