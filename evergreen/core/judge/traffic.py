"""Minutes of two versions as arrays: what the judge's rules count in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from evergreen.core.judge.evidence import LATENCY_BUCKETS, Arm, Minute
from evergreen.core.judge.sequential import Counts, Floats

BOTH = 2
"""The newcomer is 0, the champion 1."""


@dataclass(frozen=True)
class Traffic:
    """`requests` and `errors` of shape (minutes, 2), `latencies` (minutes, 2, buckets) and `answers` (minutes, 2,
    classes), in the order of `classes`.
    """

    requests: Floats
    errors: Floats
    latencies: Floats
    answers: Floats
    classes: tuple[str, ...]

    def first(self, minutes: int) -> Traffic:
        """So many of them."""
        return Traffic(
            self.requests[:minutes],
            self.errors[:minutes],
            self.latencies[:minutes],
            self.answers[:minutes],
            self.classes,
        )

    def failed(self) -> Counts:
        """Errors among requests."""
        return counts(self.errors, self.requests)


def counts(events: Floats, of: Floats) -> Counts:
    """Both of shape (minutes, 2)."""
    return Counts(events[:, 0], events[:, 1], of[:, 0], of[:, 1])


def traffic_of(minutes: Sequence[Minute]) -> Traffic:
    """The minutes as arrays, none as one without requests; of latencies the buckets that are used."""
    arms = list(chain.from_iterable((minute.newcomer, minute.champion) for minute in minutes))
    arms = arms or [Arm()] * BOTH
    shape = (len(arms) // BOTH, BOTH)
    classes = tuple(sorted({name for arm in arms for name in arm.predictions}))
    return Traffic(
        requests=np.array([arm.requests for arm in arms], dtype=np.float64).reshape(shape),
        errors=np.array([arm.errors for arm in arms], dtype=np.float64).reshape(shape),
        latencies=_latencies(arms).reshape(*shape, -1),
        answers=_answers(arms, classes).reshape(*shape, len(classes)),
        classes=classes,
    )


def _latencies(arms: Sequence[Arm]) -> Floats:
    """(arms, buckets from the fastest to the slowest that any has); one empty bucket where none has any."""
    table = np.zeros((len(arms), LATENCY_BUCKETS))
    for row, arm in zip(table, arms, strict=True):
        row[: len(arm.latencies)] = arm.latencies
    used = np.flatnonzero(table.any(axis=0))
    return table[:, used[0] : used[-1] + 1] if used.size else table[:, :1]


def _answers(arms: Sequence[Arm], classes: tuple[str, ...]) -> Floats:
    column = {name: number for number, name in enumerate(classes)}
    table = np.zeros((len(arms), len(classes)))
    for row, arm in zip(table, arms, strict=True):
        for name, answered in arm.predictions.items():
            row[column[name]] = answered
    return table
