"""Projects and endpoints for end-to-end tests."""

from __future__ import annotations

import contextlib
import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from evergreen.core.errors import BusyError
from tests.e2e.project import Project
from tests.e2e.served import Served

SHARED_OUT = "EVERGREEN_SHARED_OUT"
"""A folder where each of several test processes notes which files it runs; without it, one process runs all."""

MEASURED_S: dict[str, float] = {}
"""What files took, for an order that is good enough; those that are not named come after them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files here that take longest come first, each whole, so that no process waits for one in the end."""
    here = [number for number, item in enumerate(items) if _is_here(item)]
    limits: defaultdict[Path, float] = defaultdict(float)
    for item in items:
        mark = item.get_closest_marker("timeout")
        limits[item.path] = max(limits[item.path], float(mark.args[0]) if mark else 0.0)
    weights = {path: (MEASURED_S.get(path.stem, 0.0), limit, path.stem) for path, limit in limits.items()}
    ordered = sorted((items[number] for number in here), key=lambda item: weights[item.path], reverse=True)
    for number, item in zip(here, ordered, strict=True):
        items[number] = item


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    """True for a test whose file another process runs: it is no test of this one."""
    folder = os.environ.get(SHARED_OUT)
    if not folder or not _is_here(item):
        return None
    mine = f"{item.path.stem} {os.getpid()}"
    with contextlib.suppress(FileExistsError):
        (Path(folder) / item.path.stem).symlink_to(mine)  # one process alone can make it
    return None if (Path(folder) / item.path.stem).readlink() == Path(mine) else True


def pytest_sessionfinish() -> None:
    """Notes that this process has not died: it has run the files that it took."""
    if folder := os.environ.get(SHARED_OUT):
        with contextlib.suppress(FileNotFoundError):  # both were stopped, and the folder is gone
            (Path(folder) / f"finished-{os.getpid()}").touch()


def _is_here(item: pytest.Item) -> bool:
    return item.path.parent == Path(__file__).parent


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
