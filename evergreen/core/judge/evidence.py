"""What two versions' requests came to in the same minutes: what a rollout is judged by.

Minute(start=…, newcomer=Arm(requests=41, errors=1, latencies=(0, 3, …), predictions={"sport": 9, …}), champion=Arm(…))
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from evergreen.core.base import Frozen

LATENCY_FIRST_MS = 0.1
LATENCY_GROWTH = 1.05
LATENCY_BUCKETS = 284
"""Bucket `i` holds latencies in `[0.1 · 1.05^i, 0.1 · 1.05^(i+1))` ms: from 0.1 ms to 100 s, and what lies beyond at
the ends. A quantile is known to within 5 %."""


class Arm(Frozen):
    """The requests of one version in one minute: how many, how many of them it failed, how many took how
    long by bucket (empty: none was answered), and how often it answered which class.
    """

    requests: int = 0
    errors: int = 0
    latencies: tuple[int, ...] = ()
    predictions: dict[str, int] = {}


class Minute(Frozen):
    """One minute in which both had traffic. `start` is in UTC."""

    start: datetime
    newcomer: Arm
    champion: Arm


class Witness(Protocol):
    """Tells what requests came to, of two versions that share the traffic."""

    @property
    def every_s(self) -> float:
        """How long its minutes are, in seconds: sooner than after another one there is nothing new."""

    @property
    def late_s(self) -> float:
        """How long after its end a minute is told, in seconds."""

    def first(self, version: str, since: datetime) -> datetime | None:
        """When the first request of the version from `since` on came; None while none is told. Raises as `minutes`."""

    def minutes(self, newcomer: str, champion: str, since: datetime) -> Sequence[Minute]:
        """The minutes from `since` on that can be told by now and in which either had requests, in order.

        Raises:
            EvergreenError: what was noted cannot be read.
        """


def bucket_of(latency_ms: float) -> int:
    """The number of the bucket of a latency."""
    if latency_ms <= LATENCY_FIRST_MS:
        return 0
    return min(int(math.log(latency_ms / LATENCY_FIRST_MS) / math.log(LATENCY_GROWTH)), LATENCY_BUCKETS - 1)
