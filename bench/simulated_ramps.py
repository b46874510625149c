"""Ramps of a newcomer beside a champion, as two request logs would tell of them: minutes, and what strikes both.

    simulated_ramp(default_rng(1), Fault(errors_more=0.02))

40,000 requests, 400 a minute, shares of 10, 25 and 50 % for a third of the time each. A request fails in 0.5 % of all
cases, and takes 60 ms in the median, by a log-normal distribution of sigma 0.5. In a tenth of all minutes both versions
are struck: requests take three times as long, and 2 points more of them fail.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import log

import numpy as np

from evergreen.core.judge.evidence import LATENCY_BUCKETS, LATENCY_FIRST_MS, LATENCY_GROWTH, Arm, Minute

REQUESTS = 40_000
A_MINUTE = 400
SHARES = (0.10, 0.25, 0.50)
ERRORS = 0.005
MEDIAN_MS, SIGMA = 60.0, 0.5
STRUCK, STRUCK_SLOWER, STRUCK_ERRORS = 0.1, 3.0, 0.02
CLASSES = ("business", "sport", "world", "science")
ANSWERS = (0.4, 0.25, 0.25, 0.1)
START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Fault:
    """What is wrong with the newcomer: more errors, all latencies by a factor, and how often it answers which class."""

    errors_more: float = 0.0
    slower: float = 0.0
    answers: tuple[float, ...] = ANSWERS


def simulated_ramp(rng: np.random.Generator, fault: Fault, requests: int = REQUESTS) -> list[Minute]:
    """Its minutes, to the end of the ramp."""
    minutes = requests // A_MINUTE
    minute = np.sort(rng.integers(0, minutes, requests))
    newcomer = rng.random(requests) < np.array(SHARES)[minute * len(SHARES) // minutes]
    struck = (rng.random(minutes) < STRUCK)[minute]
    failed = rng.random(requests) < ERRORS + STRUCK_ERRORS * struck + fault.errors_more * newcomer
    factor = np.where(struck, STRUCK_SLOWER, 1.0) * np.where(newcomer, 1 + fault.slower, 1.0)
    took = MEDIAN_MS * factor * np.exp(SIGMA * rng.standard_normal(requests))
    bucket = np.clip(np.log(took / LATENCY_FIRST_MS) / log(LATENCY_GROWTH), 0, LATENCY_BUCKETS - 1).astype(np.int64)
    drawn = rng.random(requests)
    answer = np.where(
        newcomer,
        np.searchsorted(np.cumsum(fault.answers[:-1]), drawn, side="right"),
        np.searchsorted(np.cumsum(ANSWERS[:-1]), drawn, side="right"),
    )
    arm = 2 * minute + ~newcomer
    return _minutes(arm, failed, bucket, answer, minutes)


def _minutes(
    arm: np.ndarray[tuple[int], np.dtype[np.int64]],
    failed: np.ndarray[tuple[int], np.dtype[np.bool_]],
    bucket: np.ndarray[tuple[int], np.dtype[np.int64]],
    answer: np.ndarray[tuple[int], np.dtype[np.int64]],
    minutes: int,
) -> list[Minute]:
    """By request: twice its minute, the champion's 1 more; whether it failed, its latency and its class."""
    arms, answered = 2 * minutes, ~failed
    requests = np.bincount(arm, minlength=arms).tolist()
    errors = np.bincount(arm[failed], minlength=arms).tolist()
    latencies = np.bincount(arm[answered] * LATENCY_BUCKETS + bucket[answered], minlength=arms * LATENCY_BUCKETS)
    answers = np.bincount(arm[answered] * len(CLASSES) + answer[answered], minlength=arms * len(CLASSES))
    both = [
        Arm(requests=of, errors=lost, latencies=tuple(took), predictions=dict(zip(CLASSES, given, strict=True)))
        for of, lost, took, given in zip(
            requests,
            errors,
            latencies.reshape(arms, -1).tolist(),
            answers.reshape(arms, -1).tolist(),
            strict=True,
        )
    ]
    return [
        Minute(start=START + timedelta(minutes=number), newcomer=one, champion=other)
        for number, (one, other) in enumerate(zip(both[::2], both[1::2], strict=True))
    ]
