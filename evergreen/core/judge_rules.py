"""What the judge compares: errors, slow answers and classes of a newcomer with the champion's in the same minutes.

Each rule gives its evidence after every minute and, for a person, how far the two are apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil, log
from typing import NamedTuple, Protocol

import numpy as np

from evergreen.core.evidence import LATENCY_GROWTH
from evergreen.core.sequential import LOWER, Counts, Floats, bounds, log_evidence, log_mean
from evergreen.core.traffic import Traffic, counts

SLOWEST = 0.05
"""The slowest twentieth is what lies beyond the 95th percentile."""
MOST_BUCKETS = 64
"""Latencies are compared up to a factor of 22 (1.05⁶⁴)."""
VANISHED = 0.1
"""A class has all but vanished when it is answered less than a tenth as often."""
LEAST_SHARE = 0.01
"""Classes that the champion answers more rarely than this are too rare to be missed."""
ROUNDING = 1e-9


class Effect(NamedTuple):
    """How far the newcomer is from the champion, between what that certainly lies, and both in words."""

    value: float
    low: float
    high: float
    message: str


class Rule(Protocol):
    """One kind of harm that a newcomer may do."""

    def log_evidence(self, traffic: Traffic) -> Floats:
        """Of an e-process against `no harm beyond what is tolerated`, after each minute; shape (minutes,)."""
        ...

    def effect(self, traffic: Traffic, alpha: float) -> Effect:
        """After the last minute; each end of the interval is missed with probability `alpha` at most."""
        ...


class Errors:
    """The share of requests that fail; `tolerated` more of them is no harm."""

    def __init__(self, tolerated: float) -> None:
        self.tolerated = tolerated

    def log_evidence(self, traffic: Traffic) -> Floats:
        """Against `the newcomer's requests fail at most `tolerated` more often`."""
        return log_evidence(traffic.failed(), extra=self.tolerated)

    def effect(self, traffic: Traffic, alpha: float) -> Effect:
        """Difference of the shares."""
        failed = traffic.failed()
        value, (low, high) = failed.difference, bounds(failed, alpha)
        message = (
            f"{failed.rate:.2%} of the newcomer's requests failed, {failed.rate - value:.2%} of the champion's in the "
            f"same minutes: {_points(value)} (certainly between {_points(low)} and {_points(high)}), "
            f"tolerated {_points(self.tolerated)}"
        )
        return Effect(value, low, high, message)


class Latency:
    """The 95th percentile of latency; being slower by the share `tolerated`, rounded up to 5 %, is no harm.

    In each minute the newcomer's latencies, made faster by what is tolerated, are put among the champion's. Of the
    slowest twentieth of all (at least the slowest request) each should have the share of its requests.
    """

    def __init__(self, tolerated: float) -> None:
        self.buckets = ceil(log(1 + tolerated) / log(LATENCY_GROWTH) - ROUNDING)

    def log_evidence(self, traffic: Traffic) -> Floats:
        """Against `the newcomer is at most so much slower`."""
        return log_evidence(slow(traffic, self.buckets))

    def effect(self, traffic: Traffic, alpha: float) -> Effect:
        """By what share the newcomer's 95th percentile is longer, in steps of 5 %."""
        needed = -log(alpha)
        even = _first(lambda buckets: slow(traffic, buckets).difference <= 0)
        faster = _first(lambda buckets: slow(traffic, buckets).difference < 0)
        value = (even + faster - 1) / 2
        low = _first(lambda buckets: log_evidence(slow(traffic, buckets))[-1] < needed) - 1
        high = _first(lambda buckets: log_evidence(slow(traffic, buckets), LOWER)[-1] >= needed)
        slower = [LATENCY_GROWTH**buckets - 1 for buckets in (value, low, high)]
        message = (
            f"the newcomer's 95th percentile of latency is {slower[0]:+.0%} against the champion's in the same "
            f"minutes (certainly between {slower[1]:+.0%} and {slower[2]:+.0%}), "
            f"tolerated {LATENCY_GROWTH**self.buckets - 1:+.0%}"
        )
        return Effect(*slower, message)


class Collapse:
    """Other answers than the champion's, beyond what was `expected`; or one of its classes that all but vanishes.

    `tolerated` is the largest total variation distance that is no harm, `shares` are the champion's on the test rows.
    """

    def __init__(self, tolerated: float, shares: Mapping[str, float]) -> None:
        self.tolerated = min(tolerated, 1.0)
        self.shares = {name: share for name, share in shares.items() if share >= LEAST_SHARE}

    def log_evidence(self, traffic: Traffic) -> Floats:
        """Half of it of the distance, half of the classes, each by its share."""
        distance = log_evidence(more_often(traffic), extra=self.tolerated)
        classes = self._vanishing(traffic)
        return log_mean(np.stack([distance, *([_weighted(classes, self.shares)] if classes else [])], axis=-1))

    def effect(self, traffic: Traffic, alpha: float) -> Effect:
        """Total variation distance of the answers, by the classes that the newcomer had answered more often before."""
        gained = more_often(traffic)
        value, (low, high) = gained.difference, bounds(gained, alpha)
        message = (
            f"{value:.1%} of the newcomer's answers are of other classes than the champion's in the same minutes "
            f"(certainly between {max(low, 0.0):.1%} and {max(high, 0.0):.1%}), tolerated {self.tolerated:.1%}"
        )
        return Effect(value, low, high, message + self._missing(traffic, alpha))

    def _vanishing(self, traffic: Traffic) -> dict[str, Floats]:
        """By class the evidence against `answered at least a tenth as often`."""
        return {name: log_evidence(_class(traffic, name), LOWER, ratio=VANISHED) for name in self.shares}

    def _missing(self, traffic: Traffic, alpha: float) -> str:
        evidence = self._vanishing(traffic)
        gone = [name for name in evidence if evidence[name][-1] >= -log(alpha)]
        return "".join(f"; class {name!r} is {_class(traffic, name).rate:.1%} of its answers" for name in gone)


def slow(traffic: Traffic, buckets: int) -> Counts:
    """The slowest twentieth of each minute's requests, after the newcomer's were made faster by so many buckets."""
    room = ((0, 0), (MOST_BUCKETS, MOST_BUCKETS))
    newcomer = np.roll(np.pad(traffic.latencies[:, 0], room), -buckets, axis=1)
    champion = np.pad(traffic.latencies[:, 1], room)
    longer = [np.cumsum(arm[:, ::-1], axis=1)[:, ::-1] for arm in (newcomer, champion)]
    both = longer[0] + longer[1]
    edge = (both >= np.ceil(SLOWEST * both[:, :1])).sum(axis=1, keepdims=True) - 1
    return Counts(
        *(np.take_along_axis(arm, edge, axis=1)[:, 0] for arm in longer),
        *(arm[:, 0] for arm in longer),
    )


def more_often(traffic: Traffic) -> Counts:
    """Answers of the classes that the newcomer had answered more often than the champion in the minutes before."""
    of = traffic.answers.sum(axis=-1)
    both, total = traffic.answers.sum(axis=1), of.sum(axis=1, keepdims=True)
    share = np.divide(of[:, :1], total, out=np.zeros_like(total), where=total > 0)
    excess = np.cumsum(traffic.answers[:, 0] - share * both, axis=0)
    gained = np.vstack([np.zeros_like(excess[:1]), excess[:-1]]) > 0
    return counts((traffic.answers * gained[:, None]).sum(axis=-1), of)


def _class(traffic: Traffic, name: str) -> Counts:
    of = traffic.answers.sum(axis=-1)
    if name not in traffic.classes:
        return counts(np.zeros_like(of), of)
    return counts(traffic.answers[..., traffic.classes.index(name)], of)


def _weighted(evidence: Mapping[str, Floats], shares: Mapping[str, float]) -> Floats:
    """The logarithm of the mean of what is given by class, weighted by the shares."""
    weights = np.array([shares[name] for name in evidence])
    return log_mean(np.stack(list(evidence.values()), axis=-1) + np.log(weights / weights.mean()))


def _first(holds: Callable[[int], bool]) -> int:
    """The first number of buckets from which on it holds; one beyond the largest where it holds nowhere."""
    low, high = -MOST_BUCKETS, MOST_BUCKETS + 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


def _points(share: float) -> str:
    return f"{100 * share:+.2f} points"
