"""Google's words about a job that ended before its code did."""

from __future__ import annotations

import pytest

from evergreen.adapters.vertex.jobs import Cause, cause_of, describe

QUOTA = "The following quota metrics exceed quota limits: aiplatform.googleapis.com/custom_model_training_cpus"
WRAPPED = (
    f"com.google.cloud.ai.platform.common.errors.AiPlatformException: code=RESOURCE_EXHAUSTED, message={QUOTA}, "
    "cause=null; Failed to create custom job for the task. Task: Project number: 7, Job id: 8, Task id: 9, Task name: "
    "train, Task state: DRIVER_SUCCEEDED; Failed to create external task or refresh its state."
)


@pytest.mark.parametrize(
    ("code", "words", "cause"),
    [
        (8, WRAPPED, Cause.CAPACITY),
        (9, WRAPPED, Cause.CAPACITY),
        (8, "no more of it", Cause.CAPACITY),
        (3, "Resources are insufficient in region: us-central1. Please try a different region", Cause.CAPACITY),
        (10, "The replica workerpool0-0 was stopped: its Spot VM was preempted.", Cause.PREEMPTED),
        (8, "STOCKOUT: the Spot VM was preempted", Cause.PREEMPTED),
        (5, "Failed to pull image europe-docker.pkg.dev/p/r/pipeline:1 for replica workerpool0-0", Cause.IMAGE),
        (7, "Failed to pull image x: permission denied on the repository", Cause.IMAGE),
        (7, "You do not have permission to act as service_account: a@b.iam.gserviceaccount.com", Cause.PERMISSION),
        (13, "Task state: DRIVER_FAILED", Cause.PLATFORM),
        (3, "The replica workerpool0-0 exited with a non-zero status of 1.", None),
    ],
)
def test_the_kind_of_failure_is_read_from_what_google_says(code: int, words: str, cause: Cause | None) -> None:
    assert cause_of(code, words) is cause


def test_what_took_a_spot_machine_away_is_named_as_that_and_nothing_else_is() -> None:
    stockout = "The replica workerpool0-0 failed with a STOCKOUT error."
    assert cause_of(8, stockout) is Cause.CAPACITY
    assert cause_of(8, stockout, ran_on_spot=True) is Cause.PREEMPTED
    assert describe(8, stockout, ran_on_spot=True) == f"its Spot machine was taken back (preempted): {stockout}"
    assert cause_of(3, "The replica exited with a non-zero status of 1.", ran_on_spot=True) is None


def test_the_sentence_is_googles_own_without_what_it_is_wrapped_in() -> None:
    assert describe(8, WRAPPED) == f"no machine was to be had: {QUOTA}"


def test_of_a_long_text_the_end_is_told_in_one_line() -> None:
    text = describe(3, "first\n" + "x" * 2000 + "\nlast")
    assert text.startswith("… ")
    assert text.endswith("x last")
    assert len(text) < 700
