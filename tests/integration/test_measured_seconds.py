"""Times of steps come from the last run that executed them, on the same stack."""

from __future__ import annotations

import time

import pytest
from zenml import pipeline, step

MODEL = "measured"
pytestmark = pytest.mark.usefixtures("zenml_home")


@step
def slow() -> int:
    time.sleep(1.5)  # so that it can be told from a cached answer
    return 1


@step(enable_cache=False)
def quick(number: int) -> int:
    return number


@pipeline(tags=[f"model={MODEL}"])
def two_steps() -> None:
    quick(slow())


def test_a_step_answered_from_cache_is_measured_by_the_run_that_executed_it() -> None:
    from orchestration.machines import measured_seconds

    assert measured_seconds(MODEL, "default") == {}
    for _ in range(2):
        two_steps()
    seconds = measured_seconds(MODEL, "default")
    assert set(seconds) == {"slow", "quick"}
    assert 1.5 <= seconds["slow"] < 60
    assert measured_seconds("another-model", "default") == {}
