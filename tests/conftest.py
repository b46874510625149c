"""What all tests share."""

import os

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is no failure: properties are judged by what they find, pytest's own timeout by how long it takes.
settings.register_profile("evergreen", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("evergreen")

# Two tests run at a time: threads of two trainings that wait for one another would take the cores from both.
os.environ["OMP_NUM_THREADS"] = "1"


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """End-to-end tests, which start processes of their own, are one group of two that run side by side.

    The others share a ZenML in their process, and run in the order in which they are collected.
    """
    for item in items:
        group = "end-to-end" if "e2e" in item.path.parts else "in-process"
        item.add_marker(pytest.mark.xdist_group(group))
