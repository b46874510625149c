from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pytest

from evergreen.monitoring.sample import Sample
from tests.drifting import DAY, World


def sampled(batches: list[pa.RecordBatch], most_rows: int) -> Sample:
    sample = Sample(DAY, most_rows)
    for batch in batches:
        sample.add(batch)
    return sample


def parts(batch: pa.RecordBatch, rows: int) -> list[pa.RecordBatch]:
    return [batch.slice(start, rows) for start in range(0, len(batch), rows)]


def test_counts_are_of_all_rows_and_the_sample_of_about_as_many_as_asked() -> None:
    rows = World(1).rows(3_000)
    sample = sampled(parts(World().day(rows), 250), 500)
    assert (sample.rows, sample.requests) == (3_000, 3_000)
    assert sample.predictions == Counter(row["prediction"] for row in rows)
    assert len(sample.observed()) == 500


def test_what_is_held_stays_within_twice_the_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = Sample(DAY, 200)
    for batch in parts(World().day(World(2).rows(3_000)), 100):
        sample.add(batch)
        assert sum(map(len, sample._kept)) <= 500


def test_a_request_is_sampled_whole_or_not_at_all() -> None:
    sample = sampled(parts(World().day(World(3).rows(2_000), a_request=8), 333), 400)
    observed = sample.observed()
    assert set(Counter(observed.requests.tolist()).values()) == {8}
    assert 400 <= len(observed) < 416
    assert sample.requests == 250


def test_fewer_rows_than_asked_are_all_in_the_sample() -> None:
    assert len(sampled([World().day(World(4).rows(300))], 500).observed()) == 300


def test_shares_are_those_of_the_rows_that_have_them_all() -> None:
    rows = World(5).rows(400)
    rows[0]["probabilities"] = [0.5, 0.5]
    sample = sampled(parts(World().day(rows), 100), 500)
    means = [sum(row["probabilities"][number] for row in rows[1:]) / 399 for number in range(3)]
    assert sample.mean_shares == pytest.approx(means, abs=1e-6)
