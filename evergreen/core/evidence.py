"""What two versions' requests came to in the same minutes: what a rollout is judged by.

Minute(start=…, newcomer=Arm(requests=41, errors=1, latencies=(0, 3, …), predictions={"sport": 9, …}), champion=Arm(…))
"""

from __future__ import annotations

from datetime import datetime

from evergreen.core.base import Frozen

LATENCY_GROWTH = 1.05
LATENCY_BUCKETS = 284
"""Bucket `i` holds latencies in `[0.1 · 1.05^i, 0.1 · 1.05^(i+1))` ms: from 0.1 ms to 100 s, and what lies beyond at the
ends. A quantile is known to within 5 %."""


class Arm(Frozen):
    """The requests of one version in one minute: how many, how many of them it failed (statuses 5xx), how many took how
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
