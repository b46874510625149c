"""A lease in memory, whose clock stands still until a test moves it, and whose answers can be lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from evergreen.core.errors import EvergreenError
from evergreen.core.lease import TTL_S, Lease, MovedError, Seen


class MemoryLease:
    """`loses` are whether the next writes are carried out (`answer`) or not (`request`) before nothing answers."""

    poll_s = 0.001

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.loses: list[str] = []
        self._lease = Lease()
        self._generation = 0
        self._written = self.now

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def read(self) -> Seen:
        until = self._written + timedelta(seconds=TTL_S)
        return Seen(lease=self._lease, generation=self._generation, now=self.now, until=until)

    def write(self, lease: Lease, generation: int) -> int:
        lost = self.loses.pop(0) if self.loses else None
        if lost == "request":
            raise EvergreenError("the bucket does not answer")
        if generation != self._generation:
            raise MovedError(f"generation is {self._generation}, not {generation}")
        self._lease, self._generation, self._written = lease, self._generation + 1, self.now
        if lost == "answer":
            raise EvergreenError("the bucket does not answer")
        return self._generation
