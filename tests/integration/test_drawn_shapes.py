"""Pictures that several processes draw."""

from __future__ import annotations

import os
import subprocess
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

import pytest

from evergreen.adapters.shapes import draw
from evergreen.adapters.shapes.settings import ShapesSettings
from evergreen.core.errors import EvergreenError
from evergreen.core.members import source_of


def test_several_processes_draw_the_same_pictures_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = ShapesSettings(count=200, size=32, seed=5)
    alone = source_of(source).read(None, tmp_path / "alone")
    monkeypatch.setattr(draw, "ALONE", 1)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    (tmp_path / "evergreen").mkdir()
    (tmp_path / "evergreen" / "__init__.py").write_text("raise RuntimeError('another project of that name')")
    monkeypatch.chdir(tmp_path)
    assert source_of(source).read(None, tmp_path / "three").manifest == alone.manifest


def test_processes_end_with_whom_they_draw_for_and_their_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []
    start = draw._start

    def noted(stack: ExitStack, arguments: list[int]) -> subprocess.Popen[bytes]:
        started.append(start(stack, arguments))
        return started[-1]

    monkeypatch.setattr(draw, "_start", noted)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    batches = draw.drawn(0, 32, 100_000)
    assert [len(batch) for batch in islice(batches, 3)] == [draw.BATCH_ROWS] * 3
    started[1].kill()
    with pytest.raises(EvergreenError, match="ended early, with exit code -9"):
        list(batches)
    assert all(process.poll() is not None for process in started)
