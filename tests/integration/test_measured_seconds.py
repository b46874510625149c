"""Times and rows of steps come from the last run that executed them, on the same stack."""

from __future__ import annotations

import time
from typing import Annotated

import pytest
from zenml import log_metadata, pipeline, step

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


@step(enable_cache=False)
def fetch() -> Annotated[int, "dataset"]:
    log_metadata(metadata={"rows": 600}, infer_artifact=True)
    return 600


@step
def train(dataset: int) -> int:
    return dataset


@pipeline(tags=["model=trained"])
def trains() -> None:
    train(fetch())


def test_rows_are_those_of_the_last_run_that_trained() -> None:
    from orchestration.machines import measured_rows

    assert measured_rows("trained", "default") is None
    trains()
    assert measured_rows("trained", "default") == 600
    assert measured_rows(MODEL, "default") is None
