"""What a request log says of two versions, minute by minute: what a rollout is judged by.

minutes_of(log.read(window), "36df30fb3710", "9c41d2ab77e0", window)  ->  [Minute(start=…, newcomer=Arm(…), …)]

One request counts once, however many instances it had. A status of 5xx is an error of the version, and so is 429: it is
what the local endpoint answers where others say 503. Of one whose caller left (499) nobody knows whether it would have
been answered: it is no error, and its latency counts as the least that it took, so that a version that makes callers
leave is seen to be slow.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from evergreen.core.artifacts import ResolvedWindow
from evergreen.core.judge.evidence import LATENCY_BUCKETS, LATENCY_FIRST_MS, LATENCY_GROWTH, Arm, Minute
from evergreen.core.limits import FULL_STATUS
from evergreen.core.protocols import LoggedRows, RequestLog

if TYPE_CHECKING:
    import pyarrow as pa

MINUTE_S = 60.0
ANSWERED, LEFT = 200, 499
Key = tuple[int, str]
"""A minute by its number, and a version."""


@dataclass
class LogWitness:
    """The `Witness` that a request log is; `every_s` is how long its minutes are. `skipped` counts what was damaged in
    the last reading.
    """

    log: RequestLog
    every_s: float = MINUTE_S
    skipped: int = field(default=0, init=False)

    @property
    def late_s(self) -> float:
        """As the log says."""
        return self.log.late_s

    def minutes(self, newcomer: str, champion: str, since: datetime) -> Sequence[Minute]:
        """The whole minutes from `since` on that are over and noted."""
        until = datetime.now(UTC) - timedelta(seconds=self.late_s)
        if until <= since:
            return []
        within = ResolvedWindow(start=since, end=until)
        rows = self.log.read(within)
        told = minutes_of(rows, newcomer, champion, within, self.every_s)
        self.skipped = rows.skipped
        return told

    def first(self, version: str, since: datetime) -> datetime | None:
        """The time of the first row."""
        import pyarrow.compute as pc

        window = ResolvedWindow(start=since, end=datetime.now(UTC) + timedelta(seconds=self.every_s))
        found: list[datetime] = []
        for batch in self.log.read(window):
            times = batch.column("time").filter(pc.equal(batch.column("version"), version))
            if len(times):
                found.append(pc.min(times).as_py())
        return min(found, default=None)


def minutes_of(
    rows: LoggedRows, newcomer: str, champion: str, within: ResolvedWindow, every_s: float = MINUTE_S
) -> list[Minute]:
    """The whole minutes of a window in which either version had requests, in order; `every_s` is how long one is.

    Memory does not grow with answered requests.
    """
    first, end = math.ceil(within.start.timestamp() / every_s), math.floor(within.end.timestamp() / every_s)
    counts = _Counts(every_s, range(first, end), (newcomer, champion))
    for batch in rows:
        counts.add(batch)
    arms = counts.arms()
    numbers = sorted({minute for minute, _ in arms})
    return [
        Minute(
            start=datetime.fromtimestamp(number * every_s, UTC),
            newcomer=arms.get((number, newcomer), Arm()),
            champion=arms.get((number, champion), Arm()),
        )
        for number in numbers
    ]


class _Counts:
    """Requests by minute and version, batch by batch."""

    def __init__(self, every_s: float, minutes: range, versions: tuple[str, str]) -> None:
        self._every_us = every_s * 1e6
        self._minutes = minutes
        self._versions = versions
        self._requests: Counter[Key] = Counter()
        self._errors: Counter[Key] = Counter()
        self._latencies: dict[Key, np.ndarray[Any, np.dtype[np.int64]]] = {}
        self._classes: dict[Key, Counter[str]] = {}
        self._left: dict[tuple[str, str], list[tuple[Key, int]]] = {}
        self._given_up: Counter[tuple[str, str]] = Counter()

    def add(self, batch: pa.RecordBatch) -> None:
        """Some more rows."""
        import pyarrow.compute as pc

        minutes = np.floor(batch.column("time").cast("int64").to_numpy(zero_copy_only=False) / self._every_us)
        inside = (minutes >= self._minutes.start) & (minutes < self._minutes.stop)
        buckets = _buckets(batch.column("latency_ms").to_numpy(zero_copy_only=False))
        status = batch.column("status").to_numpy(zero_copy_only=False)
        opens = pc.fill_null(pc.equal(batch.column("index"), 0), True).to_numpy(zero_copy_only=False)
        for version in self._versions:
            own = pc.equal(batch.column("version"), version).to_numpy(zero_copy_only=False) & inside & opens
            answered = own & (status == ANSWERED)
            for minute in np.unique(minutes[answered]):
                self._answered((int(minute), version), batch, answered & (minutes == minute), buckets)
            for row in np.flatnonzero(own & (status != ANSWERED)).tolist():
                self._refused((int(minutes[row]), version), batch.slice(row, 1).to_pylist()[0], int(buckets[row]))

    def arms(self) -> dict[Key, Arm]:
        """What is counted, by minute and version."""
        for asked, rows in self._left.items():  # the front gave up on the server, whose row says that it left
            for key, bucket in rows[: max(0, len(rows) - self._given_up[asked])]:
                self._requests[key] += 1
                self._slow(key)[bucket] += 1
        return {
            key: Arm(
                requests=requests,
                errors=self._errors[key],
                latencies=tuple(self._latencies[key].tolist()) if key in self._latencies else (),
                predictions=dict(self._classes.get(key, {})),
            )
            for key, requests in self._requests.items()
        }

    def _answered(self, key: Key, batch: pa.RecordBatch, chosen: Any, buckets: Any) -> None:
        """Requests of one minute: the first instance of each stands for its answer, for those of one are much alike."""
        import pyarrow as pa

        self._requests[key] += int(chosen.sum())
        self._slow(key)[:] += np.bincount(buckets[chosen], minlength=LATENCY_BUCKETS)
        classes = self._classes.setdefault(key, Counter())
        for counted in batch.column("prediction").filter(pa.array(chosen)).drop_null().value_counts().to_pylist():
            if counted["values"]:  # a number is no class
                classes[counted["values"]] += counted["counts"]

    def _refused(self, key: Key, row: dict[str, Any], bucket: int) -> None:
        """Requests that were answered with no prediction, `count` alike ones."""
        asked, status = (key[1], row["trace_id"]), row["status"]
        if status == LEFT:
            self._left.setdefault(asked, []).extend([(key, bucket)] * row["count"])
            return
        if not row["engine"]:
            self._given_up[asked] += 1
        self._requests[key] += row["count"]
        self._errors[key] += row["count"] if status >= 500 or status == FULL_STATUS else 0

    def _slow(self, key: Key) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The histogram of latencies: (LATENCY_BUCKETS,)."""
        return self._latencies.setdefault(key, np.zeros(LATENCY_BUCKETS, dtype=np.int64))


def _buckets(latency_ms: Any) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The number of the bucket of each latency: (rows,)."""
    exact = np.log(np.maximum(latency_ms, LATENCY_FIRST_MS) / LATENCY_FIRST_MS) / math.log(LATENCY_GROWTH)
    buckets: np.ndarray[Any, np.dtype[np.int64]] = np.minimum(exact, LATENCY_BUCKETS - 1).astype(np.int64)
    return buckets
