"""Projects and endpoints for end-to-end tests."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from evergreen.core.errors import BusyError
from tests.e2e.project import Project
from tests.e2e.served import Served


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """The checkout with the local stack registered in a ZenML of its own; its endpoint is stopped afterwards."""
    project = Project(tmp_path)
    project.python("-m", "stacks.apply", "local")
    yield project
    for pid in project.endpoint_processes():
        psutil.Process(pid).kill()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A local endpoint that was never deployed."""
    served = Served(tmp_path)
    yield served
    with contextlib.suppress(BusyError):
        served.endpoint.delete()
