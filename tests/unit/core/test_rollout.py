"""What a rollout does to an endpoint in memory that honours the protocol's contract."""

from dataclasses import replace

import pytest

from evergreen.core.errors import BusyError, EndpointError
from evergreen.core.rollout import Release, roll_out
from tests.memory_endpoint import MemoryEndpoint
from tests.rollouts import INSTANCES, no_fetch, put_live, release


def test_the_first_version_goes_straight_to_all_traffic() -> None:
    endpoint = MemoryEndpoint()
    deployment = put_live(endpoint, "a")
    assert (deployment.outcome, deployment.version, deployment.traffic) == ("live", "a", {"a": 100})
    assert deployment.url == "http://127.0.0.1:8501"


def test_a_later_version_answers_at_no_traffic_before_it_gets_all() -> None:
    endpoint = MemoryEndpoint({"a": 100})
    deployment = put_live(endpoint, "b", previous="a")
    assert endpoint.calls == ["upload b", "deploy b", "predict b", "set_traffic {'b': 100}", "predict None", "on_live"]
    assert (deployment.outcome, deployment.traffic) == ("live", {"a": 0, "b": 100})


def test_what_a_rollout_asks_itself_is_in_no_request_log() -> None:
    endpoint = MemoryEndpoint({"a": 100})
    put_live(endpoint, "b", previous="a", shares=(10, 50))
    endpoint.outdated = ("b",)
    assert "renewed" in put_live(endpoint, "b", previous="a").message
    assert endpoint.calls.count("predict None") == 4
    assert endpoint.noted == 0


def test_a_proven_version_that_is_ready_is_asked_by_the_public_route_alone() -> None:
    endpoint = MemoryEndpoint({"a": 0, "b": 100})
    proven = replace(release("a"), proven=True)
    assert roll_out(endpoint, proven, "b", lambda: None).traffic == {"a": 100, "b": 0}
    assert [call for call in endpoint.calls if call.startswith("predict")] == ["predict None"]


def test_a_proven_version_that_is_not_ready_is_asked_before_it_gets_traffic() -> None:
    endpoint = MemoryEndpoint({"a": 0, "b": 100})
    endpoint.ready.discard("a")
    roll_out(endpoint, replace(release("a"), proven=True), "b", lambda: None)
    assert endpoint.calls.index("predict a") < endpoint.calls.index("set_traffic {'a': 100}")


def test_only_the_previous_version_is_kept_beside_the_champion() -> None:
    endpoint = MemoryEndpoint({"x": 0, "a": 0, "b": 100})
    assert put_live(endpoint, "c", previous="b").traffic == {"b": 0, "c": 100}


def test_the_version_that_is_live_and_well_is_not_touched() -> None:
    endpoint = MemoryEndpoint({"a": 0, "b": 100})
    deployment = put_live(endpoint, "b", previous="a")
    assert (deployment.outcome, deployment.version) == ("kept", "b")
    assert endpoint.calls == ["on_live"]


def test_rolling_out_the_previous_version_brings_it_back_and_keeps_the_other() -> None:
    endpoint = MemoryEndpoint({"a": 0, "b": 100})
    assert put_live(endpoint, "a", previous="b").traffic == {"a": 100, "b": 0}


def test_a_release_without_smoke_instances_is_refused() -> None:
    with pytest.raises(ValueError, match="version b has no smoke instances"):
        Release(model="news", version="b", fetch=no_fetch, smoke=())


@pytest.mark.parametrize("before", [{"a": 0, "b": 100}, {"a": 100, "b": 0}])
def test_a_version_that_the_endpoint_has_is_not_fetched_again(before: dict[str, int]) -> None:
    endpoint = MemoryEndpoint(before)
    endpoint.die()
    assert roll_out(endpoint, release("b", no_fetch), "a", lambda: None).traffic == {"a": 0, "b": 100}


def test_a_deployed_version_whose_files_are_gone_is_fetched() -> None:
    endpoint = MemoryEndpoint({"b": 100})
    endpoint.die()
    endpoint.uploaded.clear()
    assert put_live(endpoint, "b").outcome == "live"


def test_the_endpoint_is_live_when_the_record_is_told_and_not_yet_tidied() -> None:
    endpoint = MemoryEndpoint({"x": 0, "a": 100})
    seen: list[dict[str, int]] = []
    roll_out(endpoint, release("b"), "a", lambda: seen.append(dict(endpoint.traffic)))
    assert seen == [{"x": 0, "a": 0, "b": 100}]


def test_the_page_of_a_live_version_offers_what_it_was_asked_before() -> None:
    endpoint = MemoryEndpoint({"a": 100})
    put_live(endpoint, "b")
    assert endpoint.offered == {"b": INSTANCES}
    put_live(endpoint, "b")
    assert endpoint.offered == {"b": INSTANCES}


def test_examples_that_cannot_be_kept_are_only_told() -> None:
    endpoint = MemoryEndpoint({"a": 100}, {"offer": EndpointError("no space left")})
    deployment = put_live(endpoint, "b")
    assert deployment.outcome == "live"
    assert "its page offers no examples: no space left" in deployment.message


def test_a_version_that_another_run_holds_is_only_told() -> None:
    endpoint = MemoryEndpoint({"x": 0, "a": 100}, {"undeploy": BusyError("another run is changing the endpoint")})
    deployment = put_live(endpoint, "b", previous="a")
    assert deployment.outcome == "live"
    assert "version x could not be undeployed: another run" in deployment.message


@pytest.mark.parametrize("breaks", [False, True])
def test_an_outdated_version_is_renewed_and_serves_on_when_that_fails(breaks: bool) -> None:
    endpoint = MemoryEndpoint({"a": 100})
    endpoint.outdated = ("a",)
    if breaks:
        endpoint.fail["renew"] = EndpointError("a slip")
    deployment = put_live(endpoint, "a")
    assert endpoint.calls[:2] == ["upload a", "renew a"]
    assert endpoint.outdated == (("a",) if breaks else ())
    assert (deployment.version, deployment.traffic) == ("a", {"a": 100})
    sentence = (
        "could not be renewed and serves on with older code: a slip" if breaks else "ran older code and was renewed"
    )
    assert sentence in deployment.message
    assert deployment.outcome == ("rolled_back" if breaks else "live")
    assert endpoint.unserved == []


def test_a_successor_gets_the_traffic_only_after_it_was_asked() -> None:
    endpoint = MemoryEndpoint({"a": 100})
    endpoint.outdated = ("a",)
    put_live(endpoint, "a")
    assert endpoint.calls == ["upload a", "renew a", "predict a", "switch a", "predict None", "on_live"]


def test_a_successor_that_answers_wrongly_gets_no_traffic_and_is_stopped() -> None:
    endpoint = MemoryEndpoint({"a": 100}, {"predict": [{"score": float("nan")}] * 2})
    endpoint.outdated = ("a",)
    assert put_live(endpoint, "a").outcome == "rolled_back"
    assert "switch a" not in endpoint.calls
    assert (endpoint.outdated, endpoint.successors) == (("a",), set())


def test_an_outdated_version_that_is_dead_serves_again_even_where_its_renewal_fails() -> None:
    endpoint = MemoryEndpoint({"a": 100}, {"renew": EndpointError("the new image does not start")})
    endpoint.outdated = ("a",)
    endpoint.die()
    deployment = put_live(endpoint, "a")
    assert (deployment.outcome, endpoint.ready) == ("rolled_back", {"a"})
    assert "could not be renewed and serves on with older code: the new image" in deployment.message


@pytest.mark.parametrize("version", ["a", "b"])
def test_neither_a_canary_nor_its_withdrawal_renews_a_champion(version: str) -> None:
    endpoint = MemoryEndpoint({"a": 90, "b": 10})
    endpoint.outdated = ("a",)
    deployment = roll_out(endpoint, replace(release(version), champion="a", proven=version == "a"), "a", lambda: None)
    assert (deployment.outcome, deployment.traffic[version]) == ("live", 100)
    assert endpoint.outdated == ("a",)
    assert not {"renew a", "switch a"} & set(endpoint.calls)


@pytest.mark.parametrize("clears", [True, False])
def test_a_rollout_begins_by_stopping_what_a_renewal_left_and_goes_on_where_it_cannot(clears: bool) -> None:
    endpoint = MemoryEndpoint({"a": 100}, {} if clears else {"clear": EndpointError("not now")})
    endpoint.successors = {"a"}
    assert put_live(endpoint, "b", previous="a").traffic == {"a": 0, "b": 100}
    assert endpoint.calls[0] == "clear None"
    assert endpoint.successors == (set() if clears else {"a"})
