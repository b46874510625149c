"""What a coverage says is new, against a list of every row that was ever taken."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from time import process_time
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from evergreen.core.coverage import (
    NO_TIME,
    Coverage,
    Rows,
    Span,
    coverage_of,
    difference,
    gaps,
    intervals,
    micros,
    moment,
    union,
)
from evergreen.core.window import Interval

HOUR = 3_600_000_000
LAG = timedelta(hours=1)
START = micros(datetime(2026, 3, 28, tzinfo=UTC))
FAR = datetime(2100, 1, 1, tzinfo=UTC)
Row = tuple[int, int, int]
"""Event time, arrival time, key; the times in hours after START, or NO_TIME."""


def at(hours: int) -> int:
    return NO_TIME if hours == NO_TIME else START + hours * HOUR


def rows(some: list[Row]) -> Rows:
    event, arrived, keys = (list(one) for one in zip(*some, strict=True)) if some else ([], [], [])
    return Rows(
        np.array([at(one) for one in event], dtype=np.int64),
        np.array([at(one) for one in arrived], dtype=np.int64),
        np.array(keys, dtype=np.uint64),
    )


def new_of(some: list[Row], coverage: Coverage) -> list[Row]:
    arrays = rows(some)
    covered = coverage.by_time(arrays.event, arrays.arrived) | coverage.by_key(arrays.keys)
    return [row for row, known in zip(some, covered, strict=True) if not known]


def after(coverage: Coverage, read: list[Row], lag: timedelta = LAG) -> Coverage:
    found = coverage_of([rows(read[:2]), rows(read[2:])], FAR, lag)
    return union(coverage.looked_until(found.until), found)


hours = st.integers(0, 120)
row = st.tuples(st.one_of(hours, st.just(NO_TIME)), hours, st.integers(0, 2**64 - 1))
population = st.lists(row, max_size=40, unique_by=lambda one: one[2])
"""Rows whose keys tell them apart, as id and arrival do."""


@given(population, st.data())
def test_each_row_is_new_once_whatever_the_order_in_which_rows_become_visible(
    some: list[Row], data: st.DataObject
) -> None:
    """A row becomes visible at most the lag after it arrived; it may tell of any time, and go away again."""
    delays = data.draw(st.lists(st.sampled_from([0.0, 0.3, 1.0]), min_size=len(some), max_size=len(some)))
    visible = sorted(zip(some, delays, strict=True), key=lambda one: one[0][1] + one[1])
    coverage, there, taken, at_place = Coverage(), list[Row](), list[Row](), 0
    while at_place < len(visible):
        step = data.draw(st.integers(1, 10))
        there += [one for one, _ in visible[at_place : at_place + step]]
        at_place += step
        new = new_of(data.draw(st.permutations(there)), coverage)
        assert sorted(new) == sorted(one for one in there if one not in taken)
        if data.draw(st.booleans()):  # else the run fails, or its model is kept out
            taken += new
            coverage = after(coverage, new)
        there = [one for one in there if one not in taken or data.draw(st.booleans())]
    assert len(taken) == len(set(taken))


@given(population, st.data())
def test_a_union_covers_what_either_covers(asked: list[Row], data: st.DataObject) -> None:
    first, second = ([one for one in asked if data.draw(st.booleans())] for _ in range(2))
    one, other = (coverage_of([rows(some)], FAR, LAG) for some in (first, second))
    both = union(one, other)
    assert set(new_of(asked, both)) == set(new_of(asked, one)) & set(new_of(asked, other))
    assert union(other, one) == both
    assert union(both, one) == both
    assert not new_of([*first, *second], both)


@given(st.lists(row, max_size=20), st.lists(row, max_size=20))
def test_days_are_looked_at_or_gaps_or_differ(first: list[Row], second: list[Row]) -> None:
    one, other = (coverage_of([rows(some)], FAR, LAG) for some in (first, second))

    def days(found: tuple[Interval, ...]) -> set[int]:
        return {
            day
            for part in found
            for day in range(micros(part.start) // (24 * HOUR), (micros(part.end) + 1) // (24 * HOUR))
        }

    looked, others = days(intervals(one)), days(intervals(other))
    assert looked == {at(event) // (24 * HOUR) for event, _, _ in first if event != NO_TIME}
    assert days(difference(one, other)) == looked - others
    between = set(range(min(looked), max(looked) + 1)) if looked else set()
    assert days(gaps(one)) == between - looked


@given(st.lists(row, max_size=20))
def test_a_coverage_comes_back_from_json_as_it_was(some: list[Row]) -> None:
    coverage = coverage_of([rows(some)], FAR, LAG)
    new_of(some, coverage)  # what it looked up to answer is no part of it
    assert Coverage.model_validate_json(coverage.model_dump_json()) == coverage
    assert coverage == coverage_of([rows(some)], FAR, LAG)


def test_equal_arrivals_at_the_edge_are_told_apart_by_their_keys() -> None:
    first: list[Row] = [(1, 10, 1), (1, 10, 2)]
    coverage = after(Coverage(), first, timedelta())
    assert new_of([*first, (1, 10, 3), (1, 9, 4)], coverage) == [(1, 10, 3)]
    assert new_of([(1, 10, 3)], after(coverage, [(1, 10, 3)], timedelta())) == []


def test_an_edge_that_time_has_passed_is_forgotten() -> None:
    coverage = after(Coverage(), [(hour, hour, hour) for hour in range(20)])
    assert len(coverage.keys) == 2
    assert len(after(coverage, [(30, 30, 30)]).keys) == 1


def test_a_row_of_the_future_hides_none_that_comes_before_it() -> None:
    now, ahead = moment(at(10)), 10_000
    assert now is not None
    coverage = coverage_of([rows([(1, 9, 1), (1, ahead, 2)])], now, timedelta())
    assert new_of([(1, 9, 1), (1, ahead, 2), (1, 11, 3)], coverage) == [(1, 11, 3)]


def test_rows_without_an_arrival_are_known_by_their_keys_for_ever() -> None:
    coverage = after(Coverage(), [(1, NO_TIME, 1), (NO_TIME, NO_TIME, 2)])
    coverage = after(coverage, [(hour, hour, 100 + hour) for hour in range(50)])
    assert new_of([(1, NO_TIME, 1), (NO_TIME, NO_TIME, 2), (1, NO_TIME, 3)], coverage) == [(1, NO_TIME, 3)]


def test_a_window_covers_nothing_beside_it() -> None:
    first, last = moment(at(12)), moment(at(36) - 1)
    assert first
    assert last
    coverage = coverage_of([rows([(12, 40, 1), (35, 40, 2)])], FAR, timedelta(), Interval(start=first, end=last))
    assert new_of([(11, 5, 3), (12, 5, 4), (35, 5, 5), (36, 5, 6)], coverage) == [(11, 5, 3), (36, 5, 6)]
    assert intervals(coverage) == (Interval(start=first, end=last),)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Apia"])
def test_zones_and_their_summer_time_move_no_row(zone: str) -> None:
    """29 March 2026 has no 02:30 in Berlin, 25 October has it twice."""
    local = [
        datetime(2026, month, day, hour, 30, tzinfo=ZoneInfo(zone), fold=fold)
        for month, day in ((3, 29), (10, 25))
        for hour in range(24)
        for fold in (0, 1)
    ]
    times = np.array([micros(one) for one in local])
    keys = np.arange(len(local), dtype=np.uint64)
    coverage = coverage_of([Rows(times, times, keys)], FAR, timedelta())
    utc = np.array([micros(one.astimezone(UTC)) for one in local])
    assert (coverage.by_time(utc, utc) | coverage.by_key(keys)).all()
    assert coverage.until == max(one.astimezone(UTC) for one in local)


@pytest.mark.parametrize(
    "fields",
    [
        {"edge_keys": b"12345678"},
        {"edge_keys": b"1", "edge_arrived": b"1"},
        {"spans": [{"start": FAR, "end": None, "until": None}]},
        {"spans": [{"start": FAR, "end": FAR - LAG, "until": None}]},
    ],
)
def test_what_is_no_coverage_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Coverage.model_validate(fields)


def test_nothing_is_covered_by_an_empty_coverage() -> None:
    assert new_of([(1, 1, 1)], Coverage()) == [(1, 1, 1)]
    assert Coverage().until is None
    assert Span(start=None, end=None, until=None).until is None


def test_an_edge_of_many_small_batches_is_that_of_one_and_is_quick() -> None:
    draw = np.random.default_rng(0)
    count, step = 200_000, 64
    times = micros(datetime(2026, 5, 1, tzinfo=UTC)) + draw.integers(0, 3_000_000_000, count)
    whole = Rows(times, times, draw.integers(0, 2**64 - 1, count, dtype=np.uint64))
    parts = [
        Rows(times[first : first + step], times[first : first + step], whole.keys[first : first + step])
        for first in range(0, count, step)
    ]
    started = process_time()
    found = coverage_of(parts, FAR, LAG)
    assert process_time() - started < 1
    assert found == coverage_of([whole], FAR, LAG)
