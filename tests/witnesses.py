"""A clock that stands still between sleeps, and what two versions' requests came to in each of its minutes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from evergreen.core import climb
from evergreen.core.errors import EvergreenError
from evergreen.core.judge.evidence import LATENCY_BUCKETS, Arm, Minute, bucket_of

BEGAN_S = 1_800_000_000.0
MINUTE = timedelta(minutes=1)


def began(minutes: float = 0) -> datetime:
    return datetime.fromtimestamp(BEGAN_S, UTC) + minutes * MINUTE


@dataclass
class Clock:
    """`sleeps` are the seconds of each pause."""

    at_s: float = BEGAN_S
    sleeps: list[float] = field(default_factory=list)

    @classmethod
    def in_place_of_time(cls, monkeypatch: pytest.MonkeyPatch) -> Clock:
        """Of ramps alone: whatever else goes on has its own time."""
        clock = cls()
        monkeypatch.setattr(climb, "time", SimpleNamespace(time=lambda: clock.at_s, sleep=clock.sleep))
        return clock

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.at_s += seconds

    @property
    def minutes(self) -> float:
        """Since it began."""
        return (self.at_s - BEGAN_S) / 60


def arm(requests: int, errors: int = 0, latency_ms: float = 10.0, label: str = "") -> Arm:
    """Requests that all took as long; without a `label` half of them are answered with each of two classes."""
    counts = [0] * LATENCY_BUCKETS
    counts[bucket_of(latency_ms)] = requests - errors
    answered = requests - errors
    halves = {"sport": answered // 2, "business": answered - answered // 2}
    return Arm(
        requests=requests, errors=errors, latencies=tuple(counts), predictions={label: answered} if label else halves
    )


@dataclass
class SteadyWitness:
    """Each minute is the same, from `starts` minutes after the beginning on; `broken` says why it cannot be read."""

    clock: Clock
    newcomer: Arm = field(default_factory=lambda: arm(200))
    champion: Arm = field(default_factory=lambda: arm(1800))
    starts: float = 0
    late_s: float = 2.0
    every_s: float = 60.0
    broken: str = ""
    asked: list[datetime] = field(default_factory=list)

    def minutes(self, newcomer: str, champion: str, since: datetime) -> Sequence[Minute]:
        if self.broken:
            raise EvergreenError(self.broken)
        self.asked.append(since)
        told = range(int((self.clock.at_s - self.late_s - BEGAN_S) // 60))
        starts = [began(number) for number in told if number >= self.starts and began(number) >= since]
        return [Minute(start=start, newcomer=self.newcomer, champion=self.champion) for start in starts]

    def first(self, version: str, since: datetime) -> datetime | None:
        if self.broken:
            raise EvergreenError(self.broken)
        first = max(since, began(self.starts))
        return first if first.timestamp() <= self.clock.at_s - self.late_s else None
