"""Every failure of every verb, against an endpoint in memory that honours the protocol's contract."""

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.core.errors import EndpointError
from evergreen.core.reports import Deployment, EndpointStatus
from evergreen.core.rollout import Release, roll_out, smoke_test

INSTANCES = [{"text": "Shares rose."}, {"text": "A late goal."}]
VERBS = ("upload", "deploy", "predict", "set_traffic")


class MemoryEndpoint:
    """The contract of `Endpoint`; `fail[verb]` is what a call of the verb for the newcomer raises or answers."""

    def __init__(self, traffic: Mapping[str, int] | None = None, fail: Mapping[str, Any] | None = None) -> None:
        self.traffic = dict(traffic or {})
        self.ready = set(self.traffic)
        self.uploaded = dict.fromkeys(self.traffic, Path("model"))
        self.fail = dict(fail or {})
        self.calls: list[str] = []
        self.unserved: list[str] = []

    def _called(self, verb: str, version: str | None) -> None:
        self.calls.append(f"{verb} {version}")
        failure = self.fail.get(verb)
        if isinstance(failure, BaseException):
            raise failure
        shares = [one for one, percent in self.traffic.items() if percent]
        if shares and not any(one in self.ready for one in shares):
            self.unserved.append(self.calls[-1])

    def upload(self, version: str, model_dir: Path) -> None:
        self._called("upload", version)
        self.uploaded[version] = model_dir

    def deploy(self, version: str) -> None:
        if version not in self.uploaded:
            raise EndpointError(f"version {version} was never uploaded")
        self.traffic.setdefault(version, 0)  # a failed start leaves the version behind, as a real one may
        self._called("deploy", version)
        self.ready.add(version)

    def set_traffic(self, traffic: Mapping[str, int]) -> None:
        if sum(traffic.values()) != 100 or not set(traffic) <= set(self.traffic):
            raise EndpointError(f"traffic {traffic} does not fit {self.traffic}")
        failure = self.fail.pop("set_traffic", None)  # restoring works again
        if failure != "before":
            self.traffic = {version: traffic.get(version, 0) for version in self.traffic}
        self.calls.append(f"set_traffic {dict(traffic)}")
        if failure:
            raise failure if isinstance(failure, BaseException) else EndpointError("no route")

    def undeploy(self, version: str) -> None:
        if self.traffic.get(version):
            raise EndpointError(f"version {version} has traffic")
        self._called("undeploy", version)
        del self.traffic[version]
        self.ready.discard(version)

    def predict(self, instances: Sequence[Any], version: str | None = None) -> list[dict[str, Any]]:
        self._called("predict", version)
        asked = {version} if version else {one for one, percent in self.traffic.items() if percent}
        if not asked & self.ready:
            raise EndpointError(f"{asked} do not answer")
        answer = self.fail.get("predict")
        return answer if isinstance(answer, list) else [{"label": "sports", "score": 0.9} for _ in instances]

    def status(self) -> EndpointStatus:
        url = "http://127.0.0.1:8501" if self.ready else None
        return EndpointStatus(url=url, traffic=dict(self.traffic), ready=tuple(sorted(self.ready)))

    def delete(self) -> None:
        self.calls.append("delete")
        self.traffic, self.ready, self.uploaded = {}, set(), {}


def release(version: str) -> Release:
    return Release(model="news", version=version, model_dir=Path("model"), smoke=INSTANCES)


def put_live(endpoint: MemoryEndpoint, version: str, previous: str | None = None) -> Deployment:
    return roll_out(endpoint, release(version), previous)


def test_the_first_version_goes_straight_to_all_traffic() -> None:
    endpoint = MemoryEndpoint()
    deployment = put_live(endpoint, "a")
    assert (deployment.outcome, deployment.version, deployment.traffic) == ("live", "a", {"a": 100})
    assert deployment.url == "http://127.0.0.1:8501"


def test_a_later_version_answers_at_no_traffic_before_it_gets_all() -> None:
    endpoint = MemoryEndpoint({"a": 100})
    deployment = put_live(endpoint, "b", previous="a")
    assert endpoint.calls == ["upload b", "deploy b", "predict b", "set_traffic {'b': 100}", "predict None"]
    assert (deployment.outcome, deployment.traffic) == ("live", {"a": 0, "b": 100})


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
    assert endpoint.calls == []


def test_a_version_that_lost_its_workers_is_restored() -> None:
    endpoint = MemoryEndpoint({"a": 0, "b": 100})
    endpoint.ready.clear()
    deployment = put_live(endpoint, "b", previous="a")
    assert deployment.outcome == "live"
    assert "serves again" in deployment.message
    assert "b" in endpoint.ready


def test_a_version_that_cannot_be_restored_is_an_error() -> None:
    endpoint = MemoryEndpoint({"b": 100}, {"deploy": EndpointError("port 8501 is taken")})
    endpoint.ready.clear()
    with pytest.raises(EndpointError, match="port 8501 is taken"):
        put_live(endpoint, "b")
    assert endpoint.traffic == {"b": 100}


def test_a_dead_champion_is_restored_when_its_challenger_fails() -> None:
    endpoint = MemoryEndpoint({"a": 100}, {"upload": EndpointError("disk full")})
    endpoint.ready.clear()
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


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([None, *VERBS])), max_size=6))
def test_whatever_fails_the_endpoint_serves_one_version_that_answers(steps: list[tuple[str, str | None]]) -> None:
    endpoint = MemoryEndpoint()
    champion, previous = None, None
    for version, verb in steps:
        endpoint.fail = {verb: EndpointError("no")} if verb else {}
        deployment = put_live(endpoint, version, previous=previous if version == champion else champion)
        if deployment.outcome == "live" and version != champion:
            champion, previous = version, champion
        assert deployment.version == champion
        assert {one for one, percent in endpoint.traffic.items() if percent} == ({champion} if champion else set())
        assert set(endpoint.traffic) <= {champion, previous}
        assert not endpoint.unserved
