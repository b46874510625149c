"""A rollout whose newcomer is judged at each share, by what its requests came to beside the champion's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from evergreen.core.climb import Climb
from evergreen.core.deployment import Deployment, Transition
from evergreen.core.judge.evidence import Minute
from evergreen.core.judge.settings import Judge, Ruling
from evergreen.core.judging import Held, Judging, Step, next_step, settled
from evergreen.core.ramp import Ramp
from evergreen.core.replay import Replay
from evergreen.core.rollout import roll_out
from tests.memory_endpoint import MemoryEndpoint
from tests.rollouts import INSTANCES, release
from tests.witnesses import Clock, SteadyWitness, arm, began

RULES = Judge(min_requests=300, settle_s=60, max_hold_s=600)
GO_ON, HOLD, ROLL_BACK = Ruling.GO_ON, Ruling.HOLD, Ruling.ROLL_BACK


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock.in_place_of_time(monkeypatch)


class Rolled:
    """A rollout of `b` beside champion `a`; `noted` is what was kept, in order, with the calls before it."""

    def __init__(self, witness: SteadyWitness, rules: Judge = RULES, **changes: Any) -> None:
        self.endpoint: MemoryEndpoint = changes.pop("endpoint", None) or MemoryEndpoint({"a": 100})
        self.noted: list[tuple[tuple[Transition, ...], int]] = []
        ramp = Ramp(shares=changes.pop("shares", (10, 50)), hold_s=changes.pop("hold_s", 60))
        judging = Judging(rules, "a", witness, lambda: Replay(INSTANCES, "2 kept rows"))
        self.release = replace(release("b"), ramp=ramp, champion="a", judging=judging, note=self.note, **changes)

    def note(self, shares: tuple[Transition, ...]) -> None:
        self.noted.append((shares, sum(call.startswith("set_traffic") for call in self.endpoint.calls)))

    def run(self) -> Deployment:
        return roll_out(self.endpoint, self.release, "a", lambda: None)


def test_a_good_newcomer_gets_all_traffic_after_enough_requests_at_each_share(clock: Clock) -> None:
    deployment = Rolled(SteadyWitness(clock)).run()
    assert (deployment.outcome, deployment.traffic) == ("live", {"a": 0, "b": 100})
    assert [(one.share, one.by) for one in deployment.transitions] == [(10, "requests"), (50, "requests")]
    for share in deployment.transitions:
        assert share.judgement is not None
        assert share.judgement.ruling is GO_ON
        assert share.until is not None
        assert (
            180 <= (share.until - share.since).total_seconds() <= 245
        )  # a minute to settle, two to reach 300 requests
    assert deployment.transitions[1].judgement.newcomer_requests >= 800  # type: ignore[union-attr]  # of the whole ramp


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        ({"newcomer": arm(200, errors=40)}, "errors"),
        ({"newcomer": arm(200, latency_ms=40)}, "latency"),
        ({"newcomer": arm(200, label="sport")}, "collapse"),
    ],
)
def test_a_faulty_newcomer_is_taken_back_at_the_first_share(clock: Clock, fault: dict[str, Any], rule: str) -> None:
    deployment = Rolled(SteadyWitness(clock, **fault)).run()
    assert (deployment.outcome, deployment.traffic) == ("rolled_back", {"a": 100})
    assert "the judge takes it back at 10 % of the traffic" in deployment.message
    (share,) = deployment.transitions
    assert share.judgement is not None
    assert [found.rule for found in share.judgement.findings if found.ruling is ROLL_BACK] == [rule]


def test_a_dry_run_tells_and_decides_nothing(clock: Clock) -> None:
    rules = RULES.model_copy(update={"errors": "dry_run"})
    deployment = Rolled(SteadyWitness(clock, newcomer=arm(200, errors=40)), rules).run()
    assert deployment.outcome == "live"
    judgement = deployment.transitions[-1].judgement
    assert judgement is not None
    assert [(found.rule, found.ruling) for found in judgement.findings if found.dry_run] == [("errors", ROLL_BACK)]


def test_each_share_is_noted_before_the_traffic_moves(clock: Clock) -> None:
    rolled = Rolled(SteadyWitness(clock))
    deployment = rolled.run()
    opened = [(shares[-1].share, moved) for shares, moved in rolled.noted if shares[-1].judgement is None]
    assert opened[0] == (10, 0)
    assert (50, 1) in opened
    assert rolled.noted[-1][0] == deployment.transitions


def test_the_clock_of_a_share_starts_at_the_newcomers_first_request(clock: Clock) -> None:
    rules = RULES.model_copy(update={"on_no_traffic": "hold"})
    deployment = Rolled(SteadyWitness(clock, starts=30), rules, shares=(10,)).run()
    (share,) = deployment.transitions
    assert share.until is not None
    assert began(31) < share.until < began(34)


def test_too_few_requests_are_held_for_and_then_end_as_is_configured(clock: Clock) -> None:
    outcomes = {}
    for ending in ("go_on", "roll_back"):
        rules = RULES.model_copy(update={"on_inconclusive": ending})
        deployment = Rolled(SteadyWitness(clock, arm(2), arm(18)), rules, shares=(10,)).run()
        outcomes[ending] = deployment.outcome
        (share,) = deployment.transitions
        assert share.until is not None
        assert 600 <= (share.until - share.since).total_seconds() <= 670
        assert f"rollout.judge.on_inconclusive is {ending}" in share.message
    assert outcomes == {"go_on": "live", "roll_back": "rolled_back"}


def test_inconclusive_evidence_can_be_waited_for(clock: Clock) -> None:
    rules = RULES.model_copy(update={"on_inconclusive": "hold", "max_hold_s": 0})
    deployment = Rolled(SteadyWitness(clock, newcomer=arm(30)), rules, shares=(10,)).run()
    assert deployment.outcome == "live"
    assert clock.minutes > 10


def test_without_traffic_kept_rows_are_asked_of_both_versions_once_a_ramp(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    rolled = Rolled(SteadyWitness(clock, starts=10**6))
    deployment = rolled.run()
    assert deployment.outcome == "live"
    assert [share.by for share in deployment.transitions] == ["replay", "replay"]
    assert "no request came in 65 s, 2 kept rows were replayed" in deployment.transitions[0].message
    asked = {version: rolled.endpoint.calls.count(f"predict {version}") for version in "ab"}
    assert asked["a"] >= 300
    assert asked["b"] == asked["a"] + 1  # the smoke test before the ramp


def test_a_newcomer_that_answers_no_replayed_row_is_taken_back(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    from evergreen.core import replay
    from evergreen.core.errors import EndpointError

    monkeypatch.setattr(replay, "MOST_S", 0.2)
    rolled = Rolled(SteadyWitness(clock, starts=10**6), shares=(10,))
    predict = rolled.endpoint.predict

    def fails(instances: Any, version: str | None = None, **how: bool) -> Any:
        if version == "b" and rolled.endpoint.traffic["b"]:
            raise EndpointError("it fell over")
        return predict(instances, version, **how)

    monkeypatch.setattr(rolled.endpoint, "predict", fails)
    deployment = rolled.run()
    assert (deployment.outcome, deployment.traffic) == ("rolled_back", {"a": 100})
    assert "2 kept rows were replayed: none of which it answers" in deployment.transitions[0].message


def test_a_share_that_is_held_for_less_than_a_minute_is_not_taken_for_one_without_traffic(clock: Clock) -> None:
    deployment = Rolled(SteadyWitness(clock), hold_s=0).run()
    assert [share.by for share in deployment.transitions] == ["requests", "requests"]


def test_without_traffic_the_newcomer_may_proceed(clock: Clock) -> None:
    rules = RULES.model_copy(update={"on_no_traffic": "proceed"})
    deployment = Rolled(SteadyWitness(clock, starts=10**6), rules).run()
    assert deployment.outcome == "live"
    assert {share.message for share in deployment.transitions} == {
        "no request came in 65 s; rollout.judge.on_no_traffic is proceed"
    }


def test_a_log_that_cannot_be_read_takes_no_share_back_and_holds_none_for_ever(clock: Clock) -> None:
    deployment = Rolled(SteadyWitness(clock, broken="BigQuery is away"), shares=(10,)).run()
    assert deployment.outcome == "live"
    assert "inconclusive after 600 s (BigQuery is away)" in deployment.transitions[0].message


def test_a_ramp_that_was_cut_off_goes_on_with_its_evidence(clock: Clock) -> None:
    clock.at_s += 600
    begun = (
        Transition(share=10, since=began(0), until=began(4)),
        Transition(share=50, since=began(4)),
    )
    rolled = Rolled(SteadyWitness(clock), begun=begun, endpoint=MemoryEndpoint({"a": 50, "b": 50}))
    deployment = rolled.run()
    assert [(share.share, share.since) for share in deployment.transitions] == [(10, began(0)), (50, began(4))]
    assert clock.sleeps == []  # the requests of the time without a controller are in the log
    assert deployment.transitions[1].judgement is not None
    assert deployment.transitions[1].judgement.newcomer_requests >= 1000


def test_who_takes_over_asks_nothing_that_the_log_would_take_for_a_clients_request(clock: Clock) -> None:
    rules = RULES.model_copy(update={"on_no_traffic": "proceed"})
    rolled = Rolled(
        SteadyWitness(clock, starts=10**6),
        rules,
        shares=(10,),
        begun=(Transition(share=10, since=began()),),
        endpoint=MemoryEndpoint({"a": 90, "b": 10}),
    )
    assert rolled.run().outcome == "live"
    assert rolled.endpoint.calls.count("predict None") == 1  # once it has all the traffic


def test_a_share_that_was_noted_and_never_given_begins_anew(clock: Clock) -> None:
    clock.at_s += 120
    noted: list[tuple[Transition, ...]] = []
    climb = Climb(0, [Transition(share=10, since=began()), Transition(share=50, since=began(1))], noted.append)
    climb.shares[0] = climb.shares[0].model_copy(update={"until": began(1)})
    climb.enter(50, has=10)
    assert [share.share for share in climb.shares] == [10, 50]
    assert climb.shares[1].since == began(2)
    assert noted == [tuple(climb.shares)]


def test_what_was_told_is_asked_for_again_for_a_while_only(clock: Clock) -> None:
    witness = SteadyWitness(clock, newcomer=arm(5))
    Rolled(witness, RULES.model_copy(update={"max_hold_s": 3600}), shares=(10,)).run()
    assert witness.asked[0] == began()
    assert (began(clock.minutes) - witness.asked[-1]).total_seconds() <= 18 * 60


def test_the_first_minute_after_a_change_of_share_does_not_count() -> None:
    minutes = [Minute(start=began(number), newcomer=arm(1), champion=arm(1)) for number in range(8)]
    lonely = Minute(start=began(8), newcomer=arm(1), champion=arm(0))
    shares = [Transition(share=10, since=began(0)), Transition(share=50, since=began(4.5))]
    assert [minute.start for minute in settled([*minutes, lonely], shares, 60, 60)] == [
        began(number) for number in (1, 2, 3, 6, 7)
    ]


@pytest.mark.parametrize(
    ("held", "ruling", "changes", "expected"),
    [
        (Held(5, None), None, {}, Step.WAIT),
        (Held(62, None), None, {}, Step.REPLAY),
        (Held(62, None), None, {"on_no_traffic": "proceed"}, Step.GO_ON),
        (Held(10**6, None), None, {"on_no_traffic": "hold"}, Step.WAIT),
        (Held(20, 10, 500), GO_ON, {}, Step.WAIT),
        (Held(70, 60, 500), GO_ON, {}, Step.GO_ON),
        (Held(70, 60, 299), GO_ON, {}, Step.WAIT),
        (Held(70, 60, 0), None, {}, Step.WAIT),
        (Held(20, 10, 500), ROLL_BACK, {}, Step.ROLL_BACK),
        (Held(20, None, 0), ROLL_BACK, {}, Step.ROLL_BACK),
        (Held(700, 600, 10), HOLD, {}, Step.GO_ON),
        (Held(700, 600, 10), HOLD, {"on_inconclusive": "roll_back"}, Step.ROLL_BACK),
        (Held(700, 600, 10), HOLD, {"on_inconclusive": "hold"}, Step.WAIT),
        (Held(700, 600, 900), Ruling.INCONCLUSIVE, {"on_inconclusive": "roll_back"}, Step.ROLL_BACK),
    ],
)
def test_what_follows_of_a_ruling(held: Held, ruling: Ruling | None, changes: dict[str, Any], expected: Step) -> None:
    assert next_step(RULES.model_copy(update=changes), 60, 2, held, ruling) is expected
