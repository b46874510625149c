"""States of Vertex AI's jobs and tasks, in the words that its kinds of jobs have in common."""

from __future__ import annotations

from typing import Any

ENDED = frozenset({"SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED", "PARTIALLY_SUCCEEDED", "SKIPPED", "NOT_TRIGGERED"})
"""Of a pipeline job, of a custom job and of a task: nothing of it changes any more."""


def state_of(job: Any) -> str:
    """The state of a job or task as its client has it, without the prefix of its kind."""
    return str(job.state.name).removeprefix("PIPELINE_STATE_").removeprefix("JOB_STATE_")
