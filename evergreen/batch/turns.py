"""One job at a time at an output: two would remove each other's parts at their ends, or mix them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from evergreen.batch.job import Job, Told
from evergreen.core.batch import BatchReport
from evergreen.runtime.hold import holder_of, left_by_the_dead


def in_turn(
    job: Job, predict: Callable[[Job, Told], BatchReport], told: Told = lambda _: None, run: str | None = None
) -> BatchReport:
    """What was predicted, while the output was this job's alone: a pipeline's `run`, or a command's.

    Raises:
        BusyError: another job writes the output; nothing was done.
        LeaseLostError: this job's turn lapsed meanwhile, and another job took its own; the output was not made.
    """
    store = job.work.store
    store.check()
    with store.turn(holder_of(run or f"predict with {job.name}"), left_by_the_dead(run)) as turn:

        def told_in_turn(rows: int) -> None:
            turn.check()
            told(rows)

        return predict(replace(job, turn=turn), told_in_turn)
