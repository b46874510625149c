"""Shadow traffic: a newcomer gets copies of live requests, and its answers are compared, never given to anybody.

rollout: {shadow: {share: 0.2, for_s: 300}}
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from pydantic import Field

from evergreen.core.base import Frozen
from evergreen.core.judge.evidence import LATENCY_BUCKETS, LATENCY_FIRST_MS, LATENCY_GROWTH, bucket_of

LONGEST_S = 86400.0
_Z = 1.96
"""Of a normal distribution's 97.5 % point: intervals hold in 95 of 100 cases."""


class Shadow(Frozen):
    """A newcomer gets copies of `share` of the requests for `for_s` seconds before its first share of the traffic.

    `max_failed` is the share of copies that it may fail of those whose clients were answered; where it certainly fails
    more, it gets no traffic.
    """

    share: float = Field(default=0.2, gt=0, le=1)
    for_s: float = Field(default=300.0, gt=0, le=LONGEST_S)
    max_failed: float = Field(default=0.05, ge=0, lt=1)


class Latency(Frozen):
    """How long answers took, in milliseconds, to within 5 %."""

    median_ms: float
    p95_ms: float


class ShadowReport(Frozen):
    """What came of the copies that `version` got.

    Of `copies`, each of a request whose client was answered, it answered all but the `failed` ones. `dropped` are those
    that it never got: it was behind, not ready, or they were too large. `agreement` is how far its answers are those
    that clients got, 1 for all alike, over `instances`. `newcomer` and `others` are the latencies of the same requests.
    None: nothing was compared.
    """

    version: str
    copies: int = 0
    failed: int = 0
    dropped: int = 0
    instances: int = 0
    agreement: float | None = None
    newcomer: Latency | None = None
    others: Latency | None = None

    def refusal(self, plan: Shadow) -> str | None:
        """Why the version gets no traffic after it; None: nothing speaks against it."""
        least = least_share(self.failed, self.copies)
        if least <= plan.max_failed:
            return None
        return (
            f"as a shadow it failed {self.failed:,} of {self.copies:,} copies of requests whose clients were answered, "
            f"at least {least:.1%} with 95 % confidence (allowed: {plan.max_failed:.1%}, rollout.shadow.max_failed)"
        )

    def __str__(self) -> str:
        """What is told of it in one line."""
        told = [f"{self.copies:,} copies", f"{self.failed:,} failed", f"{self.dropped:,} dropped"]
        if self.agreement is not None:
            told.append(f"answers agree to {self.agreement:.1%}")
        if self.newcomer is not None and self.others is not None:
            told.append(f"p95 {self.newcomer.p95_ms:,.0f} ms beside {self.others.p95_ms:,.0f} ms")
        return ", ".join(told)


class Tally:
    """Counts what came of copies; it takes as much memory for a million as for one."""

    def __init__(self, version: str) -> None:
        self.dropped = 0
        self._version = version
        self._copies = self._failed = self._instances = 0
        self._agreed = 0.0
        self._newcomer = [0] * LATENCY_BUCKETS
        self._others = [0] * LATENCY_BUCKETS

    def failed(self) -> None:
        """Notes a copy that the newcomer refused, or did not answer in time."""
        self._copies += 1
        self._failed += 1

    def answered(self, agreements: Sequence[float], newcomer_ms: float, other_ms: float) -> None:
        """Notes a copy with how far its predictions agree, one an instance, and how long both took."""
        self._copies += 1
        self._instances += len(agreements)
        self._agreed += sum(agreements)
        self._newcomer[bucket_of(newcomer_ms)] += 1
        self._others[bucket_of(other_ms)] += 1

    def report(self) -> ShadowReport:
        """What it came to so far."""
        return ShadowReport(
            version=self._version,
            copies=self._copies,
            failed=self._failed,
            dropped=self.dropped,
            instances=self._instances,
            agreement=self._agreed / self._instances if self._instances else None,
            newcomer=_latency(self._newcomer),
            others=_latency(self._others),
        )


def agreements(ones: Sequence[Any], others: Sequence[Any]) -> list[float]:
    """How far the predictions on the same instances agree, each from 0 to 1; 0 where one is missing.

    Labels are equal or not. Of pictures it is 1 less the total variation of their classes' shares, wherever the classes
    lie. Anything else is equal or not.
    """
    pairs = zip(ones, others, strict=False)
    alike = [_agreement(one, other) for one, other in pairs]
    return alike + [0.0] * (max(len(ones), len(others)) - len(alike))


def least_share(found: int, of: int) -> float:
    """The lower end of the 95 % interval of a share; 0 of nothing. E. B. Wilson, J. Am. Stat. Assoc. 22 (1927)."""
    if not found:  # rounding would leave a trace
        return 0.0
    share, weight = found / of, _Z**2 / of
    spread = _Z * math.sqrt(share * (1 - share) / of + weight / (4 * of))
    return max(0.0, (share + weight / 2 - spread) / (1 + weight))


def _agreement(one: Any, other: Any) -> float:
    if not isinstance(one, Mapping) or not isinstance(other, Mapping):
        return float(one == other)
    if "label" in one and "label" in other:
        return float(one["label"] == other["label"])
    shares, beside = one.get("shares"), other.get("shares")
    if isinstance(shares, Mapping) and isinstance(beside, Mapping):
        labels = shares.keys() | beside.keys()
        return 1 - sum(abs(float(shares.get(label, 0)) - float(beside.get(label, 0))) for label in labels) / 2
    return float(one == other)


def _latency(counts: Sequence[int]) -> Latency | None:
    if not any(counts):
        return None
    return Latency(median_ms=_quantile(counts, 0.5), p95_ms=_quantile(counts, 0.95))


def _quantile(counts: Sequence[int], share: float) -> float:
    """The middle of the bucket in which it lies."""
    wanted = share * sum(counts)
    bucket = next(number for number, so_far in enumerate(accumulate(counts)) if so_far >= wanted)
    return float(round(LATENCY_FIRST_MS * LATENCY_GROWTH ** (bucket + 0.5), 2))
