"""Evidence that may be looked at after every minute: its mean where nothing is wrong, counted out, is at most 1."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom

from evergreen.core.judge.sequential import HIGHER, LOWER, Counts, Floats, bounds, log_evidence

ROUNDING = 1e-9
TOTALS = st.tuples(st.integers(1, 6), st.integers(1, 20))


def counts(*minutes: tuple[float, float, float, float]) -> Counts:
    """By minute: the newcomer's events, of how many, the champion's, of how many."""
    newcomer, newcomer_of, champion, champion_of = np.array(minutes, dtype=float).T
    return Counts(newcomer, champion, newcomer_of, champion_of)


def e_values(events: Sequence[tuple[float, float, float, float]], odds: Floats, **null: float) -> Floats:
    """Each of a minute that is the first."""
    values: Floats = np.exp([log_evidence(counts(minute), odds, **null)[0] for minute in events])
    return values


@given(TOTALS, st.data())
@pytest.mark.parametrize("odds", [HIGHER, LOWER])
def test_where_chance_deals_out_the_requests_its_mean_is_at_most_1(
    odds: Floats, totals: tuple[int, int], data: st.DataObject
) -> None:
    of, other = totals
    events = data.draw(st.integers(0, of + other))
    possible = range(max(0, events - other), min(of, events) + 1)
    chances = hypergeom.pmf(possible, of + other, events, of)
    assert chances @ e_values([(k, of, events - k, other) for k in possible], odds) <= 1 + ROUNDING


@given(TOTALS, st.floats(0, 1), st.floats(0, 1))
@pytest.mark.parametrize("odds", [HIGHER, LOWER])
def test_where_the_rates_are_as_far_apart_as_is_tolerated_its_mean_is_at_most_1(
    odds: Floats, totals: tuple[int, int], rate: float, extra: float
) -> None:
    rate = rate * (1 - extra)
    assert mean(odds, totals, rate + extra, rate, extra=extra) <= 1 + ROUNDING


@given(TOTALS, st.floats(0, 1), st.floats(0.05, 1))
@pytest.mark.parametrize("odds", [HIGHER, LOWER])
def test_where_one_rate_is_the_multiple_of_the_other_its_mean_is_at_most_1(
    odds: Floats, totals: tuple[int, int], rate: float, ratio: float
) -> None:
    assert mean(odds, totals, rate * ratio, rate, ratio=ratio) <= 1 + ROUNDING


def mean(odds: Floats, totals: tuple[int, int], newcomer: float, champion: float, **null: float) -> float:
    """Over all that two binomials can give."""
    of, other = totals
    chances = np.outer(binomial(of, newcomer), binomial(other, champion)).ravel()
    minutes = [(float(k), float(of), float(c), float(other)) for k in range(of + 1) for c in range(other + 1)]
    return float(chances @ e_values(minutes, odds, **null))


def binomial(of: int, rate: float) -> Floats:
    return np.array([comb(of, k) * rate**k * (1 - rate) ** (of - k) for k in range(of + 1)])


def test_what_strikes_both_alike_is_no_evidence() -> None:
    struck = counts(*[(1, 100, 9, 900), (90, 100, 810, 900)] * 50)
    assert log_evidence(struck).max() <= ROUNDING


def test_each_minute_is_compared_by_itself() -> None:
    """Of all requests the newcomer fails 55 %, the champion 14 %: it had most of its requests in the bad minutes."""
    paradox = counts((1, 100, 9, 900), (540, 900, 60, 100))
    assert paradox.difference == pytest.approx(0)
    assert log_evidence(paradox).max() <= ROUNDING


MINUTE = st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50), st.integers(0, 50)).map(
    lambda four: (float(min(four[:2])), float(max(four[:2])), float(min(four[2:])), float(max(four[2:])))
)


@given(st.lists(MINUTE, min_size=1, max_size=8), st.sampled_from([0.05, 0.01]))
def test_bounds_lie_around_the_difference_and_are_the_swapped_ones_mirrored(
    minutes: list[tuple[float, float, float, float]], alpha: float
) -> None:
    some = counts(*minutes)
    low, high = bounds(some, alpha)
    assert -1 <= low <= high <= 1
    assert bounds(some.swapped(), alpha) == pytest.approx((-high, -low), abs=1e-4)
    assert some.swapped().difference == pytest.approx(-some.difference)


@given(st.lists(MINUTE, min_size=1, max_size=8), st.floats(0, 0.5))
def test_the_lower_bound_is_what_the_evidence_is_certain_of(
    minutes: list[tuple[float, float, float, float]], extra: float
) -> None:
    some = counts(*minutes)
    certain = log_evidence(some, extra=extra)[-1] >= -np.log(0.05)
    low, _ = bounds(some, 0.05)
    assert low >= extra - 1e-4 if certain else low <= extra


@given(st.lists(MINUTE, min_size=1, max_size=8), st.integers(0, 7), st.floats(0, 0.5))
def test_an_event_more_of_the_newcomer_is_no_less_evidence(
    minutes: list[tuple[float, float, float, float]], which: int, extra: float
) -> None:
    newcomer, of, champion, other = minutes[which % len(minutes)]
    worse = list(minutes)
    worse[which % len(minutes)] = (min(newcomer + 1, of), of, champion, other)
    before, after = (log_evidence(counts(*some), extra=extra)[-1] for some in (minutes, worse))
    assert after >= before - ROUNDING


@pytest.mark.parametrize(
    "minute", [(0, 0, 0, 0), (0, 0, 5, 9), (9, 9, 0, 0), (1e12, 1e12, 0, 1e12), (0, 1e15, 1e15, 1e15)]
)
@pytest.mark.parametrize("null", [{}, {"extra": 0.0}, {"extra": 1.0}, {"ratio": 0.1}])
def test_whatever_is_counted_the_evidence_is_a_number(
    minute: tuple[float, float, float, float], null: dict[str, float]
) -> None:
    for odds in (HIGHER, LOWER):
        assert np.isfinite(log_evidence(counts(minute), odds, **null)).all()
    assert np.isfinite(bounds(counts(minute), 0.05)).all()
