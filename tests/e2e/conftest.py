"""Projects and endpoints for end-to-end tests."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from evergreen.core.errors import BusyError
from tests.e2e.project import Project
from tests.e2e.served import Served

SHARED_OUT = "EVERGREEN_SHARED_OUT"
"""A folder where each of several test processes notes which files it runs; without it, one process runs all."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What may take longest comes first among the files here, so that no process waits for it in the end."""
    here = [number for number, item in enumerate(items) if _is_here(item)]
    ordered = sorted((items[number] for number in here), key=_may_take_s, reverse=True)
    for number, item in zip(here, ordered, strict=True):
        items[number] = item


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    """True for a test whose file another process runs: it is no test of this one."""
    folder = os.environ.get(SHARED_OUT)
    if folder is None or not _is_here(item):
        return None
    mine = f"{item.path.stem} {os.getpid()}"
    with contextlib.suppress(FileExistsError):
        (Path(folder) / item.path.stem).symlink_to(mine)  # one process alone can make it
    return None if (Path(folder) / item.path.stem).readlink() == Path(mine) else True


def _is_here(item: pytest.Item) -> bool:
    return item.path.parent == Path(__file__).parent


def _may_take_s(item: pytest.Item) -> float:
    mark = item.get_closest_marker("timeout")
    return float(mark.args[0]) if mark else 0.0


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
