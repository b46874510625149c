from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.monitoring.observed import Integers
from evergreen.monitoring.onset import onset_of
from tests.drifting import DAY

DAY_US = 86_400_000_000


def times(count: int) -> Integers:
    start = int(DAY.start.timestamp()) * 1_000_000
    return np.asarray(start + np.arange(count) * DAY_US // count, dtype=np.int64)


@pytest.mark.parametrize("share", [0.25, 0.5, 0.8])
def test_the_interval_holds_the_moment_in_nineteen_of_twenty_days(share: float) -> None:
    held = 0
    for seed in range(200):
        likeness = np.random.default_rng(seed).normal(0, 1, 1_000)
        likeness[round(share * 1_000) :] += 0.5
        onset = onset_of(likeness, 1.0, times(1_000), DAY)
        assert onset is not None
        held += onset.low <= DAY.start + share * timedelta(days=1) <= onset.high
    assert held >= 180  # of 200, 95 % are 190


def test_what_never_changed_has_no_beginning() -> None:
    assert onset_of(np.random.default_rng(1).normal(0, 1, 2_000), 1.0, times(2_000), DAY) is None


def test_rows_that_are_alike_in_requests_leave_the_moment_less_certain() -> None:
    likeness = np.random.default_rng(2).normal(0, 1, 1_000)
    likeness[500:] += 0.8
    alone, alike = (onset_of(likeness, design, times(1_000), DAY) for design in (1.0, 8.0))
    assert alone is not None
    assert alike is not None
    assert alike.high - alike.low > alone.high - alone.low


@given(st.integers(0, 99), st.permutations(range(100)))
def test_rows_may_come_in_any_order(first: int, order: list[int]) -> None:
    likeness = np.where(np.arange(100) >= first, 3.0, 0.0) + np.random.default_rng(3).normal(0, 1, 100)
    onset, other = onset_of(likeness, 1.0, times(100), DAY), onset_of(likeness[order], 1.0, times(100)[order], DAY)
    assert onset == other
