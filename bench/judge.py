"""The judge of a rollout on simulated ramps, beside fixed thresholds and a t-test that is repeated every minute.

    python -m bench.judge [--json] [--ramps 1000]

Ramps are those of `bench.simulated_ramps`. All three look after every minute and may end a ramp at each. The fixed
thresholds are those of Flagger's documentation: in five minutes of a ramp fewer than 99 % of the newcomer's requests
succeed, or their 99th percentile is above 500 ms. The t-test compares, one-sided at 5 %, error rate and mean latency
of all requests so far. Neither looks at the answers. Requests are those of both versions until the ramp is ended.
The judge is there twice: tolerating nothing, which is where a good version comes closest to being ended and what the
limits are for, and by its defaults, which tolerate a newcomer that is 5 % slower.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bench.report import instruction_set, print_result, print_table
from bench.simulated_ramps import ANSWERS, CLASSES, Fault, simulated_ramp
from evergreen.core.judge.evidence import LATENCY_BUCKETS, LATENCY_FIRST_MS, LATENCY_GROWTH, Minute
from evergreen.core.judge.judgement import judge
from evergreen.core.judge.sequential import Floats
from evergreen.core.judge.settings import Expected, Judge, Ruling

FIRST_REQUESTS = 15_000
LEAST_CAUGHT = 0.95
MOST_RETURNED = 0.05
NOTHING = "nothing"
FAULTS = {
    NOTHING: Fault(),
    "errors +0.5 points": Fault(errors_more=0.005),
    "errors +1 point": Fault(errors_more=0.01),
    "errors +2 points": Fault(errors_more=0.02),
    "errors +5 points": Fault(errors_more=0.05),
    "latency +10 %": Fault(slower=0.1),
    "latency +20 %": Fault(slower=0.2),
    "latency +50 %": Fault(slower=0.5),
    "a class of 10 % gone": Fault(answers=(0.5, 0.25, 0.25, 0.0)),
    "a class of 25 % gone": Fault(answers=(0.4, 0.5, 0.0, 0.1)),
    "one class alone": Fault(answers=(1.0, 0.0, 0.0, 0.0)),
}
LIMITED = ("errors +2 points", "latency +20 %", "a class of 25 % gone", "one class alone")
"""What is simulated as often as nothing; the others a fifth of that."""
EXPECTED = Expected(shares=dict(zip(CLASSES, ANSWERS, strict=True)))
STRICT = Judge(max_slower=0.0)
LEAST_SUCCESS, MOST_MS, FAILED_CHECKS = 0.99, 500.0, 5
ONE_SIDED = 1.645
MIDDLES: Floats = LATENCY_FIRST_MS * np.power(LATENCY_GROWTH, np.arange(LATENCY_BUCKETS) + 0.5, dtype=np.float64)


@dataclass
class Score:
    """Requests after which ramps were ended, of `ramps` of them."""

    ramps: int
    ended: list[float] = field(default_factory=list)

    def caught(self, requests: float = np.inf) -> float:
        """The share that was ended by so many."""
        return sum(one <= requests for one in self.ended) / self.ramps

    def needed(self, share: float) -> str:
        """Requests by which that share of all ramps was ended."""
        rank = int(np.ceil(share * self.ramps)) - 1
        return f"{sorted(self.ended)[rank]:,.0f}" if rank < len(self.ended) else "-"


def main() -> int:
    """0 when the limits hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--ramps", type=int, default=1_000, help="of a newcomer without a fault")
    options = parser.parse_args()
    print(f"instruction set: {instruction_set()}; {options.ramps:,} ramps", flush=True)
    often = (NOTHING, *LIMITED)
    scores = {
        name: _scores(fault, options.ramps if name in often else max(1, options.ramps // 5), seed)
        for seed, (name, fault) in enumerate(FAULTS.items())
    }
    _print(scores)
    ours = {name: by[0] for name, by in scores.items()}
    ratios = {"nothing, kept": 1 - ours[NOTHING].caught()}
    ratios |= {f"{name}, caught": ours[name].caught(FIRST_REQUESTS) for name in LIMITED}
    limits = {name: LEAST_CAUGHT if name.endswith("caught") else 1 - MOST_RETURNED for name in ratios}
    return print_result("judge", ratios, limits, options.json)


def _scores(fault: Fault, ramps: int, seed: int) -> list[Score]:
    """Of the judge and the others, on the same ramps."""
    scores = [Score(ramps) for _ in CONTESTANTS]
    for number in range(ramps):
        minutes = simulated_ramp(np.random.default_rng([seed, number]), fault)
        for score, ends in zip(scores, CONTESTANTS.values(), strict=True):
            after = ends(minutes)
            score.ended += [] if after is None else [after]
    return scores


def _print(scores: Mapping[str, Sequence[Score]]) -> None:
    """How many ramps of each kind are ended, within the first requests and at all, and by how many requests."""
    header = ["what is wrong, ended by", "ramps", f"by {FIRST_REQUESTS:,}", "in all", "half by", "95 % by"]
    rows = []
    for fault, by in scores.items():
        rows.append([fault, str(by[0].ramps), "", "", "", ""])
        for name, score in zip(CONTESTANTS, by, strict=True):
            shares = (f"{score.caught(FIRST_REQUESTS):.1%}", f"{score.caught():.1%}")
            rows.append([f"  {name}", "", *shares, score.needed(0.5), score.needed(0.95)])
    print_table(header, rows)


def by_judge(minutes: Sequence[Minute], rules: Judge = STRICT) -> float | None:
    """Requests after which the judge ends the ramp; None where it does not."""
    judgement = judge(rules, minutes, EXPECTED)
    asked = judgement.newcomer_requests + judgement.champion_requests
    return float(asked) if judgement.ruling is Ruling.ROLL_BACK else None


def by_thresholds(minutes: Sequence[Minute]) -> float | None:
    """The same of fixed thresholds."""
    arms = [minute.newcomer for minute in minutes]
    longer = np.cumsum(np.array([arm.latencies for arm in arms])[:, ::-1], axis=1)[:, ::-1]
    above = longer[:, MIDDLES > MOST_MS][:, 0]
    failed = np.array([arm.errors > (1 - LEAST_SUCCESS) * arm.requests for arm in arms])
    return _first(np.cumsum(failed | (above > 0.01 * longer[:, 0])) >= FAILED_CHECKS, minutes)


def by_t_test(minutes: Sequence[Minute]) -> float | None:
    """The same of a t-test of all requests so far, after each minute."""
    arms = [(minute.newcomer, minute.champion) for minute in minutes]
    of, errors = (
        np.cumsum([[getattr(arm, name) for arm in pair] for pair in arms], axis=0) for name in ("requests", "errors")
    )
    took = np.cumsum([[arm.latencies for arm in pair] for pair in arms], axis=0)
    answered = np.maximum(took.sum(axis=-1), 1)
    mean = took @ MIDDLES / answered
    variance = took @ MIDDLES**2 / answered - mean**2
    rate = errors / np.maximum(of, 1)
    worse = _statistic(rate, rate * (1 - rate), of) > ONE_SIDED
    return _first(worse | (_statistic(mean, variance, answered) > ONE_SIDED), minutes)


def _statistic(mean: Floats, variance: Floats, of: Floats) -> Floats:
    """Welch's, of arrays of shape (minutes, 2); 0 where nothing varies."""
    error = np.sqrt((variance / np.maximum(of, 1)).sum(axis=-1))
    statistic: Floats = np.divide(mean[:, 0] - mean[:, 1], error, out=np.zeros_like(error), where=error > 0)
    return statistic


def _first(ends: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], minutes: Sequence[Minute]) -> float | None:
    """Requests up to the first minute that ends the ramp."""
    if not ends.any():
        return None
    seen = minutes[: int(np.argmax(ends)) + 1]
    return float(sum(minute.newcomer.requests + minute.champion.requests for minute in seen))


CONTESTANTS: Mapping[str, Callable[[Sequence[Minute]], float | None]] = {
    "judge": by_judge,
    "judge, by default": lambda minutes: by_judge(minutes, Judge()),
    "fixed thresholds": by_thresholds,
    "repeated t-test": by_t_test,
}


if __name__ == "__main__":
    sys.exit(main())
