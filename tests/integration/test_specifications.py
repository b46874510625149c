"""No compiled pipeline, with its token, stays on the machine."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from orchestration.specifications import removing_specifications


def test_compiled_pipelines_are_removed_and_nothing_else_of_zenml(zenml_home: Path) -> None:
    folder = zenml_home / "vertex" / "0a1b" / "pipelines"
    folder.mkdir(parents=True)
    kept = zenml_home / "vertex" / "0a1b" / "settings.json"
    for file in (kept, folder / "training_old.json"):
        file.write_text("{}", encoding="utf-8")

    def submit() -> None:
        with removing_specifications():
            (folder / "training_new.json").write_text("{}", encoding="utf-8")
            raise RuntimeError("refused")

    with pytest.raises(RuntimeError, match="refused"):
        submit()
    assert list(folder.iterdir()) == []
    assert kept.is_file()


def test_a_run_that_is_refused_leaves_none(zenml_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from commands import run

    folder = zenml_home / "vertex" / "7e7e" / "pipelines"
    folder.mkdir(parents=True, exist_ok=True)

    def compile_and_fail(*_: object, **__: object) -> None:
        (folder / "training_of_a_run.json").write_text("{}", encoding="utf-8")
        raise RuntimeError("refused")

    monkeypatch.setattr(run, "run_pipeline", compile_and_fail)
    project: Any = SimpleNamespace(model_name="compiled", configuration=SimpleNamespace(path=Path("own.yaml")))
    with pytest.raises(RuntimeError, match="refused"):
        run._run(project, "compiled-1", use_cache=True, told_in=None)
    assert list(folder.iterdir()) == []
