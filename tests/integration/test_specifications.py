"""No compiled pipeline, with its token, stays on the machine; and no command takes away another one's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from orchestration import specifications
from orchestration.specifications import removing_specifications
from tests.compiled import write_compiled


@pytest.fixture(autouse=True)
def on_vertex(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(specifications, "_on_vertex", lambda: True)


def test_a_command_removes_what_it_compiled_and_what_killed_ones_left_and_nothing_of_one_that_runs(
    zenml_home: Path,
) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left, running, kept = (
        zenml_home / "vertex" / f"process-{ended.pid}" / "pipelines" / "training_old.json",
        zenml_home / "vertex" / f"process-{os.getppid()}" / "pipelines" / "training_other.json",
        zenml_home / "vertex" / "0a1b" / "settings.json",
    )
    for file in (left, running, kept):
        file.parent.mkdir(parents=True)
        file.write_text("{}", encoding="utf-8")
    compiled: list[Path] = []

    def submit() -> None:
        with removing_specifications():
            compiled.append(write_compiled())
            raise RuntimeError("refused")

    with pytest.raises(RuntimeError, match="refused"):
        submit()
    assert [file.exists() for file in (*compiled, left, running, kept)] == [False, False, True, True]
    running.unlink()


def test_a_run_that_is_refused_leaves_none(monkeypatch: pytest.MonkeyPatch) -> None:
    from commands import run

    compiled: list[Path] = []

    def compile_and_fail(*_: object, **__: object) -> None:
        compiled.append(write_compiled())
        raise RuntimeError("refused")

    monkeypatch.setattr(run, "run_pipeline", compile_and_fail)
    project: Any = SimpleNamespace(model_name="compiled", configuration=SimpleNamespace(path=Path("own.yaml")))
    with pytest.raises(RuntimeError, match="refused"):
        run._run(project, "compiled-1", use_cache=True, told_in=None)
    assert [file.exists() for file in compiled] == [False]
