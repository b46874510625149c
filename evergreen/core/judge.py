"""Whether a newcomer may have more traffic: what it did in the minutes that it shared with the champion.

judge: {errors: enforce, latency: dry_run, max_slower: 0.2, min_requests: 1000}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from math import exp, log
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, FiniteFloat

from evergreen.core.base import Frozen
from evergreen.core.evidence import Minute
from evergreen.core.judge_rules import Collapse, Errors, Latency, Rule
from evergreen.core.sequential import Floats
from evergreen.core.traffic import traffic_of

DAY_S = 86400.0
Mode = Literal["enforce", "dry_run", "off"]
Share = Annotated[FiniteFloat, Field(ge=0, le=1)]
Seconds = Annotated[FiniteFloat, Field(ge=0, le=DAY_S)]


class Judge(Frozen):
    """What a newcomer is judged by while it shares the traffic with the champion.

    `errors`, `latency` and `collapse` are the rules: `enforce` rolls back, `dry_run` only tells, `off` does not look.
    A newcomer may fail `max_errors_more` more of its requests than the champion, be slower in its 95th percentile by
    `max_slower` (rounded up to steps of 5 %), and answer `max_shift` more of them otherwise than was seen on the test
    rows. A version that is no worse is rolled back with probability 1 - `confidence` at most, in the whole ramp and by
    all enforced rules together. What is certain counts at once; to go on takes `min_requests` of each version. The
    first `settle_s` seconds after a change of share do not count: the rollout leaves them out. What it finds undecided
    for `max_hold_s` ends as `on_inconclusive` says, what had no request at all as `on_no_traffic`.
    """

    errors: Mode = "enforce"
    latency: Mode = "enforce"
    collapse: Mode = "enforce"
    max_errors_more: Share = 0.0
    max_slower: Annotated[FiniteFloat, Field(ge=0, le=10)] = 0.05
    max_shift: Share = 0.1
    confidence: Annotated[FiniteFloat, Field(ge=0.5, lt=1)] = 0.95
    min_requests: Annotated[int, Field(ge=1)] = 500
    settle_s: Seconds = 60.0
    max_hold_s: Seconds = 3600.0
    on_inconclusive: Literal["go_on", "hold", "roll_back"] = "go_on"
    on_no_traffic: Literal["replay", "hold", "proceed"] = "replay"


class Expected(Frozen):
    """What the evaluation saw of both versions on the same test rows.

    `shift` is the total variation distance between their predicted classes, `shares` how often the champion predicts
    each class. A class that the newcomer does not know is left out of `shares`, for it must vanish.
    """

    shift: Share = 0.0
    shares: dict[str, Share] = {}


class Ruling(StrEnum):
    """What to do with the newcomer's share."""

    GO_ON = "go_on"
    HOLD = "hold"
    ROLL_BACK = "roll_back"
    INCONCLUSIVE = "inconclusive"


WORST_FIRST = (Ruling.ROLL_BACK, Ruling.HOLD, Ruling.INCONCLUSIVE, Ruling.GO_ON)


class RuleFinding(Frozen):
    """What one rule says. `value` is how far the newcomer is from the champion, certainly between `low` and `high`.

    Of `errors` the difference of the shares that failed, of `latency` the share by which the 95th percentile is longer,
    of `collapse` the distance between the answers.
    """

    rule: str
    ruling: Ruling
    message: str
    value: float
    low: float
    high: float
    dry_run: bool


class Judgement(Frozen):
    """What all rules say, and the requests that they say it by."""

    ruling: Ruling
    findings: tuple[RuleFinding, ...]
    newcomer_requests: int
    champion_requests: int
    message: str


def judge(rules: Judge, minutes: Sequence[Minute], expected: Expected) -> Judgement:
    """What the newcomer did in the minutes of the whole ramp so far, in their order.

    The evidence is valid at every minute: what was certain at one stays so, and minutes after it do not count. So the
    same minutes give the same judgement, whoever asks and however often.
    """
    modes = _modes(rules)
    needed = log(max(1, sum(mode == "enforce" for mode in modes.values())) / (1 - rules.confidence))
    behaviour, traffic = _behaviour(rules, expected), traffic_of(minutes)
    evidence = {name: behaviour[name].log_evidence(traffic) for name in modes}
    certain = [_until_certain(evidence[name], needed) for name, mode in modes.items() if mode == "enforce"]
    traffic = traffic.first(min(certain, default=len(traffic.requests)))
    requests = traffic.requests.sum(axis=0)
    enough = bool(requests.min() >= rules.min_requests)
    findings = []
    for name, mode in modes.items():
        ruling = _ruling(evidence[name][: len(traffic.requests)], needed, enough=enough)
        effect = behaviour[name].effect(traffic, exp(-needed))
        findings.append(RuleFinding(rule=name, ruling=ruling, dry_run=mode == "dry_run", **effect._asdict()))
    return _judgement(tuple(findings), int(requests[0]), int(requests[1]), rules)


def _modes(rules: Judge) -> dict[str, Mode]:
    modes: dict[str, Mode] = {"errors": rules.errors, "latency": rules.latency, "collapse": rules.collapse}
    return {name: mode for name, mode in modes.items() if mode != "off"}


def _behaviour(rules: Judge, expected: Expected) -> Mapping[str, Rule]:
    return {
        "errors": Errors(rules.max_errors_more),
        "latency": Latency(rules.max_slower),
        "collapse": Collapse(expected.shift + rules.max_shift, expected.shares),
    }


def _until_certain(evidence: Floats, needed: float) -> int:
    """How many minutes it takes until the evidence reaches what is needed; all of them where it never does."""
    certain = np.flatnonzero(evidence >= needed)
    return int(certain[0]) + 1 if certain.size else len(evidence)


def _ruling(evidence: Floats, needed: float, *, enough: bool) -> Ruling:
    """Half the evidence, as logarithms count it, is what makes a rule suspicious."""
    if evidence.max() >= needed:
        return Ruling.ROLL_BACK
    if not enough:
        return Ruling.HOLD
    return Ruling.INCONCLUSIVE if evidence[-1] >= needed / 2 else Ruling.GO_ON


def _judgement(findings: tuple[RuleFinding, ...], newcomer: int, champion: int, rules: Judge) -> Judgement:
    """The worst ruling of what is enforced; without an enforced rule, whether there are requests enough."""
    enough = min(newcomer, champion) >= rules.min_requests
    enforced = [finding for finding in findings if not finding.dry_run]
    rulings = {finding.ruling for finding in enforced} | {Ruling.GO_ON if enough else Ruling.HOLD}
    ruling = next(worse for worse in WORST_FIRST if worse in rulings)
    because = "; ".join(f"{finding.rule}: {finding.message}" for finding in enforced if finding.ruling is ruling)
    requests = f"{newcomer:,} requests of the newcomer and {champion:,} of the champion in the same minutes"
    message = {
        Ruling.ROLL_BACK: f"the newcomer is worse, by {requests}: {because}",
        Ruling.HOLD: f"{requests}: judged by {rules.min_requests:,} of each",
        Ruling.INCONCLUSIVE: f"the newcomer may be worse, by {requests}: {because}",
        Ruling.GO_ON: f"nothing speaks against the newcomer in {requests}",
    }[ruling]
    return Judgement(
        ruling=ruling, findings=findings, newcomer_requests=newcomer, champion_requests=champion, message=message
    )
