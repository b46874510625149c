"""No compiled pipeline, with its token, stays on the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.specifications import removed_specifications


def test_compiled_pipelines_are_removed_and_nothing_else_of_zenml(zenml_home: Path) -> None:
    folder = zenml_home / "vertex" / "0a1b" / "pipelines"
    folder.mkdir(parents=True)
    kept = zenml_home / "vertex" / "0a1b" / "settings.json"
    for file in (kept, folder / "training_old.json"):
        file.write_text("{}", encoding="utf-8")

    def submit() -> None:
        with removed_specifications():
            (folder / "training_new.json").write_text("{}", encoding="utf-8")
            raise RuntimeError("refused")

    with pytest.raises(RuntimeError, match="refused"):
        submit()
    assert list(folder.iterdir()) == []
    assert kept.is_file()
