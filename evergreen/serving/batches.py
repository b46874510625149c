"""Which rows of the requests that wait are predicted together.

Of each request a batch's worth of rows is drained at once; sorted by size, they are cut into batches. So rows of a kind
meet and little is padded, a request of 1,000 texts goes on in slices, and nobody waits for more than what was drained
before him and what is drained with him.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from evergreen.serving.jobs import Job, Row

Batch = list[Row]
"""In the order of requests, so that the outputs of one are a slice."""


def drained(jobs: Iterable[Job], budget: int, parts: int) -> list[Batch]:
    """Batches of the next rows of all `jobs`, those of the smallest first.

    Args:
        jobs: as they came, of one predictor.
        budget: the most work of a batch: its rows times the size of the largest.
        parts: how many batches there should be at least, where there are as many rows.
    """
    places = {job: place for place, job in enumerate(jobs)}
    rows = [row for job in places for row in job.take(budget)]
    rows.sort(key=lambda row: row.size)
    batches = cut(rows, budget, parts)
    for batch in batches:
        batch.sort(key=lambda row: (places[row.job], row.place))
    return batches


def cut(rows: Sequence[Row], budget: int, parts: int) -> list[Batch]:
    """Rows in their order, ascending by size, in batches within the budget and of at most a `parts`-th of the work."""
    share = sum(row.size for row in rows) / max(parts, 1)
    batches: list[Batch] = []
    work = share
    for row in rows:
        if work >= share or (len(batches[-1]) + 1) * row.size > budget:
            batches.append([])
            work = 0.0
        batches[-1].append(row)
        work += row.size
    return batches


def by_job(batch: Batch) -> Iterator[tuple[Job, slice]]:
    """The requests of a batch, and where in it their rows are."""
    start = 0
    for job, rows in groupby(batch, key=lambda row: row.job):
        stop = start + len(list(rows))
        yield job, slice(start, stop)
        start = stop
