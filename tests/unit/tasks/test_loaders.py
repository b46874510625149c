"""How many processes load samples, by what shared memory has free."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from evergreen.tasks.machine import loaders_that_fit

DOCKERS_OWN = 64 * 2**20
PICTURES = 16 * 128 * 128 * 4
FLOATS = 16 * 128 * 128 * 20


@pytest.mark.parametrize(
    ("free_bytes", "batch_bytes", "cores", "loaders"),
    [
        (DOCKERS_OWN, PICTURES, 16, 8),
        (DOCKERS_OWN, PICTURES, 4, 4),
        (DOCKERS_OWN, FLOATS, 16, 2),
        (DOCKERS_OWN, 16 * 1024 * 1024 * 4, 16, 0),
        (0, PICTURES, 16, 0),
        (2**40, FLOATS, 16, 8),
    ],
)
def test_two_sets_of_loaders_with_three_batches_each_fit_into_shared_memory(
    free_bytes: int, batch_bytes: int, cores: int, loaders: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=free_bytes // 4096, f_frsize=4096))
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert loaders_that_fit(batch_bytes) == loaders


def test_the_log_tells_how_many_and_why(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=DOCKERS_OWN // 4096, f_frsize=4096))
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    with caplog.at_level(logging.INFO, "evergreen.tasks.machine"):
        loaders_that_fit(FLOATS)
    assert caplog.messages == ["2 processes load samples: /dev/shm has 67.1 MB free, a batch takes 5.2 MB"]


def test_a_system_without_that_place_bounds_nothing(tmp_path: Path) -> None:
    assert loaders_that_fit(2**60, tmp_path / "nowhere") == min(8, os.cpu_count() or 1)
