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
TIME = "%Y-%m-%d %H:%M"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Onset:
    """When the change began, and between which moments with 95 % confidence. Where it may have begun before the window,
    `since` and `low` are the window's start.
    """

    since: datetime
    low: datetime
    high: datetime

    def words(self) -> str:
        """For a message."""
        if self.since == self.low:
            return f"all the window long, or since {self.high:{TIME}} UTC at the latest"
        return f"since {self.since:{TIME}} UTC ({self.low:{TIME}} to {self.high:{TIME}})"


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
    low, since, high = (_moment(moments[place]) for place in (likely[0], best, likely[-1]))
    if likely[0] == 0:
        return Onset(window.start, window.start, high)
    return Onset(since, low, high)


def _moment(micros: np.int64) -> datetime:
    return EPOCH + timedelta(microseconds=int(micros))
