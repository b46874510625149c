"""What became of a model after days of its life: who answers, and what its runs did."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from tests.days import Day


class Led(Protocol):
    """What runs a checkout's programs and knows its artifact store: a `Project`, or `Production`."""

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A finished `python …`."""

    def kept(self, result: str) -> list[Path]:
        """What the artifact store holds of a step's results that are values."""


def champion_of(status: Mapping[str, Any]) -> str:
    """The version that has all the traffic, as `run.py status --json` has it."""
    version = str(status["champion"]["version"])
    assert status["endpoint"]["traffic"][version] == 100
    return version


def newest(led: Led, result: str) -> bytes:
    """The newest result of a step."""
    return max(led.kept(result), key=lambda path: path.stat().st_mtime).read_bytes()


def runs_of(led: Led, model: str) -> list[dict[str, Any]]:
    """The model's runs, oldest first, each with the rows that were new to it."""
    printed = led.python("-m", "tests.e2e.nights_told", model, "--rows").stdout
    return [json.loads(line) for line in printed.splitlines() if line.startswith("{")]


def trained_rows(runs: list[dict[str, Any]]) -> list[list[str]]:
    """The rows that were new to each training."""
    return [run["rows"] for run in runs if run["steps"].get("train") == "completed"]


def assert_quiet(day: Day, asked: int, new: str) -> None:
    """Monitoring and the training by schedule are successes that change nothing."""
    assert (day.verdict.requests, day.verdict.enough, day.verdict.drifted) == (asked, True, False), day.verdict.words
    assert day.verdict.below == ()
    assert new in day.night
    assert "rows alone are no reason to train" in day.night
    assert "training:" not in day.night
