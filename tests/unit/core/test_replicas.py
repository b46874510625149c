"""How many replicas a share of the traffic takes, and that a version has them before it gets the share."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.core.errors import EndpointError
from evergreen.core.judge.settings import Judge
from evergreen.core.judging import Judging
from evergreen.core.ramp import Ramp
from evergreen.core.replay import Replay
from evergreen.core.replicas import relax, replicas_for
from evergreen.core.rollout import roll_out
from tests.memory_endpoint import MemoryEndpoint
from tests.rollouts import INSTANCES, put_live, release
from tests.witnesses import Clock, SteadyWitness, arm


@pytest.mark.parametrize(
    ("percent", "traffic", "replicas", "needed"),
    [
        (50, {"a": 100, "b": 0}, {"a": 4, "b": 1}, 2),
        (5, {"a": 100, "b": 0}, {"a": 4, "b": 1}, 1),
        (100, {"a": 100}, {"a": 4}, 4),
        (25, {"a": 100}, {"a": 5}, 2),  # 1.25
        (50, {"a": 75, "b": 25}, {"a": 3, "b": 1}, 2),
        (100, {"a": 10, "b": 90}, {"a": 1, "b": 4}, 5),  # `a` is at its least, and says nothing
        (100, {"a": 50, "b": 50}, {"a": 4, "b": 2}, 4),  # `a` has not shrunk yet
        (50, {"a": 60, "c": 40}, {"a": 3, "c": 2}, 3),
        (30, {"a": 70, "b": 30}, {"a": 7, "b": 3}, 3),  # no float's error makes it four
        (50, {"a": 100}, {}, 0),
        (50, {"a": 100}, {"a": 0}, 0),
        (50, {"a": 50, "b": 50}, {"b": 2}, 2),
        (100, {}, {}, 0),
    ],
)
def test_a_share_takes_its_part_of_the_replicas_that_serve_all(
    percent: int, traffic: dict[str, int], replicas: dict[str, int], needed: int
) -> None:
    assert replicas_for(percent, traffic, replicas) == needed


@given(st.integers(1, 100), st.integers(1, 100))
def test_of_one_version_with_all_the_traffic_the_part_is_exact(percent: int, replicas: int) -> None:
    needed = replicas_for(percent, {"a": 100}, {"a": replicas})
    assert (needed - 1) * 100 < percent * replicas <= needed * 100


def endpoint_of_four() -> MemoryEndpoint:
    endpoint = MemoryEndpoint({"a": 100})
    endpoint.replicas = {"a": 4}
    return endpoint


def moves(endpoint: MemoryEndpoint) -> list[str]:
    return [call for call in endpoint.calls if call.startswith(("scale", "set_traffic", "switch", "undeploy"))]


def test_replicas_come_before_each_share_and_autoscaling_decides_again_in_the_end() -> None:
    endpoint = endpoint_of_four()
    assert put_live(endpoint, "b", previous="a", shares=(10, 50)).outcome == "live"
    assert moves(endpoint) == [
        "scale b to 1",
        "set_traffic {'b': 10, 'a': 90}",
        "scale b to 3",
        "set_traffic {'b': 50, 'a': 50}",
        "scale b to 6",
        "set_traffic {'b': 100}",
        "scale a to least",
        "scale b to least",
    ]


def test_a_host_that_counts_no_replicas_is_asked_for_none() -> None:
    endpoint = MemoryEndpoint({"a": 100})
    assert put_live(endpoint, "b", previous="a", shares=(50,)).outcome == "live"
    assert not [call for call in endpoint.calls if call.startswith("scale")]


def test_a_first_version_waits_for_nothing() -> None:
    endpoint = MemoryEndpoint()
    endpoint.replicas = {"b": 1}
    assert put_live(endpoint, "b", shares=(50,)).outcome == "live"
    assert moves(endpoint) == ["set_traffic {'b': 100}", "scale b to least"]


def test_a_version_waits_at_its_share_until_the_replicas_for_more_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint, slept = endpoint_of_four(), list[float]()
    endpoint.starting = 2
    monkeypatch.setattr(time, "sleep", slept.append)
    assert put_live(endpoint, "b", previous="a", shares=(50,)).outcome == "live"
    assert moves(endpoint)[:4] == [*["scale b to 2"] * 3, "set_traffic {'b': 50, 'a': 50}"]
    assert len(slept) == 2


def test_a_version_that_does_not_get_its_replicas_does_not_get_the_share() -> None:
    endpoint = endpoint_of_four()
    endpoint.fail["scale"] = EndpointError("no machine is left")
    deployment = put_live(endpoint, "b", previous="a", shares=(50,))
    assert (deployment.outcome, deployment.traffic) == ("rolled_back", {"a": 100})
    assert "version b was not put live: no machine is left" in deployment.message
    assert not [call for call in endpoint.calls if call.startswith("set_traffic")]


def test_a_version_that_dies_while_its_replicas_start_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = endpoint_of_four()
    endpoint.starting = 1000
    monkeypatch.setattr(time, "sleep", lambda _: endpoint.ready.discard("b"))
    deployment = put_live(endpoint, "b", previous="a", shares=(50,))
    assert deployment.outcome == "rolled_back"
    assert "stopped answering at 0 % of the traffic" in deployment.message


def test_a_version_is_judged_on_while_it_waits_for_replicas(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock.in_place_of_time(monkeypatch)
    endpoint = endpoint_of_four()
    scale = endpoint.scale
    witness = SteadyWitness(clock)

    def worsens(version: str, replicas: int | None) -> bool:
        if replicas is not None and replicas > 1:
            endpoint.starting = 1000
            witness.newcomer = arm(200, errors=100)
        return scale(version, replicas)

    endpoint.scale = worsens  # type: ignore[method-assign]
    judging = Judging(Judge(min_requests=300, settle_s=60), "a", witness, lambda: Replay(INSTANCES, "2 kept rows"))
    newcomer = replace(release("b"), ramp=Ramp(shares=(10, 50), hold_s=60), champion="a", judging=judging)
    deployment = roll_out(endpoint, newcomer, "a", lambda: None)
    assert deployment.outcome == "rolled_back"
    assert "the judge takes it back at 10 % of the traffic" in deployment.message


@pytest.mark.parametrize(("shares", "waits"), [((), False), ((50,), True)])
def test_a_version_that_has_had_all_the_traffic_gets_it_back_without_a_wait_unless_it_climbs(
    shares: tuple[int, ...], waits: bool
) -> None:
    endpoint = endpoint_of_four()
    endpoint.traffic["b"] = 0
    endpoint.ready.add("b")
    back = replace(release("b", shares=shares), proven=True)
    assert roll_out(endpoint, back, "a", lambda: None).outcome == "live"
    assert moves(endpoint)[0].startswith("scale b to 2" if waits else "set_traffic {'b': 100}")


def test_a_successor_has_the_replicas_of_the_one_that_it_follows_before_the_switch() -> None:
    endpoint = endpoint_of_four()
    endpoint.outdated = ("a",)
    assert put_live(endpoint, "a").outcome == "live"
    assert moves(endpoint) == ["scale a to 4", "switch a", "scale a to least"]


def test_replicas_that_cannot_be_given_back_are_told() -> None:
    endpoint = MemoryEndpoint({"a": 100})
    endpoint.replicas = {"a": 4}
    endpoint.fail["scale"] = EndpointError("not now")
    kept = put_live(endpoint, "a")
    assert kept.outcome == "kept"
    assert "autoscaling keeps more replicas than configured: not now" in kept.message


def test_every_version_is_given_back_to_autoscaling() -> None:
    endpoint = MemoryEndpoint({"a": 90, "b": 10})
    endpoint.replicas = {"a": 4, "b": 2}
    relax(endpoint)
    assert endpoint.calls == ["scale a to least", "scale b to least"]
