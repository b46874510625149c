"""What comes of copies of requests, and a rollout that has a newcomer get them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.core.deployment import Deployment, EndpointStatus
from evergreen.core.ramp import Ramp
from evergreen.core.rollout import roll_out
from evergreen.core.shadow import Shadow, ShadowReport, Tally, agreements, least_share
from tests.memory_endpoint import MemoryEndpoint
from tests.rollouts import release

PLAN = Shadow(share=0.5, for_s=0.01)


@pytest.mark.parametrize(
    ("one", "other", "agreement"),
    [
        ({"label": "sport", "score": 0.9}, {"label": "sport", "score": 0.6}, 1.0),
        ({"label": "sport", "score": 0.9}, {"label": "business", "score": 0.9}, 0.0),
        ({"mask": "a", "shares": {"cat": 0.4, "sky": 0.6}}, {"mask": "b", "shares": {"cat": 0.1, "sky": 0.9}}, 0.7),
        ({"shares": {"cat": 1.0}}, {"shares": {"dog": 1.0}}, 0.0),
        ({"value": 3.0}, {"value": 3.0}, 1.0),
        ({"value": 3.0}, {"value": 3.1}, 0.0),
        ("a", {"label": "a"}, 0.0),
    ],
)
def test_predictions_agree_by_label_by_shares_or_not_at_all(one: object, other: object, agreement: float) -> None:
    assert agreements([one], [other]) == [pytest.approx(agreement)]


def test_a_prediction_that_is_missing_agrees_with_none() -> None:
    assert agreements([{"label": "a"}, {"label": "a"}], [{"label": "a"}]) == [1.0, 0.0]


@given(st.integers(1, 10_000).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_the_least_share_lies_below_what_was_found(counts: tuple[int, int]) -> None:
    found, of = counts
    assert 0 <= least_share(found, of) <= found / of


def test_the_least_share_is_wilsons() -> None:
    assert least_share(0, 0) == 0
    assert least_share(10, 100) == pytest.approx(0.0552, abs=1e-4)  # by R's prop.test(10, 100, correct = FALSE)


def test_a_tally_tells_agreement_and_latency_within_a_bucket() -> None:
    tally = Tally("b")
    for number in range(100):
        tally.answered([1.0, float(number % 2)], newcomer_ms=20.0 if number < 90 else 200.0, other_ms=10.0)
    tally.failed()
    tally.dropped += 3
    report = tally.report()
    assert (report.copies, report.failed, report.dropped, report.instances) == (101, 1, 3, 200)
    assert report.agreement == pytest.approx(0.75)
    assert report.newcomer is not None
    assert report.others is not None
    assert (report.newcomer.median_ms, report.newcomer.p95_ms) == pytest.approx((20, 200), rel=0.05)
    assert (report.others.median_ms, report.others.p95_ms) == pytest.approx((10, 10), rel=0.05)


def test_latencies_beyond_the_buckets_fall_into_the_last_ones() -> None:
    tally = Tally("b")
    tally.answered([1.0], newcomer_ms=1e9, other_ms=0.0)
    report = tally.report()
    assert report.newcomer is not None
    assert report.newcomer.median_ms > 90_000


@pytest.mark.parametrize(
    ("failed", "copies", "kept_out"), [(0, 0, False), (1, 20, False), (6, 80, False), (8, 80, True), (3, 3, True)]
)
def test_only_who_certainly_fails_too_much_is_kept_out(failed: int, copies: int, kept_out: bool) -> None:
    reason = ShadowReport(version="b", copies=copies, failed=failed).refusal(Shadow())
    assert (reason is not None) == kept_out


def put_live(endpoint: MemoryEndpoint, plan: Shadow | None = PLAN, version: str = "b") -> Deployment:
    ramp = Ramp(shares=(5,), hold_s=0, shadow=plan)
    return roll_out(endpoint, replace(release(version), ramp=ramp), "a", lambda: endpoint.calls.append("on_live"))


def test_a_newcomer_is_a_shadow_before_its_first_share_and_what_came_of_it_is_told() -> None:
    endpoint = MemoryEndpoint({"a": 100})
    endpoint.shadowed = ShadowReport(version="", copies=40, instances=40, agreement=0.9)
    deployment = put_live(endpoint)
    assert endpoint.calls[2:6] == ["predict b", "shadow b", "end shadow b", "set_traffic {'b': 5, 'a': 95}"]
    assert deployment.shadow == ShadowReport(version="b", copies=40, instances=40, agreement=0.9)
    assert (deployment.outcome, endpoint.status().shadow) == ("live", None)


def test_a_newcomer_that_fails_as_a_shadow_gets_no_traffic() -> None:
    endpoint = MemoryEndpoint({"a": 100})
    endpoint.shadowed = ShadowReport(version="", copies=40, failed=20)
    deployment = put_live(endpoint)
    assert (deployment.outcome, deployment.traffic) == ("rolled_back", {"a": 100})
    assert "failed 20 of 40 copies" in deployment.message
    assert deployment.shadow is not None
    assert deployment.shadow.failed == 20
    assert not any("set_traffic" in call for call in endpoint.calls)
    assert endpoint.copied is None


def test_a_newcomer_that_dies_as_a_shadow_gets_no_traffic() -> None:
    endpoint = MemoryEndpoint({"a": 100})

    class Dying(MemoryEndpoint):
        def status(self) -> EndpointStatus:
            if self.copied:
                self.ready.discard(self.copied)
            return super().status()

    endpoint = Dying({"a": 100})
    assert "stopped answering while it got copies" in put_live(endpoint).message
    assert endpoint.calls[-2:] == ["end shadow b", "undeploy b"]


def test_traffic_that_somebody_moves_meanwhile_stays_as_they_chose() -> None:
    class Moved(MemoryEndpoint):
        def status(self) -> EndpointStatus:
            if self.copied:
                self.traffic = {"a": 60, "c": 40, "b": 0}
            return super().status()

    endpoint = Moved({"a": 100, "c": 0})
    assert put_live(endpoint).traffic == {"a": 60, "c": 40}


@pytest.mark.parametrize("traffic", [{}, {"a": 90, "b": 10}])
def test_without_another_who_answers_or_with_traffic_already_there_is_no_shadow(traffic: dict[str, int]) -> None:
    endpoint = MemoryEndpoint(traffic)
    assert put_live(endpoint).shadow is None
    assert "shadow b" not in endpoint.calls


def test_without_a_plan_nothing_is_asked_for() -> None:
    endpoint = MemoryEndpoint({"a": 100})
    assert put_live(endpoint, None).shadow is None
    assert "shadow b" not in endpoint.calls
