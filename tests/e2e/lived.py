"""What became of a model after days of its life: who answers, and what its runs did."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.e2e.project import Project


def champion_of(project: Project, config: Path) -> str:
    """The version that has all the traffic."""
    status = project.status(config)
    version = str(status["champion"]["version"])
    assert status["endpoint"]["traffic"][version] == 100
    return version


def newest(project: Project, result: str) -> bytes:
    """What the artifact store holds of a step's newest result that is a value."""
    kept = project.zenml.glob(f"local_stores/*/{result}/**/data_v2.json")
    return Path(max(kept, key=lambda path: path.stat().st_mtime)).read_bytes()


def runs_of(project: Project, model: str) -> list[dict[str, Any]]:
    """The model's runs, oldest first, each with the rows that were new to it."""
    printed = project.python("-m", "tests.e2e.nights_told", model, "--rows").stdout
    return [json.loads(line) for line in printed.splitlines() if line.startswith("{")]


def trained_rows(runs: list[dict[str, Any]]) -> list[list[str]]:
    """The rows that were new to each training."""
    return [run["rows"] for run in runs if run["steps"].get("train") == "completed"]
