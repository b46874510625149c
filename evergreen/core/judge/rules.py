"""What the judge compares: errors, slow answers and classes of a newcomer with the champion's in the same minutes.

Each rule gives its evidence after every minute and, for a person, how far the two are apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import ceil, log
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from evergreen.core.judge.evidence import LATENCY_GROWTH
from evergreen.core.judge.sequential import (
    HIGHER,
    LOWER,
    Counts,
    Floats,
    bounds,
    evidence_against,
    log_evidence,
    log_mean,
)
from evergreen.core.judge.traffic import BOTH, Traffic, counts

SLOWEST = 0.05
"""The slowest twentieth is what lies beyond the 95th percentile."""
MOST_BUCKETS = 64
"""Latencies are compared up to a factor of 22 (1.05⁶⁴)."""
VANISHED = 0.1
"""A class has all but vanished when it is answered less than a tenth as often."""
LEAST_SHARE = 0.01
"""Classes that the champion answers more rarely than this are too rare to be missed."""
LONE = 0.4
"""With less of a minute's requests than this a newcomer works under other conditions than the champion."""
EVEN = 1 / 3
"""Of what a small share may cost on a machine that both share, this may be chance of its processes at any share."""
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
    slowest twentieth of all (at least the slowest request) each should have the share of its requests. In a minute in
    which the newcomer had less than LONE of the requests, being slower by `alone` on top of that is no harm either, in
    others by EVEN of it.
    """

    def __init__(self, tolerated: float, alone: float = 0.0) -> None:
        self.buckets, self.alone = _buckets(tolerated), _buckets(alone)
        self.even = ceil(EVEN * self.alone)

    def log_evidence(self, traffic: Traffic) -> Floats:
        """Against `the newcomer is at most so much slower`.

        Where `alone` is tolerated, the mean of what minutes of a small share say and what the others say: neither hides
        the other.
        """
        tails = tails_of(traffic)
        parts = [log_evidence(part.slow(tails, self.buckets)) for part in self._parts(traffic)]
        return log_mean(np.stack(parts, axis=-1))

    def effect(self, traffic: Traffic, alpha: float) -> Effect:
        """By what share the newcomer's 95th percentile is longer, in steps of 5 %, than sharing a machine explains: in
        the minutes whose evidence is the most, which alone can have decided.
        """
        tails, needed = tails_of(traffic), -log(alpha)
        part = self._loudest(self._parts(traffic), tails)

        def against(buckets: int) -> Counts:
            return part.slow(tails, buckets)

        even = _first(lambda buckets: against(buckets).difference <= 0)
        faster = _first(lambda buckets: against(buckets).difference < 0)
        value = (even + faster - 1) / 2
        low = _first(lambda buckets: evidence_against(against(buckets), HIGHER)() < needed) - 1
        high = _first(lambda buckets: evidence_against(against(buckets), LOWER)() >= needed)
        besides = f" and the {_slower(part.shared):.0%} that sharing a machine may cost" if part.shared else ""
        message = (
            f"the newcomer's 95th percentile of latency is {_slower(value):+.0%} against the champion's in "
            f"{part.named(traffic)}{besides} (certainly between {_slower(low):+.0%} and {_slower(high):+.0%}), "
            f"tolerated {_slower(self.buckets):+.0%}"
        )
        return Effect(_slower(value), _slower(low), _slower(high), message)

    def _parts(self, traffic: Traffic) -> list[Part]:
        """What is judged apart: all minutes, or those of like shares and those of a small one."""
        lone: npt.NDArray[np.bool_] = traffic.requests[:, 0] < LONE * traffic.requests.sum(axis=1)
        if not self.alone:
            return [Part(np.full_like(lone, True), 0, "")]
        return [Part(~lone, self.even, "at least"), Part(lone, self.alone, "less than")]

    def _loudest(self, parts: Sequence[Part], tails: tuple[Floats, Floats]) -> Part:
        """The part with the most evidence; where none has any, the first that has minutes."""

        def evidence(part: Part) -> float:
            return max(0.0, evidence_against(part.slow(tails, self.buckets), HIGHER)())

        return max((part for part in parts if part.minutes.any()), key=evidence)


class Part(NamedTuple):
    """Minutes whose latencies are judged apart, of shape (minutes,), and how many buckets of slowness the `shared`
    machine explains in them. `share` is in words how much of the requests the newcomer had, of LONE.
    """

    minutes: npt.NDArray[np.bool_]
    shared: int
    share: str

    def slow(self, tails: tuple[Floats, Floats], buckets: int) -> Counts:
        """The slowest requests of these minutes, the newcomer's made faster by so many buckets and what is `shared`."""
        return slow(tails, buckets + self.shared).within(self.minutes)

    def named(self, traffic: Traffic) -> str:
        """Which minutes of the traffic these are, and how many requests they have where there are others."""
        if self.minutes.all():
            return "the same minutes"
        newcomer, champion = traffic.requests[self.minutes].sum(axis=0)
        return (
            f"the minutes in which it had {self.share} {LONE:.0%} of the requests ({newcomer:,.0f} of its own, "
            f"{champion:,.0f} of the champion's)"
        )


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
            f"{max(value, 0.0):.1%} of the newcomer's answers are of other classes than the champion's in the same "
            f"minutes (certainly between {max(low, 0.0):.1%} and {max(high, 0.0):.1%}), tolerated {self.tolerated:.1%}"
        )
        return Effect(value, low, high, message + self._missing(traffic, alpha))

    def _vanishing(self, traffic: Traffic) -> dict[str, Floats]:
        """By class the evidence against `answered at least a tenth as often`."""
        return {name: log_evidence(_class(traffic, name), LOWER, ratio=VANISHED) for name in self.shares}

    def _missing(self, traffic: Traffic, alpha: float) -> str:
        classes = {name: _class(traffic, name) for name in self.shares}
        evidence = {name: evidence_against(of, LOWER, VANISHED)() for name, of in classes.items()}
        gone = [name for name in classes if evidence[name] >= -log(alpha)]
        return "".join(f"; class {name!r} is {classes[name].rate:.1%} of its answers" for name in gone)


def slow(tails: tuple[Floats, Floats], buckets: int) -> Counts:
    """The slowest twentieth of each minute's requests, after the newcomer's were made faster by so many buckets.

    `tails` as `tails_of` gives them. Of each minute the slowest bucket is sought from which on there is a twentieth.
    """
    needed = np.ceil(SLOWEST * (tails[0][:, 0] + tails[1][:, 0]))
    low = np.full(len(needed), min(0, -buckets))
    high = np.full(len(needed), tails[0].shape[1] - 1 + max(0, -buckets))
    while (high - low > 1).any():
        middle = (low + high) // 2
        enough = _from(tails[0], middle + buckets) + _from(tails[1], middle) >= needed
        low, high = np.where(enough, middle, low), np.where(enough, high, middle)
    return Counts(_from(tails[0], low + buckets), _from(tails[1], low), tails[0][:, 0], tails[1][:, 0])


def tails_of(traffic: Traffic) -> tuple[Floats, Floats]:
    """The newcomer's and the champion's requests that took as long as each bucket or longer, (minutes, buckets + 1)."""
    none = ((0, 0), (0, 1))
    newcomer, champion = (
        np.pad(np.cumsum(traffic.latencies[:, arm, ::-1], axis=1)[:, ::-1], none) for arm in range(BOTH)
    )
    return newcomer, champion


def _from(tail: Floats, bucket: npt.NDArray[np.int64]) -> Floats:
    """Of each minute the requests from its bucket on; all before the first, none after the last."""
    return tail[np.arange(len(tail)), np.clip(bucket, 0, tail.shape[1] - 1)]


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


def _buckets(slower: float) -> int:
    return ceil(log(1 + slower) / log(LATENCY_GROWTH) - ROUNDING)


def _slower(buckets: float) -> float:
    return float(LATENCY_GROWTH**buckets - 1)


def _points(share: float) -> str:
    return f"{100 * share:+.2f} points"
