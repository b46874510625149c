import random
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from evergreen.core.predictors import PlainPredictor
from evergreen.serving.batches import by_job, cut, drained
from evergreen.serving.jobs import Job, Row

BUDGET = 100
REQUESTS = st.lists(st.lists(st.integers(1, 150), min_size=1, max_size=30), min_size=1, max_size=12)


class Sized(PlainPredictor):
    """Each input is its own size."""

    budget = BUDGET

    def decode(self, instances: Sequence[int]) -> list[int]:
        return list(instances)

    def sizes(self, batch: Sequence[int]) -> list[int]:
        return list(batch)

    def predict(self, batch: Sequence[int]) -> list[int]:
        return list(batch)

    def encode(self, outputs: Sequence[int]) -> list[dict[str, Any]]:
        return [{"is": output} for output in outputs]


def decoded(*requests: Sequence[int]) -> list[Job]:
    jobs = [Job(Sized(), list(request)) for request in requests]
    assert all(job.decode() for job in jobs)
    return jobs


@given(REQUESTS, st.integers(1, 4))
def test_rounds_take_every_row_once_within_the_budget_and_all_answers_are_in_order(
    requests: list[list[int]], parts: int
) -> None:
    jobs, rounds = decoded(*requests), 0
    while waiting := [job for job in jobs if job.has_rows]:
        rounds += 1
        for batch in drained(waiting, BUDGET, parts):
            assert len(batch) == 1 or len(batch) * max(row.size for row in batch) <= BUDGET
            for job, rows in by_job(batch):
                job.receive(batch[rows], [row.content for row in batch[rows]])
        for job in waiting:
            assert len(job.answer.result()) if not job.has_rows else not job.answer.done()
    assert [[made["is"] for made in job.answer.result()] for job in jobs] == requests
    assert rounds <= max(map(len, requests))


@given(REQUESTS)
def test_a_request_that_fits_a_batch_is_drained_whole_whatever_else_waits(requests: list[list[int]]) -> None:
    small, *others = decoded([7, 3, 5], *requests)
    drained([*others, small], BUDGET, 1)
    assert not small.has_rows


def test_a_large_request_goes_on_in_slices_of_one_batch_the_smallest_first() -> None:
    (job,) = decoded([30, 10, 20, 50, 60, 20])
    slices = []
    while job.has_rows:
        slices.append([row.size for batch in drained([job], BUDGET, 1) for row in batch])
    assert slices == [[10, 20, 20], [30, 50], [60]]


def test_what_is_alike_in_size_is_predicted_together() -> None:
    batches = drained(decoded([40], [5], [39], [6]), BUDGET, 1)
    assert [[row.size for row in batch] for batch in batches] == [[5, 6], [40, 39]]


def test_the_rows_of_a_request_stand_together_in_a_batch() -> None:
    generator = random.Random(3)
    jobs = decoded(*([generator.randint(1, 5) for _ in range(4)] for _ in range(4)))
    for batch in drained(jobs, BUDGET, 1):
        assert len(list(by_job(batch))) == len({row.job for row in batch})


def test_work_is_divided_among_as_many_batches_as_can_be_done_at_once() -> None:
    (job,) = decoded([1])
    rows = [Row(job, place, None, size) for place, size in enumerate([10, 10, 11, 11, 12, 12])]
    assert [len(batch) for batch in cut(rows, 1000, 2)] == [4, 2]
    assert [len(batch) for batch in cut(rows, 1000, 1)] == [6]
    assert [len(batch) for batch in cut(rows[:1], 1000, 4)] == [1]
    assert [len(batch) for batch in cut(rows, 24, 1)] == [2, 2, 2]
