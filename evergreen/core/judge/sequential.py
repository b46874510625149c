"""Whether one rate lies above another, by evidence that is valid however often one looks.

Two versions answer in the same minutes, and each request goes to either by chance. Where both do equally well, the
newcomer's share of a minute's events (errors, slow answers, a class) is then that of its requests, whatever the minute
was like: what strikes both says nothing. With K events in a minute, k of them the newcomer's, whose share of the
requests is q, the likelihood ratio of odds ψ against 1 is ψᵏ / (1 + q(ψ − 1))ᴷ. Its mean is at most 1 also where
requests are drawn without replacement (Hoeffding, 1963, theorem 4), so that the product over minutes, averaged over
some ψ, is an e-process: it ever reaches 1/α with probability α at most (Ville, 1939).

Where the newcomer's rate may lie above the champion's by `extra`, each of its n requests is paid for by the factor
1 / (1 + extra · (ψ/(1 + q(ψ − 1)) − 1)), which is the most that rates so far apart can gain: the mean over both
binomials falls in the champion's rate, and is 1 at rate 0. Where the rate is held against a multiple `ratio` of the
champion's, q is the share of `ratio` · n. Both hold for ψ < 1, too, against rates that lie above.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import log

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

HIGHER: Floats = np.geomspace(1.1, 64.0, 16)
"""Odds of the alternatives, alike in weight: what is ten times as often is seen at once, a tenth more in the end."""
LOWER: Floats = 1 / HIGHER
BISECTIONS = 14


@dataclass(frozen=True)
class Counts:
    """Events of both versions among their requests by minute, each of shape (minutes,)."""

    newcomer: Floats
    champion: Floats
    newcomer_of: Floats
    champion_of: Floats

    def within(self, minutes: npt.NDArray[np.bool_]) -> Counts:
        """The same without requests in all other minutes; `minutes` of shape (minutes,)."""
        arrays = (self.newcomer, self.champion, self.newcomer_of, self.champion_of)
        return Counts(*(np.where(minutes, array, 0.0) for array in arrays))

    def swapped(self) -> Counts:
        """The same with the champion in the newcomer's place."""
        return Counts(self.champion, self.newcomer, self.champion_of, self.newcomer_of)

    @property
    def difference(self) -> float:
        """The newcomer's rate less the champion's, as Mantel and Haenszel weigh minutes; 0 where none has both."""
        total = self.newcomer_of + self.champion_of
        weight = _quotient(self.newcomer_of * self.champion_of, total)
        if not weight.sum():
            return 0.0
        apart = self.newcomer * self.champion_of - self.champion * self.newcomer_of
        return float(_quotient(apart, total).sum() / weight.sum())

    @property
    def rate(self) -> float:
        """The newcomer's; 0 without requests."""
        return float(self.newcomer.sum() / max(self.newcomer_of.sum(), 1.0))


def log_evidence(counts: Counts, odds: Floats = HIGHER, *, extra: float = 0.0, ratio: float = 1.0) -> Floats:
    """The logarithm of the e-process after each minute, shape (minutes,).

    With `odds` above 1 it speaks against `newcomer's rate ≤ ratio · champion's + extra`, with odds below 1 against
    `≥`. One of `extra`, at least 0, and `ratio` is given.
    """
    terms, gains = _terms(counts, odds, ratio)
    return log_mean(np.cumsum(terms - counts.newcomer_of[:, None] * np.log1p(extra * gains), axis=0))


def evidence_against(counts: Counts, odds: Floats, ratio: float = 1.0) -> Callable[..., float]:
    """The logarithm of the e-process after the last minute, as a function of `extra`, by default 0."""
    terms, gains = _terms(counts, odds, ratio)
    summed = terms.sum(axis=0)

    def evidence(extra: float = 0.0) -> float:
        return float(log_mean(summed - counts.newcomer_of @ np.log1p(extra * gains)))

    return evidence


def bounds(counts: Counts, alpha: float) -> tuple[float, float]:
    """Between what the difference of the rates lies: each end is missed at any look with probability `alpha` at most.

    The lower one is the largest `extra` that the e-process speaks against by 1/alpha; -1 and 1 where none is. Minutes
    that speak against each other may have both ends cross: then they bound what neither is certain of.
    """
    swapped = counts.swapped()
    at_most, at_least = evidence_against(counts, HIGHER), evidence_against(counts, LOWER)
    swapped_at_most, swapped_at_least = evidence_against(swapped, HIGHER), evidence_against(swapped, LOWER)

    needed = -log(alpha)

    def below(extra: float) -> bool:
        return (at_most(extra) if extra >= 0 else swapped_at_least(-extra)) >= needed

    def above(extra: float) -> bool:
        return (at_least(extra) if extra >= 0 else swapped_at_most(-extra)) >= needed

    low, high = _last(below, -1.0, 1.0), _last(above, 1.0, -1.0)
    return min(low, high), max(low, high)


def log_mean(logarithms: Floats) -> Floats:
    """The logarithm of the mean over the last axis."""
    largest = logarithms.max(axis=-1)
    summed = np.exp(logarithms - largest[..., None]).sum(axis=-1)
    mean: Floats = largest + np.log(summed / logarithms.shape[-1])
    return mean


def _terms(counts: Counts, odds: Floats, ratio: float) -> tuple[Floats, Floats]:
    """Of each minute and odds the logarithm of the likelihood ratio, and what `extra` costs; shape (minutes, odds)."""
    asked = ratio * counts.newcomer_of
    share = _quotient(asked, asked + counts.champion_of)[:, None]
    base = np.log1p(share * (odds - 1))
    events = (counts.newcomer + counts.champion)[:, None]
    terms: Floats = counts.newcomer[:, None] * np.log(odds) - events * base
    gains: Floats = odds * np.exp(-base) - 1
    return terms, gains


def _last(holds: Callable[[float], bool], start: float, end: float) -> float:
    """The last point on the way from start to end up to which it holds; start where it holds nowhere."""
    for _ in range(BISECTIONS):
        middle = (start + end) / 2
        start, end = (middle, end) if holds(middle) else (start, middle)
    return start


def _quotient(part: Floats, whole: Floats) -> Floats:
    """0 where the whole is 0."""
    return np.divide(part, whole, out=np.zeros_like(whole), where=whole > 0)
