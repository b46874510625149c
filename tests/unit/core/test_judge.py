"""The judge of a ramp: what is worse goes back, what is no worse goes on, whoever looks however often."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import combinations
from time import process_time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bench.simulated_ramps import ANSWERS, CLASSES, Fault, simulated_ramp
from evergreen.core.judge.evidence import LATENCY_BUCKETS, Arm, Minute
from evergreen.core.judge.judgement import judge
from evergreen.core.judge.rules import Collapse, Latency
from evergreen.core.judge.settings import Expected, Judge, Judgement, Mode, Ruling
from evergreen.core.judge.traffic import traffic_of

START = datetime(2026, 3, 1, tzinfo=UTC)
EXPECTED = Expected(shares=dict(zip(CLASSES, ANSWERS, strict=True)))
WORSE = {
    "errors": Fault(errors_more=0.02),
    "latency": Fault(slower=0.2),
    "collapse": Fault(answers=(0.4, 0.5, 0.0, 0.1)),
}
LATENCY_ALONE = Judge(errors="off", collapse="off", min_requests=100)
FIRST_REQUESTS = 15_000


def minutes_of(*pairs: tuple[Arm, Arm]) -> list[Minute]:
    """The newcomer's and the champion's."""
    return [
        Minute(start=START + timedelta(minutes=number), newcomer=newcomer, champion=champion)
        for number, (newcomer, champion) in enumerate(pairs)
    ]


def arm(requests: int, errors: int = 0, bucket: int = 130, **predictions: int) -> Arm:
    """All that is answered takes as long."""
    latencies = [0] * LATENCY_BUCKETS
    latencies[bucket] = requests - errors
    return Arm(requests=requests, errors=errors, latencies=tuple(latencies), predictions=predictions)


def finding_of(judgement: Judgement, rule: str) -> Ruling:
    return next(one.ruling for one in judgement.findings if one.rule == rule)


def ramp(fault: Fault, seed: int, requests: int = FIRST_REQUESTS) -> list[Minute]:
    return simulated_ramp(np.random.default_rng(seed), fault, requests)


def test_of_200_ramps_of_a_version_like_the_champion_at_most_one_in_twenty_goes_back() -> None:
    rulings = [judge(Judge(), ramp(Fault(), seed, 4_000), EXPECTED).ruling for seed in range(200)]
    assert rulings.count(Ruling.ROLL_BACK) <= 10
    assert rulings.count(Ruling.GO_ON) >= 150


@pytest.mark.parametrize("rule", WORSE)
def test_a_worse_version_goes_back_by_the_rule_that_it_breaks(rule: str) -> None:
    judgements = [judge(Judge(), ramp(WORSE[rule], seed), EXPECTED) for seed in range(10)]
    assert [one.ruling for one in judgements] == [Ruling.ROLL_BACK] * 10
    assert {finding_of(one, rule) for one in judgements} == {Ruling.ROLL_BACK}
    assert all(one.newcomer_requests + one.champion_requests <= FIRST_REQUESTS for one in judgements)
    assert all(f"{rule}: " in one.message for one in judgements)


def test_answers_that_differ_as_the_evaluation_saw_are_no_collapse() -> None:
    minutes = ramp(Fault(answers=(0.2, 0.45, 0.25, 0.1)), seed=3)
    assert judge(Judge(), minutes, EXPECTED).ruling is Ruling.ROLL_BACK
    seen = Expected(shift=0.2, shares=EXPECTED.shares)
    assert judge(Judge(), minutes, seen).ruling is Ruling.GO_ON


def test_a_class_that_vanishes_is_a_collapse_however_little_it_shifts_the_answers() -> None:
    minutes = ramp(Fault(answers=(0.5, 0.25, 0.25, 0.0)), seed=3, requests=40_000)
    judgement = judge(Judge(max_shift=0.3), minutes, EXPECTED)
    assert (judgement.ruling, finding_of(judgement, "collapse")) == (Ruling.ROLL_BACK, Ruling.ROLL_BACK)
    without = Expected(shares={name: share for name, share in EXPECTED.shares.items() if name != "science"})
    assert judge(Judge(max_shift=0.3), minutes, without).ruling is Ruling.GO_ON


def test_a_class_that_vanishes_from_the_requests_is_none() -> None:
    both = Fault(answers=(0.5, 0.25, 0.25, 0.0))
    minutes = [
        one.model_copy(update={"champion": one.champion.model_copy(update={"predictions": one.newcomer.predictions})})
        for one in ramp(both, seed=5)
    ]
    assert judge(Judge(), minutes, EXPECTED).ruling is Ruling.GO_ON


def test_what_a_rule_tolerates_is_no_harm() -> None:
    tolerant = Judge(max_errors_more=0.03, max_slower=0.3, max_shift=0.4)
    for rule in ("errors", "latency"):
        assert judge(tolerant, ramp(WORSE[rule], seed=1), EXPECTED).ruling is Ruling.GO_ON


@pytest.mark.parametrize("rule", WORSE)
@pytest.mark.parametrize("mode", ["dry_run", "off"])
def test_a_rule_that_is_not_enforced_never_decides(rule: str, mode: Mode) -> None:
    rules = Judge.model_validate({"errors": "off", "latency": "off", "collapse": "off", rule: mode})
    judgement = judge(rules, ramp(WORSE[rule], seed=2), EXPECTED)
    assert judgement.ruling is Ruling.GO_ON
    assert [(one.rule, one.ruling, one.dry_run) for one in judgement.findings] == (
        [(rule, Ruling.ROLL_BACK, True)] if mode == "dry_run" else []
    )


def test_certain_harm_counts_at_once_and_what_comes_after_it_does_not() -> None:
    bad = (arm(40, 40, sport=0), arm(400, sport=400))
    good = (arm(40, sport=40), arm(400, sport=400))
    judgement = judge(Judge(min_requests=500), minutes_of(bad, *[good] * 300), EXPECTED)
    assert (judgement.ruling, judgement.newcomer_requests) == (Ruling.ROLL_BACK, 40)
    assert judgement == judge(Judge(min_requests=500), minutes_of(bad), EXPECTED)


@pytest.mark.parametrize(
    ("newcomer", "champion", "ruling"),
    [(0, 0, Ruling.HOLD), (99, 500, Ruling.HOLD), (500, 99, Ruling.HOLD), (100, 100, Ruling.GO_ON)],
)
def test_going_on_takes_requests_of_both(newcomer: int, champion: int, ruling: Ruling) -> None:
    judgement = judge(Judge(min_requests=100), minutes_of((arm(newcomer), arm(champion))), Expected())
    assert judgement.ruling is ruling
    assert f"{newcomer} requests of the newcomer and {champion} of the champion" in judgement.message


def test_no_minute_at_all_is_judged_as_no_request() -> None:
    nothing = judge(Judge(), [], EXPECTED)
    assert (nothing.ruling, nothing.newcomer_requests, nothing.champion_requests) == (Ruling.HOLD, 0, 0)
    assert [finding.value for finding in nothing.findings] == [0, 0, 0]


def test_harm_that_is_half_proven_is_inconclusive() -> None:
    rules = Judge(min_requests=100)
    judgement = judge(rules, minutes_of((arm(200, 4), arm(1000, 2))), Expected())
    assert (judgement.ruling, finding_of(judgement, "errors")) == (Ruling.INCONCLUSIVE, Ruling.INCONCLUSIVE)
    assert judgement.message.startswith("the newcomer may be worse")


ARMS = st.builds(
    lambda requests, errors, bucket, sport: arm(
        requests, min(errors, requests), bucket, sport=sport % (requests + 1), world=requests - sport % (requests + 1)
    ),
    st.one_of(st.integers(0, 40), st.just(10**12)),
    st.integers(0, 40),
    st.integers(0, LATENCY_BUCKETS - 1),
    st.integers(0, 10**12),
)


@given(st.lists(ARMS, max_size=12))
def test_versions_that_do_the_same_stay(arms: list[Arm]) -> None:
    judgement = judge(Judge(min_requests=1), minutes_of(*((one, one) for one in arms)), Expected(shares={"sport": 1.0}))
    assert judgement.ruling in (Ruling.GO_ON, Ruling.HOLD)


@given(st.lists(st.tuples(ARMS, ARMS), max_size=8))
def test_whatever_was_logged_is_judged_by_numbers(pairs: list[tuple[Arm, Arm]]) -> None:
    rules = Judge(min_requests=1)
    judgement = judge(rules, minutes_of(*pairs), Expected(shares={"sport": 0.5, "world": 0.5}))
    for one in judgement.findings:
        assert np.isfinite([one.value, one.low, one.high]).all()
        assert one.low <= one.high
    if pairs and judgement.ruling is Ruling.ROLL_BACK:
        longer = judge(rules, minutes_of(*pairs, *pairs), Expected(shares={"sport": 0.5, "world": 0.5}))
        assert longer == judgement


@given(st.lists(st.sampled_from([100, 101, 120, 140]), min_size=3, max_size=7), st.data())
def test_however_chance_deals_out_a_minutes_latencies_their_evidence_has_mean_1_at_most(
    buckets: list[int], data: st.DataObject
) -> None:
    dealt = list(combinations(range(len(buckets)), data.draw(st.integers(1, len(buckets) - 1))))
    logarithms = [Latency(0.0).log_evidence(traffic_of(minutes_of(_split(buckets, mine))))[0] for mine in dealt]
    assert np.exp(logarithms).mean() <= 1 + 1e-9


def _split(buckets: Sequence[int], mine: tuple[int, ...]) -> tuple[Arm, Arm]:
    sides = [[bucket for number, bucket in enumerate(buckets) if (number in mine) is own] for own in (True, False)]
    newcomer, champion = (
        Arm(requests=len(side), latencies=tuple(np.bincount(side, minlength=LATENCY_BUCKETS).tolist()))
        for side in sides
    )
    return newcomer, champion


def test_a_latency_within_what_is_tolerated_is_as_good_as_none() -> None:
    """Buckets are 5 % wide: 0.1 tolerates two of them."""
    pairs = minutes_of(*[(arm(100, bucket=132), arm(900, bucket=130))] * 50)
    assert Latency(0.1).log_evidence(traffic_of(pairs)).max() <= 1e-9
    assert Latency(0.05).log_evidence(traffic_of(pairs)).max() > 10


def test_a_small_share_may_cost_what_the_host_says_and_half_of_the_traffic_a_third_of_it() -> None:
    """What takes 1.05⁶ times as long (+34 %) is tolerated below 40 % of a minute's requests, +117 % is not."""
    lone = Latency(0.05, alone=0.5)
    small, large = (minutes_of(*[(arm(100, bucket=136), arm(of, bucket=130))] * 50) for of in (900, 100))
    far = minutes_of(*[(arm(100, bucket=146), arm(900, bucket=130))] * 50)
    assert lone.log_evidence(traffic_of(small)).max() <= 1e-9
    assert lone.log_evidence(traffic_of(large)).max() > 10
    assert lone.log_evidence(traffic_of(far)).max() > 10
    assert Latency(0.05).log_evidence(traffic_of(small)).max() > 10
    assert "and the 55% that sharing a machine may cost" in lone.effect(traffic_of(small), 0.05).message
    assert "and the 16% that sharing a machine may cost" in lone.effect(traffic_of(large), 0.05).message
    assert "sharing" not in Latency(0.05).effect(traffic_of(large), 0.05).message


def test_minutes_of_both_kinds_count_each_by_its_own_tolerance() -> None:
    pairs = [(arm(100, bucket=136), arm(900, bucket=130))] * 50 + [(arm(100, bucket=136), arm(100, bucket=130))] * 50
    evidence = Latency(0.05, alone=0.5).log_evidence(traffic_of(minutes_of(*pairs)))
    assert evidence[49] <= 1e-9
    assert evidence[-1] > 10


def test_a_rollback_by_minutes_of_a_small_share_tells_of_these_and_not_of_the_faster_others() -> None:
    """All minutes together would have it 14 % faster than the champion."""
    even, small = (arm(60), arm(60)), (arm(100, bucket=150), arm(900))
    judgement = judge(LATENCY_ALONE, minutes_of(*[even] * 30, *[small] * 50), Expected(lone_slowdown=0.5))
    (finding,) = judgement.findings
    assert judgement.ruling is Ruling.ROLL_BACK
    assert finding.value >= finding.low > LATENCY_ALONE.max_slower
    assert "less than 40% of the requests (100 of its own, 900 of the champion's) and the 55% that" in judgement.message


def test_a_rollback_by_minutes_of_half_of_the_traffic_tells_of_these_and_not_of_the_faster_others() -> None:
    even, small = (arm(100, bucket=140), arm(100)), (arm(100), arm(900))
    judgement = judge(LATENCY_ALONE, minutes_of(*[small] * 30, *[even] * 50), Expected(lone_slowdown=0.5))
    (finding,) = judgement.findings
    assert judgement.ruling is Ruling.ROLL_BACK
    assert finding.low > LATENCY_ALONE.max_slower
    assert "at least 40% of the requests (" in judgement.message
    assert "and the 16% that sharing a machine may cost" in judgement.message


def test_where_nothing_speaks_against_it_minutes_of_half_of_the_traffic_are_told_of() -> None:
    even, small = (arm(100), arm(100)), (arm(10), arm(90))
    judgement = judge(LATENCY_ALONE, minutes_of(small, *[even] * 50), Expected(lone_slowdown=0.5))
    assert judgement.ruling is Ruling.GO_ON
    assert "at least 40% of the requests (5,000 of its own, 5,000 of" in judgement.findings[0].message


def test_a_rule_that_only_tells_tells_of_the_minutes_until_it_was_certain() -> None:
    slow, fast = (arm(100, bucket=146), arm(900)), (arm(100, bucket=110), arm(900))
    rules = LATENCY_ALONE.model_copy(update={"latency": "dry_run"})
    judgement = judge(rules, minutes_of(*[slow] * 10, *[fast] * 500), Expected())
    (finding,) = judgement.findings
    assert (judgement.ruling, judgement.newcomer_requests, finding.ruling) == (Ruling.GO_ON, 51_000, Ruling.ROLL_BACK)
    assert finding.low > LATENCY_ALONE.max_slower


@given(st.lists(st.tuples(ARMS, ARMS), min_size=1, max_size=8), st.sampled_from([0.0, 0.5, 1.0]))
def test_what_goes_back_by_latency_is_told_to_be_slower_than_is_tolerated(
    pairs: list[tuple[Arm, Arm]], alone: float
) -> None:
    judgement = judge(LATENCY_ALONE, minutes_of(*pairs, *pairs), Expected(lone_slowdown=alone))
    if judgement.ruling is Ruling.ROLL_BACK:
        assert judgement.findings[0].low >= 1.05 - 1 - 1e-9


def test_a_collapse_cannot_be_seen_in_answers_that_have_no_classes() -> None:
    pairs = minutes_of(*[(arm(100), arm(900))] * 9)
    assert Collapse(0.1, {}).log_evidence(traffic_of(pairs)).max() <= 1e-9


def test_answers_that_come_back_to_the_champions_are_no_share_below_zero() -> None:
    """What was answered more often before may be answered more rarely now."""
    more, fewer = arm(100, sport=60, world=40), arm(100, sport=40, world=60)
    even = arm(900, sport=450, world=450)
    told = Collapse(0.1, {}).effect(traffic_of(minutes_of((more, even), (fewer, even), (fewer, even))), 0.05)
    assert told.value < 0
    assert told.message.startswith("0.0% of the newcomer's answers")


def test_a_minute_that_one_has_alone_counts_for_nothing() -> None:
    alone = minutes_of(*[(arm(50, 50), Arm())] * 20)
    assert judge(Judge(min_requests=1), alone, EXPECTED).ruling is Ruling.HOLD


def test_a_ramp_of_days_is_judged_in_a_moment() -> None:
    minutes = minutes_of(*[(arm(7, bucket=number % 90, sport=7), arm(60, sport=60)) for number in range(2_000)])
    judge(Judge(), minutes, EXPECTED)
    started = process_time()
    judge(Judge(), minutes, EXPECTED)
    assert process_time() - started < 0.5


@pytest.mark.parametrize(
    "wrong",
    [
        {"errors": "warn"},
        {"max_shift": 2},
        {"confidence": 1},
        {"max_slower": -1},
        {"min_requests": 0},
        {"max_shares": 1},
    ],
)
def test_what_no_judge_could_do_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Judge.model_validate(wrong)
