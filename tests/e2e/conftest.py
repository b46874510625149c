"""Projects for end-to-end tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.e2e.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """The checkout with the local stack registered in a ZenML of its own; its endpoint is stopped afterwards."""
    project = Project(tmp_path)
    project.python("-m", "stacks.apply", "local")
    yield project
    for pid in project.endpoint_processes():
        psutil.Process(pid).kill()
