"""Projects and endpoints for end-to-end tests."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from evergreen.core.errors import BusyError
from tests.e2e.project import Project
from tests.e2e.served import Served
from tests.own_zenml import copy_home

MEASURED_S = {
    "test_life_of_a_model": 315,
    "test_my_data": 310,
    "test_image_segmentation": 110,
    "test_every_row_once": 180,
    "test_homes": 75,
    "test_prepared_pictures": 75,
    "test_text_regression": 70,
    "test_cases": 55,
    "test_chinese": 55,
    "test_local_endpoint_hostile": 50,
    "test_serving_image": 45,
    "test_local_endpoint_failures": 35,
    "test_three_days": 30,
    "test_pretrained_encoder": 20,
    "test_local_endpoint_runs": 20,
}
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


def _is_here(item: pytest.Item) -> bool:
    return item.path.parent == Path(__file__).parent


@pytest.fixture(scope="session")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ZenML with the local stack and nothing else: projects copy it, as it takes ZenML seconds to lay one out."""
    project = Project(tmp_path_factory.mktemp("registered"))
    project.python("-m", "stacks.apply", "local")
    return project.zenml


@pytest.fixture
def project(tmp_path: Path, registered: Path) -> Iterator[Project]:
    """The checkout with the local stack registered in a ZenML of its own; its endpoint is stopped afterwards."""
    project = Project(tmp_path)
    copy_home(registered, project.zenml)
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
