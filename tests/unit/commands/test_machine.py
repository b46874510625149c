from __future__ import annotations

from argparse import Namespace
from importlib.metadata import version
from pathlib import Path

import pytest

from commands import doctor, machine
from commands.machine import Finding, check_beam, check_disk, check_memory, check_packages, check_python


def lock(root: Path, text: str) -> Path:
    (root / "requirements.lock").write_text(text, encoding="utf-8")
    (root / "requirements-weights.lock").write_text("# nothing\n", encoding="utf-8")
    return root


def test_locked_versions_that_are_installed_are_fine(tmp_path: Path) -> None:
    text = f"pydantic=={version('pydantic')} --hash=sha256:00\nnot-here==1 ; sys_platform == 'no such platform'\n"
    finding = check_packages(lock(tmp_path, text))
    assert (finding.fine, finding.message) == (True, "all 1 as locked")


def test_missing_and_other_versions_are_named_with_the_fix(tmp_path: Path) -> None:
    finding = check_packages(lock(tmp_path, "pydantic==0.1\nno-such-package==3.0\n"))
    assert not finding.fine
    assert f"pydantic {version('pydantic')} (locked: 0.1)" in finding.message
    assert "no-such-package missing (locked: 3.0)" in finding.message
    assert finding.fix == "make install"


def test_a_missing_lock_is_told(tmp_path: Path) -> None:
    finding = check_packages(tmp_path)
    assert (finding.fine, finding.fix) == (False, "make lock")


def test_this_python_is_fine_and_another_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_python().fine
    monkeypatch.setattr(machine, "PYTHON", (3, 99))
    assert not check_python().fine


def test_a_machine_without_beam_is_told_how_to_prepare_and_may_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "find_spec", lambda _: None)
    finding = check_beam()
    assert (finding.fine, finding.missing, finding.fix) == (False, False, "make install-dev")


def test_disk_and_memory_are_measured_against_what_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "MIN_DISK_GIB", 0.0)
    monkeypatch.setattr(machine, "MIN_MEMORY_GIB", 0.0)
    assert check_disk(tmp_path / "not" / "yet").fine
    assert check_memory().fine
    monkeypatch.setattr(machine, "MIN_DISK_GIB", 1e9)
    monkeypatch.setattr(machine, "MIN_MEMORY_GIB", 1e9)
    assert not check_disk(tmp_path).fine
    assert not check_memory().fine


def test_a_note_is_told_with_its_line_and_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    note = Finding("build region", False, "restricted", "export X=1", note=True)
    monkeypatch.setattr(doctor, "examine", lambda _, **__: iter([note]))
    assert doctor.main(Namespace(config="prod.yaml", send_test_alert=False)) == 0
    printed = capsys.readouterr().out
    assert "note  build region   restricted\n                     export X=1\n" in printed
    assert printed.endswith("ready: python run.py --config prod.yaml\n")
