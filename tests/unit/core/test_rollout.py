"""Every failure of every verb, against an endpoint in memory that honours the protocol's contract."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.core.errors import BusyError, EndpointError
from evergreen.core.ramp import Ramp
from evergreen.core.reports import Deployment
from evergreen.core.rollout import Release, roll_out, smoke_test
from tests.memory_endpoint import MemoryEndpoint

INSTANCES = [{"text": "Shares rose."}, {"text": "A late goal."}]
VERBS = ("upload", "deploy", "predict", "set_traffic")


def release(version: str, fetch: Callable[[], Path] = lambda: Path("model"), shares: tuple[int, ...] = ()) -> Release:
    ramp = Ramp(shares=shares, hold_s=0)
    return Release(model="news", version=version, fetch=fetch, smoke=INSTANCES, ramp=ramp)


def put_live(
    endpoint: MemoryEndpoint, version: str, previous: str | None = None, shares: tuple[int, ...] = ()
) -> Deployment:
    return roll_out(endpoint, release(version, shares=shares), previous, lambda: endpoint.calls.append("on_live"))


def no_fetch() -> Path:
    raise AssertionError("the endpoint has the version")


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


def test_a_ramp_gives_each_share_before_all_and_asks_at_each() -> None:
    endpoint = MemoryEndpoint({"a": 100})
    assert put_live(endpoint, "b", previous="a", shares=(5, 50)).traffic == {"a": 0, "b": 100}
    assert endpoint.calls[3:] == [
        "set_traffic {'b': 5, 'a': 95}",
        "predict None",
        "set_traffic {'b': 50, 'a': 50}",
        "predict None",
        "set_traffic {'b': 100}",
        "predict None",
        "on_live",
    ]


@pytest.mark.parametrize("ready", [set(), {"a"}], ids=["first version", "champion that does not come up"])
def test_a_ramp_is_for_a_version_that_has_another_beside_it(ready: set[str]) -> None:
    endpoint = MemoryEndpoint(dict.fromkeys(ready, 100))
    endpoint.broken = ready
    endpoint.die()
    put_live(endpoint, "b", shares=(5, 50))
    assert [call for call in endpoint.calls if call.startswith("set_traffic")] == ["set_traffic {'b': 100}"]


def test_a_version_that_stops_answering_on_the_ramp_loses_its_share() -> None:
    endpoint = MemoryEndpoint({"a": 100})
    endpoint.dies_at = ("b", 5)
    deployment = put_live(endpoint, "b", previous="a", shares=(5, 50))
    assert (deployment.outcome, deployment.traffic) == ("rolled_back", {"a": 100})
    assert "stopped answering at 5 % of the traffic" in deployment.message


def test_a_version_that_dies_while_a_share_is_held_loses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint, clock = MemoryEndpoint({"a": 100}), [0.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds
        if clock[0] > 50:
            endpoint.ready.discard("b")

    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(time, "sleep", sleep)
    held = replace(release("b"), ramp=Ramp(shares=(5,), hold_s=120))
    deployment = roll_out(endpoint, held, "a", lambda: None)
    assert (deployment.outcome, deployment.traffic) == ("rolled_back", {"a": 100})
    assert 50 < clock[0] < 60


class SharedEndpoint(MemoryEndpoint):
    """Somebody else sets the traffic to `theirs` right after the first call of `during`."""

    def __init__(self, traffic: dict[str, int], during: str, theirs: dict[str, int]) -> None:
        super().__init__(traffic)
        self.during, self.theirs = during, theirs

    def _called(self, verb: str, version: str | None) -> None:
        super()._called(verb, version)
        if f"{verb} {version}" == self.during:
            self.during = ""
            self.traffic = {one: self.theirs.get(one, 0) for one in self.traffic}


@pytest.mark.parametrize(
    ("during", "shares"), [("deploy b", ()), ("predict b", (5,)), ("predict None", (5, 50)), ("predict None", (5,))]
)
def test_traffic_that_somebody_else_moves_meanwhile_stays_and_ends_the_rollout(
    during: str, shares: tuple[int, ...]
) -> None:
    endpoint = SharedEndpoint({"a": 100, "z": 0}, during, {"z": 100})
    deployment = put_live(endpoint, "b", previous="a", shares=shares)
    assert (deployment.outcome, deployment.traffic) == ("rolled_back", {"a": 0, "z": 100})
    assert "the traffic was moved to {'z': 100} meanwhile" in deployment.message
    assert "on_live" not in endpoint.calls


def test_a_newcomer_that_somebody_else_gave_a_share_keeps_it() -> None:
    endpoint = SharedEndpoint({"a": 100}, "predict None", {"a": 60, "b": 40})
    deployment = put_live(endpoint, "b", previous="a", shares=(5,))
    assert (deployment.outcome, deployment.traffic) == ("rolled_back", {"a": 60, "b": 40})


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


CUT_OFF = {"a": 90, "b": 10}
"""A run that was to put `b` beside champion `a` was killed on its ramp."""


def test_a_ramp_that_was_cut_off_goes_on_where_it_was() -> None:
    endpoint = MemoryEndpoint(CUT_OFF)
    again = replace(release("b", shares=(5, 50)), champion="a")
    assert roll_out(endpoint, again, "a", lambda: None).traffic == {"a": 0, "b": 100}
    splits = [call for call in endpoint.calls if call.startswith("set_traffic")]
    assert splits == ["set_traffic {'b': 50, 'a': 50}", "set_traffic {'b': 100}"]


@pytest.mark.parametrize("version", ["b", "c"], ids=["the same version", "a third one"])
def test_what_a_cut_off_ramp_left_goes_back_to_the_champion_when_the_next_rollout_fails(version: str) -> None:
    endpoint = MemoryEndpoint(CUT_OFF, {"predict": [{}]})
    deployment = roll_out(endpoint, replace(release(version), champion="a"), "a", lambda: None)
    assert deployment.outcome == "rolled_back"
    assert {one for one, share in endpoint.traffic.items() if share} == {"a"}
    assert version not in endpoint.traffic


def test_a_third_version_shares_its_ramp_with_the_champion_alone() -> None:
    endpoint = MemoryEndpoint(CUT_OFF)
    third = replace(release("c", shares=(20,)), champion="a")
    assert roll_out(endpoint, third, "a", lambda: None).traffic == {"a": 0, "c": 100}
    assert "set_traffic {'c': 20, 'a': 80}" in endpoint.calls


def test_only_the_previous_version_is_kept_beside_the_champion() -> None:
    endpoint = MemoryEndpoint({"x": 0, "a": 0, "b": 100})
    assert put_live(endpoint, "c", previous="b").traffic == {"b": 0, "c": 100}


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
        assert deployment.outcome == "rolled_back"
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


def test_the_version_that_is_live_and_well_is_not_touched() -> None:
    endpoint = MemoryEndpoint({"a": 0, "b": 100})
    deployment = put_live(endpoint, "b", previous="a")
    assert (deployment.outcome, deployment.version) == ("kept", "b")
    assert endpoint.calls == ["on_live"]


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


def test_rolling_out_the_previous_version_brings_it_back_and_keeps_the_other() -> None:
    endpoint = MemoryEndpoint({"a": 0, "b": 100})
    assert put_live(endpoint, "a", previous="b").traffic == {"a": 100, "b": 0}


def test_an_endpoint_that_cannot_be_set_back_says_so() -> None:
    class Stuck(MemoryEndpoint):
        def undeploy(self, version: str) -> None:
            raise EndpointError(f"no answer from {version}")

    endpoint = Stuck({"a": 100}, {"predict": []})
    with pytest.raises(EndpointError, match=r"could not be set back to \{'a': 100\}: no answer from b"):
        put_live(endpoint, "b")


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
        def predict(self, instances: Any, version: str | None = None) -> list[dict[str, Any]]:
            if version is None:
                raise EndpointError("no route")
            return super().predict(instances, version)

    endpoint = NoPublicRoute({"s": 0})
    with pytest.raises(EndpointError, match="could not be set back"):
        put_live(endpoint, "b")
    assert "delete" not in endpoint.calls
    assert "s" in endpoint.ready


def test_the_endpoint_is_live_when_the_record_is_told_and_not_yet_tidied() -> None:
    endpoint = MemoryEndpoint({"x": 0, "a": 100})
    seen: list[dict[str, int]] = []
    roll_out(endpoint, release("b"), "a", lambda: seen.append(dict(endpoint.traffic)))
    assert seen == [{"x": 0, "a": 0, "b": 100}]


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


def test_a_version_that_another_run_holds_is_only_told() -> None:
    endpoint = MemoryEndpoint({"x": 0, "a": 100}, {"undeploy": BusyError("another run is changing the endpoint")})
    deployment = put_live(endpoint, "b", previous="a")
    assert deployment.outcome == "live"
    assert "version x could not be undeployed: another run" in deployment.message


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
        assert {one for one, percent in endpoint.traffic.items() if percent} == ({champion} if champion else set())
        assert set(endpoint.traffic) <= {champion, previous}
        assert champion is None or verb == "deploy" or champion in endpoint.ready
        assert not was_served or not endpoint.unserved


@pytest.mark.parametrize("breaks", [False, True])
def test_an_outdated_version_is_deployed_again_and_serves_on_when_that_fails(breaks: bool) -> None:
    endpoint = MemoryEndpoint({"a": 100})
    endpoint.outdated = ("a",)
    if breaks:
        endpoint.fail["deploy"] = EndpointError("a slip")
    deployment = put_live(endpoint, "a")
    assert "deploy a" in endpoint.calls
    assert (deployment.version, deployment.traffic) == ("a", {"a": 100})
    told = "could not be renewed and serves on with older code: a slip" if breaks else "ran older code and was renewed"
    assert told in deployment.message
    assert deployment.outcome == ("rolled_back" if breaks else "live")
    assert endpoint.unserved == []
