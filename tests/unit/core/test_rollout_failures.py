"""Every failure of every verb, against an endpoint in memory that honours the protocol's contract."""

from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.core.answers import Predictions
from evergreen.core.errors import EndpointError
from evergreen.core.rollout import roll_out, smoke_test
from tests.memory_endpoint import MemoryEndpoint
from tests.rollouts import INSTANCES, VERBS, put_live, release


def test_an_old_version_that_will_not_stop_does_not_undo_the_rollout() -> None:
    endpoint = MemoryEndpoint({"a": 0, "b": 100}, {"undeploy": EndpointError("still draining")})
    deployment = put_live(endpoint, "c", previous="b")
    assert (deployment.outcome, deployment.version) == ("live", "c")
    assert "version a could not be undeployed: still draining" in deployment.message


@pytest.mark.parametrize(
    ("before", "verb"), list(product([{}, {"a": 100}, {"z": 0, "a": 100}, {"z": 30, "a": 70}], VERBS))
)
@pytest.mark.parametrize("error", [EndpointError("out of memory"), KeyboardInterrupt()])
def test_a_failure_of_any_verb_leaves_the_endpoint_as_it_was(
    before: dict[str, int], verb: str, error: BaseException
) -> None:
    endpoint = MemoryEndpoint(before, {verb: error})
    if isinstance(error, KeyboardInterrupt):
        with pytest.raises(KeyboardInterrupt):
            put_live(endpoint, "b", previous="a")
    else:
        deployment = put_live(endpoint, "b", previous="a")
        assert (deployment.outcome, deployment.tried) == ("rolled_back", "b")
        assert deployment.version == ("a" if before else None)
        assert "out of memory" in deployment.message
    assert endpoint.traffic == before
    assert endpoint.ready == set(before)
    assert not endpoint.unserved


@pytest.mark.parametrize("failing", ["before", "after"])
def test_a_traffic_change_that_fails_before_or_after_it_took_effect_is_undone(failing: str) -> None:
    endpoint = MemoryEndpoint({"a": 100}, {"set_traffic": failing})
    assert put_live(endpoint, "b").outcome == "rolled_back"
    assert endpoint.traffic == {"a": 100}


@pytest.mark.parametrize(
    "answer",
    [[], [{"label": "x"}], [{}, {}], ["x", "y"], [{"score": float("nan")}] * 2, [{"score": object()}] * 2],
)
def test_malformed_predictions_keep_a_version_out(answer: list[Any]) -> None:
    endpoint = MemoryEndpoint({"a": 100}, {"predict": answer})
    assert put_live(endpoint, "b").outcome == "rolled_back"
    assert endpoint.traffic == {"a": 100}


def test_a_failed_smoke_test_names_version_and_instance() -> None:
    endpoint = MemoryEndpoint({"a": 100}, {"predict": [{"label": "x"}, {}]})
    with pytest.raises(EndpointError, match=r"version a answered instances\[1\] with \{\}"):
        smoke_test(endpoint, INSTANCES, "a")


def test_a_version_that_lost_its_workers_is_restored() -> None:
    endpoint = MemoryEndpoint({"a": 0, "b": 100})
    endpoint.die()
    deployment = put_live(endpoint, "b", previous="a")
    assert deployment.outcome == "live"
    assert "serves again" in deployment.message
    assert "b" in endpoint.ready


def test_a_version_that_cannot_be_restored_is_told_and_keeps_its_traffic() -> None:
    endpoint = MemoryEndpoint({"b": 100}, {"deploy": EndpointError("port 8501 is taken")})
    endpoint.die()
    deployment = put_live(endpoint, "b")
    assert deployment.outcome == "rolled_back"
    assert "could not be brought back: port 8501 is taken" in deployment.message
    assert "b 100 % (does not answer)" in deployment.message
    assert endpoint.traffic == {"b": 100}
    assert "on_live" not in endpoint.calls


def test_a_dead_champion_is_restored_when_its_challenger_fails() -> None:
    endpoint = MemoryEndpoint({"a": 100}, {"upload": EndpointError("disk full")})
    endpoint.die()
    assert put_live(endpoint, "b").outcome == "rolled_back"
    assert endpoint.ready == {"a"}


def test_an_endpoint_that_cannot_be_set_back_says_so() -> None:
    class Stuck(MemoryEndpoint):
        def undeploy(self, version: str) -> None:
            raise EndpointError(f"no answer from {version}")

    endpoint = Stuck({"a": 100}, {"predict": []})
    with pytest.raises(EndpointError, match=r"could not be set back to \{'a': 100\}: no answer from b"):
        put_live(endpoint, "b")


@pytest.mark.parametrize("before", [{}, {"a": 100}])
def test_a_version_that_cannot_be_fetched_is_kept_out(before: dict[str, int]) -> None:
    def unfit() -> Path:
        raise EndpointError("the server breaks its contract")

    endpoint = MemoryEndpoint(before)
    endpoint.die()
    deployment = roll_out(endpoint, release("b", unfit), "a", lambda: None)
    assert (deployment.outcome, deployment.traffic) == ("rolled_back", before)
    assert "breaks its contract" in deployment.message
    assert endpoint.ready == set(before)


@pytest.mark.parametrize("broken", ["upload", "predict"])
def test_a_dead_endpoint_survives_a_challenger_that_fails(broken: str) -> None:
    endpoint = MemoryEndpoint({"s": 0, "a": 100}, {broken: EndpointError("no")})
    endpoint.die()
    assert put_live(endpoint, "b", previous="s").outcome == "rolled_back"
    assert endpoint.traffic == {"s": 0, "a": 100}
    assert "a" in endpoint.ready
    assert "delete" not in endpoint.calls


def test_a_standby_that_fails_is_left_deployed() -> None:
    endpoint = MemoryEndpoint({"s": 0, "a": 100})
    endpoint.ready.discard("s")
    endpoint.broken.add("s")
    assert put_live(endpoint, "s", previous="a").outcome == "rolled_back"
    assert endpoint.traffic == {"s": 0, "a": 100}


def test_an_endpoint_that_held_idle_versions_is_never_deleted() -> None:
    class NoPublicRoute(MemoryEndpoint):
        def predict(self, instances: Any, version: str | None = None, *, logged: bool = True) -> Predictions:
            if version is None:
                raise EndpointError("no route")
            return super().predict(instances, version, logged=logged)

    endpoint = NoPublicRoute({"s": 0})
    with pytest.raises(EndpointError, match="could not be set back"):
        put_live(endpoint, "b")
    assert "delete" not in endpoint.calls
    assert "s" in endpoint.ready


def test_ctrl_c_while_old_versions_drain_comes_after_the_record_was_told() -> None:
    endpoint = MemoryEndpoint({"x": 0, "a": 100}, {"undeploy": KeyboardInterrupt()})
    with pytest.raises(KeyboardInterrupt):
        put_live(endpoint, "b", previous="a")
    assert endpoint.calls[-2:] == ["on_live", "undeploy x"]
    assert endpoint.traffic["b"] == 100


@pytest.mark.parametrize("error", [EndpointError("store is down"), OSError("store is down"), KeyboardInterrupt()])
def test_a_record_that_cannot_be_told_undoes_the_switch(error: BaseException) -> None:
    def fails() -> None:
        raise error

    endpoint = MemoryEndpoint({"a": 100})
    if isinstance(error, EndpointError):
        deployment = roll_out(endpoint, release("b"), "a", fails)
        assert (deployment.outcome, deployment.version) == ("rolled_back", "a")
    else:
        with pytest.raises(type(error)):
            roll_out(endpoint, release("b"), "a", fails)
    assert endpoint.traffic == {"a": 100}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([None, *VERBS]), st.booleans()), max_size=6))
def test_whatever_fails_or_dies_the_champion_of_the_record_has_the_traffic(
    steps: list[tuple[str, str | None, bool]],
) -> None:
    endpoint = MemoryEndpoint()
    crowned: list[str] = []
    champion: str | None = None
    previous: str | None = None
    for version, verb, dies in steps:
        endpoint.fail = {verb: EndpointError("no")} if verb else {}
        endpoint.unserved.clear()
        if dies:
            endpoint.die()
        was_served = champion in endpoint.ready
        kept = previous if version == champion else champion
        deployment = roll_out(endpoint, release(version), kept, partial(crowned.append, version))
        if deployment.outcome != "rolled_back" and version != champion:
            champion, previous = version, champion
        assert crowned[-1:] == ([champion] if champion else [])
        assert deployment.version == champion
        assert {version for version, percent in endpoint.traffic.items() if percent} == (
            {champion} if champion else set()
        )
        assert set(endpoint.traffic) <= {champion, previous}
        assert champion is None or verb == "deploy" or champion in endpoint.ready
        assert not was_served or not endpoint.unserved
