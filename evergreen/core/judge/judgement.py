"""What the judge says of a newcomer by the minutes that it shared with the champion.

judge(Judge(), minutes, Expected()).ruling  ->  Ruling.GO_ON
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp, log

import numpy as np

from evergreen.core.judge.evidence import Minute
from evergreen.core.judge.rules import Collapse, Errors, Latency, Rule
from evergreen.core.judge.sequential import Floats
from evergreen.core.judge.settings import Expected, Judge, Judgement, Mode, RuleFinding, Ruling
from evergreen.core.judge.traffic import traffic_of

WORST_FIRST = (Ruling.ROLL_BACK, Ruling.HOLD, Ruling.INCONCLUSIVE, Ruling.GO_ON)


def judge(rules: Judge, minutes: Sequence[Minute], expected: Expected) -> Judgement:
    """What the newcomer did in the minutes of the whole ramp so far, in their order.

    The evidence is valid at every minute: what was certain at one stays so, and minutes after it do not count. So the
    same minutes give the same judgement, whoever asks and however often. A rule that only tells stays certain as well,
    and tells of the minutes until then.
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
        so_far = evidence[name][: len(traffic.requests)]
        ruling = _ruling(so_far, needed, enough=enough)
        effect = behaviour[name].effect(traffic.first(_until_certain(so_far, needed)), exp(-needed))
        findings.append(RuleFinding(rule=name, ruling=ruling, dry_run=mode == "dry_run", **effect._asdict()))
    return _judgement(tuple(findings), int(requests[0]), int(requests[1]), rules)


def _modes(rules: Judge) -> dict[str, Mode]:
    modes: dict[str, Mode] = {"errors": rules.errors, "latency": rules.latency, "collapse": rules.collapse}
    return {name: mode for name, mode in modes.items() if mode != "off"}


def _behaviour(rules: Judge, expected: Expected) -> Mapping[str, Rule]:
    return {
        "errors": Errors(rules.max_errors_more),
        "latency": Latency(rules.max_slower, expected.lone_slowdown),
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
