"""What a request log says of two versions, minute by minute."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from evergreen.core.artifacts import ResolvedWindow
from evergreen.core.judge.evidence import bucket_of
from evergreen.requestlog.arrow import batch_of
from evergreen.requestlog.evidence import LogWitness, minutes_of
from evergreen.requestlog.reading import FolderLog
from evergreen.requestlog.spool import Spool
from tests.noted import request

NEWCOMER, CHAMPION = "36df30fb3710", "9c41d2ab77e0"
BEGAN = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


class Logged:
    """Rows in batches of `size`."""

    skipped = 0

    def __init__(self, rows: list[dict[str, Any]], size: int = 7) -> None:
        self._rows = rows
        self._size = size

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for first in range(0, len(self._rows), self._size):
            yield batch_of(self._rows[first : first + self._size])


def row(second: float, version: str = NEWCOMER, **changes: Any) -> dict[str, Any]:
    """One instance that was answered."""
    given = {"time": BEGAN + timedelta(seconds=second), "model": "news", "version": version, "engine": "torch"}
    answered = {
        "trace_id": f"t{second}",
        "index": 0,
        "status": 200,
        "latency_ms": 10.0,
        "count": 1,
        "prediction": "sport",
    }
    return {**given, **answered, **changes}


def refused(second: float, status: int, **changes: Any) -> dict[str, Any]:
    return row(second, **{"index": None, "prediction": None, "status": status, **changes})


def told(rows: list[dict[str, Any]], minutes: float = 3, size: int = 7) -> list[Any]:
    within = ResolvedWindow(start=BEGAN, end=BEGAN + timedelta(minutes=minutes))
    return minutes_of(Logged(rows, size), NEWCOMER, CHAMPION, within)


def test_requests_are_counted_by_minute_and_version() -> None:
    rows = [*(row(second) for second in range(0, 60, 2)), *(row(second, CHAMPION) for second in range(90))]
    first, second = told(rows)
    assert (first.start, second.start) == (BEGAN, BEGAN + timedelta(minutes=1))
    assert [minute.newcomer.requests for minute in (first, second)] == [30, 0]
    assert [minute.champion.requests for minute in (first, second)] == [60, 30]
    assert first.newcomer.predictions == {"sport": 30}
    assert first.newcomer.latencies[bucket_of(10.0)] == 30
    assert second.newcomer.latencies == ()


def test_a_request_of_many_instances_counts_once_wherever_batches_end() -> None:
    rows = [row(1, index=index, trace_id="one", prediction="sport" if index else "business") for index in range(20)]
    for size in (1, 3, 50):
        (minute,) = told(rows, size=size)
        assert (minute.newcomer.requests, minute.newcomer.predictions) == (1, {"business": 1})


def test_errors_are_what_the_version_or_the_platform_failed() -> None:
    statuses = {500: 1, 503: 1, 502: 1, 429: 1, 400: 0, 413: 0}
    (minute,) = told([refused(number, status) for number, status in enumerate(statuses)])
    assert (minute.newcomer.requests, minute.newcomer.errors) == (len(statuses), sum(statuses.values()))
    assert minute.newcomer.latencies == ()


def test_a_row_that_stands_for_many_refusals_counts_as_many() -> None:
    (minute,) = told([refused(1, 503, count=40), row(2)])
    assert (minute.newcomer.requests, minute.newcomer.errors) == (41, 40)


def test_a_caller_that_left_is_no_error_but_waited_so_long() -> None:
    (minute,) = told([refused(1, 499, latency_ms=5000.0)])
    assert (minute.newcomer.requests, minute.newcomer.errors) == (1, 0)
    assert minute.newcomer.latencies[bucket_of(5000.0)] == 1


def test_a_request_that_the_front_gave_up_counts_once_and_as_an_error() -> None:
    gave_up = refused(1, 503, trace_id="one", engine="", latency_ms=20_000.0)
    left = refused(1, 499, trace_id="one", latency_ms=20_000.0)
    for rows in ([gave_up, left], [left, gave_up]):
        (minute,) = told(rows)
        assert (minute.newcomer.requests, minute.newcomer.errors, minute.newcomer.latencies) == (1, 1, ())


def test_numbers_are_no_classes() -> None:
    (minute,) = told([row(1, prediction=""), row(2, prediction=None)])
    assert (minute.newcomer.requests, minute.newcomer.predictions) == (2, {})


def test_minutes_that_are_not_whole_are_left_out() -> None:
    rows = [row(second) for second in range(0, 180, 10)]
    within = ResolvedWindow(start=BEGAN + timedelta(seconds=30), end=BEGAN + timedelta(seconds=150))
    (minute,) = minutes_of(Logged(rows), NEWCOMER, CHAMPION, within)
    assert (minute.start, minute.newcomer.requests) == (BEGAN + timedelta(minutes=1), 6)


def test_minutes_may_be_seconds() -> None:
    within = ResolvedWindow(start=BEGAN, end=BEGAN + timedelta(seconds=9))
    minutes = minutes_of(Logged([row(1.2), row(3.1)]), NEWCOMER, CHAMPION, within, every_s=1.0)
    assert [minute.start.second for minute in minutes] == [1, 3]


def test_a_folder_is_a_witness_of_what_is_over_and_noted(tmp_path: Path) -> None:
    spool = Spool(tmp_path, lambda: "v")
    for ago_s in (300, 200, 100, 0):
        spool.write(
            "news", request(ago_s=ago_s, version=NEWCOMER), [{"index": 0, "features": {}, "prediction": "sport"}]
        )
    with (tmp_path / "torn.jsonl").open("w") as torn:
        torn.write('{"log": "evergreen.requests", "time"')
    witness = LogWitness(FolderLog(tmp_path))
    since = datetime.now(UTC) - timedelta(minutes=10)
    told = witness.minutes(NEWCOMER, CHAMPION, since)
    assert sum(minute.newcomer.requests for minute in told) in (2, 3)
    assert witness.skipped == 1
    first = witness.first(NEWCOMER, since)
    assert first is not None
    assert 299 < (datetime.now(UTC) - first).total_seconds() < 310
    assert witness.first(CHAMPION, since) is None
