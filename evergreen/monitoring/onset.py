"""Since when rows look otherwise: the change point in a window, with its interval.

onset_of(likeness, design, times, window)  →  Onset(since=09:40, low=09:10, high=10:05)
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from evergreen.core.artifacts import ResolvedWindow
from evergreen.monitoring.observed import Floats, Integers

NARROW = -2 * float(np.log(1 - np.sqrt(0.95)))
"""How far twice the log-likelihood may lie below its maximum for a moment to be in the interval: both sides of a change
point are random walks with a drift downwards. D. Siegmund, *Confidence Sets in Change-point Problems*, 1988."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Onset:
    """Where the change began, and between which moments with 95 % confidence; both at the window's start: before it."""

    since: datetime
    low: datetime
    high: datetime

    def words(self) -> str:
        """For a message."""
        if self.since == self.low == self.high:
            return "all the window long"
        return f"since {self.since:%d %b %H:%M} ({self.low:%d %b %H:%M} to {self.high:%d %b %H:%M})"


def onset_of(likeness: Floats, design: float, times: Integers, window: ResolvedWindow) -> Onset | None:
    """The moment that splits the window best into rows as the reference has them and others; None: none does.

    Args:
        likeness: (rows,) 0 on average and of variance 1 while nothing has changed.
        design: the rows' design effect.
        times: (rows,) microseconds since the epoch.
        window: of the rows.
    """
    order = np.argsort(times, kind="stable")
    values, moments = likeness[order], times[order]
    counts = np.arange(len(values), 0, -1)
    sums = np.cumsum(values[::-1])[::-1]
    gains = sums**2 / counts / max(float(values.var()), 1e-12) / design
    best = int(gains.argmax())
    likely = np.flatnonzero(gains >= gains[best] - NARROW)
    if gains[best] <= NARROW:
        return None
    first, last = int(likely[0]), int(likely[-1])
    since, low, high = (_moment(int(moments[place]), place, window) for place in (best, first, last))
    return Onset(since, low, high)


def _moment(micros: int, place: int, window: ResolvedWindow) -> datetime:
    return window.start if place == 0 else EPOCH + timedelta(microseconds=micros)
