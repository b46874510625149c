"""What a version has been trained on, so that a run can take what is new, each row once.

A row is known by its arrival time and its id. Arrivals before `until` were all taken; later ones, at the open edge, are
known by their keys, since more of them may still become visible:

    spans  2024-05-01 … 2024-05-09 until 2024-05-10T02:00Z, 2024-05-12 … 2024-05-12 until 2024-05-10T02:00Z
    edge   2024-05-10T02:13:07Z 9f31c2…, 2024-05-10T02:59:59Z 04aa17…

Times are UTC; arrays hold them as microseconds since 1970, `NO_TIME` where a row has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import pairwise
from typing import Any, Self

import numpy as np
from pydantic import AwareDatetime, ConfigDict, Field, model_validator

from evergreen.core.base import Frozen
from evergreen.core.window import Interval

Times = np.ndarray[Any, np.dtype[np.int64]]
Keys = np.ndarray[Any, np.dtype[np.uint64]]
Chosen = np.ndarray[Any, np.dtype[np.bool_]]

NO_TIME = -(2**63)
DAY_US = 86_400_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)
_ALWAYS = 2**63 - 1
"""As an arrival: never before any `until`."""
_FEW = 100_000
"""Rows at the edge that are joined at once at least."""


class Span(Frozen):
    """Rows of which event times were looked at: those from `start` to `end`, both included; None: those without one.

    All that arrived before `until` were taken; None: none by their arrival, only by their keys.
    """

    start: AwareDatetime | None
    end: AwareDatetime | None
    until: AwareDatetime | None

    @model_validator(mode="after")
    def _is_an_interval(self) -> Self:
        if (self.start is None) != (self.end is None) or (self.start and self.end and self.end < self.start):
            raise ValueError(f"a span from {self.start} to {self.end} is none")
        return self


class Coverage(Frozen):
    """The rows that a version and those that it goes back to were trained on; empty: none.

    `spans` are disjoint and in order, those of rows without an event time last. `edge_keys` (ascending uint64) and
    `edge_arrived` (int64 microseconds, in the same order) are the rows that no `until` tells, as little-endian bytes.
    `known_by` are the columns that told it, by canonical name, `shaped_by` the fields of the source that decided what
    the rows say and `read_from` where they were, as its settings have them; None: that was not kept.
    """

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    spans: tuple[Span, ...] = ()
    edge_keys: bytes = b""
    edge_arrived: bytes = b""
    known_by: dict[str, str] | None = Field(None, exclude_if=lambda value: value is None)
    shaped_by: dict[str, str] | None = Field(None, exclude_if=lambda value: value is None)
    read_from: dict[str, str] | None = Field(None, exclude_if=lambda value: value is None)

    @model_validator(mode="after")
    def _edge_is_whole(self) -> Self:
        if len(self.edge_keys) != len(self.edge_arrived) or len(self.edge_keys) % 8:
            raise ValueError("edge_keys and edge_arrived do not hold one number of eight bytes a row each")
        return self

    @property
    def keys(self) -> Keys:
        """Of the rows at the open edge: (rows,) uint64, ascending."""
        return np.frombuffer(self.edge_keys, dtype="<u8")

    @property
    def arrived(self) -> Times:
        """When those arrived: (rows,) int64."""
        return np.frombuffer(self.edge_arrived, dtype="<i8")

    @property
    def until(self) -> datetime | None:
        """The arrival time before which everything that was looked at was taken; None: there is none."""
        found = [span.until for span in self.spans]
        return min((one for one in found if one is not None), default=None) if None not in found else None

    @property
    def last_at_edge(self) -> int:
        """The latest arrival of a row at the open edge: whatever arrived later is not there."""
        told = self.arrived[self.arrived != _ALWAYS]
        return int(told.max(initial=NO_TIME))

    @cached_property
    def _limits(self) -> tuple[tuple[int, int, int], ...]:
        """Start, end (excluded) and `until` of each span of event time; tuples, for values are compared with it."""
        return tuple(_bounds(span) for span in self.spans if span.start is not None)

    def by_time(self, event: Times, arrived: Times) -> Chosen:
        """Which rows are covered by their times alone: (rows,) bool."""
        starts, ends, untils = np.array(self._limits, dtype=np.int64).reshape(-1, 3).T
        limit = np.full(len(event), NO_TIME, dtype=np.int64)
        if len(starts):
            place = np.searchsorted(starts, event, side="right") - 1
            inside = (place >= 0) & (event < ends[place]) & (event != NO_TIME)
            limit[inside] = untils[place[inside]]
        for span in self.spans[-1:]:
            if span.start is None:
                limit[event == NO_TIME] = _micros(span.until)
        covered: Chosen = (arrived < limit) & (arrived != NO_TIME)
        return covered

    def by_key(self, keys: Keys) -> Chosen:
        """Which rows are covered as rows at the open edge: (rows,) bool."""
        known = self.keys
        if not len(known):
            return np.zeros(len(keys), dtype=np.bool_)
        place = np.minimum(np.searchsorted(known, keys), len(known) - 1)
        found: Chosen = known[place] == keys
        return found

    def looked_until(self, until: datetime | None) -> Coverage:
        """The same after all its event times were looked at again, up to this arrival time."""
        later = (span.model_copy(update={"until": _later(span.until, until)}) for span in self.spans)
        return _normal(later, self.keys, self.arrived)


@dataclass(frozen=True)
class Rows:
    """What tells rows apart: event and arrival time, and a key of id and arrival."""

    event: Times
    arrived: Times
    keys: Keys


def coverage_of(
    batches: Iterable[Rows], looked_at: datetime, lag: timedelta, within: Interval | None = None
) -> Coverage:
    """What covers these rows and, of the days that they tell of, all that arrived before the last one less `lag`.

    A row that arrived later than `looked_at`, by whose clock ever, moves no limit. `within` are the only event times
    that were looked at.
    """
    days: set[int] = set()
    timeless = False
    last, latest = NO_TIME, _micros(looked_at)
    edge = _Edge(lag)
    for rows in batches:
        days.update(np.unique(rows.event[rows.event != NO_TIME] // DAY_US).tolist())
        timeless = timeless or bool((rows.event == NO_TIME).any())
        told = rows.arrived[(rows.arrived != NO_TIME) & (rows.arrived <= latest)]
        last = max(last, int(told.max())) if len(told) else last
        edge.add(rows, last)
    until = moment(_less(last, lag))
    spans = [Span(start=one.start, end=one.end, until=until) for one in _intervals(sorted(days), within)]
    if timeless:
        spans.append(Span(start=None, end=None, until=until))
    keys, arrived = edge.at(last)
    return _normal(spans, keys, np.where(arrived == NO_TIME, _ALWAYS, arrived))


def union(first: Coverage, second: Coverage) -> Coverage:
    """What covers the rows that either covers."""
    keys = np.concatenate([first.keys, second.keys])
    arrived = np.concatenate([first.arrived, second.arrived])
    return _normal((*first.spans, *second.spans), keys, arrived)


def difference(first: Coverage, second: Coverage) -> tuple[Interval, ...]:
    """The event times that the first looked at and the second did not."""
    taken = _joined(second)
    found: list[tuple[int, int]] = []
    first_left = 0
    for start, end in _joined(first):
        while first_left < len(taken) and taken[first_left][1] <= start:
            first_left += 1
        at, number = start, first_left
        while number < len(taken) and taken[number][0] < end:
            if at < taken[number][0]:
                found.append((at, taken[number][0]))
            at, number = taken[number][1], number + 1
        if at < end:
            found.append((at, end))
    return tuple(_interval(start, end) for start, end in found)


def gaps(coverage: Coverage) -> tuple[Interval, ...]:
    """Stretches of event time that lie between those that were looked at."""
    return tuple(_interval(end, start) for (_, end), (start, _) in pairwise(_joined(coverage)))


def intervals(coverage: Coverage) -> tuple[Interval, ...]:
    """Stretches of event time that were looked at, whatever until when."""
    return tuple(_interval(start, end) for start, end in _joined(coverage))


def micros(time: datetime) -> int:
    """A time as arrays hold it."""
    return (time - _EPOCH) // _US


def moment(time: int) -> datetime | None:
    """What arrays hold as a time; None of NO_TIME."""
    return None if time == NO_TIME else _EPOCH + time * _US


class _Edge:
    """Rows that arrived within `lag` of the last one, or at no known time, joined whenever they have doubled."""

    def __init__(self, lag: timedelta) -> None:
        self._lag = lag
        self._keys: list[Keys] = [np.empty(0, dtype=np.uint64)]
        self._arrived: list[Times] = [np.empty(0, dtype=np.int64)]
        self._joined = self._added = 0

    def add(self, rows: Rows, last: int) -> None:
        """Some more rows, after which `last` is the last arrival."""
        kept = self._is_at_edge(rows.arrived, last)
        self._keys.append(rows.keys[kept])
        self._arrived.append(rows.arrived[kept])
        self._added += int(kept.sum())
        if self._added > max(self._joined, _FEW):
            self.at(last)

    def at(self, last: int) -> tuple[Keys, Times]:
        """Keys and arrivals of those that are at the edge by now: (rows,) each."""
        keys, arrived = np.concatenate(self._keys), np.concatenate(self._arrived)
        kept = self._is_at_edge(arrived, last)
        self._keys, self._arrived = [keys[kept]], [arrived[kept]]
        self._joined, self._added = len(self._keys[0]), 0
        return self._keys[0], self._arrived[0]

    def _is_at_edge(self, arrived: Times, last: int) -> Chosen:
        found: Chosen = (arrived >= _less(last, self._lag)) | (arrived == NO_TIME)
        return found


def _normal(spans: Iterable[Span], keys: Keys, arrived: Times) -> Coverage:
    """The one way to write a coverage: disjoint spans in order, each key once, none that an `until` tells."""
    merged = tuple(_merged(list(spans)))
    limit = min((_micros(span.until) for span in merged), default=NO_TIME)
    kept = arrived >= limit
    unique, first = np.unique(keys[kept], return_index=True)
    return Coverage(
        spans=merged,
        edge_keys=unique.astype("<u8").tobytes(),
        edge_arrived=arrived[kept][first].astype("<i8").tobytes(),
    )


def _merged(spans: list[Span]) -> Iterator[Span]:
    """The same event times, each with the latest of its limits; neighbours of one limit are one span."""
    changes: list[tuple[int, int, int]] = []
    for number, (start, end, _) in enumerate(_bounds(span) for span in spans if span.start is not None):
        changes += [(start, 1, number), (end, 0, number)]
    limits = [_micros(span.until) for span in spans if span.start is not None]
    open_spans: set[int] = set()
    pending: tuple[int, int, int] | None = None
    at = 0
    for place, opens, number in sorted(changes):
        if open_spans and at < place:
            piece = (at, place, max(limits[one] for one in open_spans))
            if pending and pending[1] == piece[0] and pending[2] == piece[2]:
                pending = (pending[0], piece[1], piece[2])
            else:
                if pending:
                    yield _span(*pending)
                pending = piece
        (open_spans.add if opens else open_spans.remove)(number)
        at = place
    if pending:
        yield _span(*pending)
    if timeless := [_micros(span.until) for span in spans if span.start is None]:
        yield Span(start=None, end=None, until=moment(max(timeless)))


def _joined(coverage: Coverage) -> list[tuple[int, int]]:
    """Half-open stretches of event time, in order, neighbours joined."""
    found: list[tuple[int, int]] = []
    for start, end, _ in (_bounds(span) for span in coverage.spans if span.start is not None):
        if found and found[-1][1] == start:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found


def _intervals(days: list[int], within: Interval | None) -> Iterator[Interval]:
    """Runs of days that follow each other, cut to what lies `within`."""
    runs: list[list[int]] = []
    for day in days:
        if runs and runs[-1][1] == day:
            runs[-1][1] = day + 1
        else:
            runs.append([day, day + 1])
    for first, last in runs:
        one = _interval(first * DAY_US, last * DAY_US)
        start = max(one.start, within.start) if within else one.start
        end = min(one.end, within.end) if within else one.end
        if start <= end:
            yield Interval(start=start, end=end)


def _bounds(span: Span) -> tuple[int, int, int]:
    """Half-open, and the limit of arrivals."""
    if span.start is None or span.end is None:
        raise ValueError("rows without an event time have no bounds")
    return micros(span.start), micros(span.end) + 1, _micros(span.until)


def _span(start: int, end: int, until: int) -> Span:
    one = _interval(start, end)
    return Span(start=one.start, end=one.end, until=moment(until))


def _interval(start: int, end: int) -> Interval:
    return Interval(start=_EPOCH + start * _US, end=_EPOCH + (end - 1) * _US)


def _micros(time: datetime | None) -> int:
    return NO_TIME if time is None else micros(time)


def _less(time: int, lag: timedelta) -> int:
    return NO_TIME if time == NO_TIME else max(time - lag // _US, micros(datetime.min.replace(tzinfo=UTC)))


def _later(first: datetime | None, second: datetime | None) -> datetime | None:
    return moment(max(_micros(first), _micros(second)))
