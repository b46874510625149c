"""Parking and its end, cut off at each change that is asked of Vertex AI: the next call finishes or undoes it."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from google.api_core.exceptions import NotFound
from google.cloud import aiplatform_v1 as v1

from evergreen.adapters.vertex.clients import Clients
from evergreen.adapters.vertex.endpoint import VertexEndpoint
from evergreen.adapters.vertex.parking import PARKED
from evergreen.adapters.vertex.registry import ModelRegistry
from evergreen.adapters.vertex.resource import NEW, EndpointResource
from evergreen.adapters.vertex.settings import VertexHostSettings

CHAMPION, STANDBY = "a1", "b2"
SETTINGS = {"project": "p", "region": "europe-west4", "staging": "gs://news/models", "image": "serving:1"}


class KilledError(BaseException):
    """The process ends here."""


class Service:
    """One endpoint of Vertex AI; what a change begins goes on until somebody asks for it, whoever began it is gone."""

    def __init__(self) -> None:
        self.endpoint = v1.Endpoint(name="live", labels={"team": "news"}, etag="1")
        self.left = -1
        self.undone: list[Callable[[], None]] = []
        for version, percent in ((CHAMPION, 100), (STANDBY, 0)):
            self._add(v1.DeployedModel(id=version, display_name=version, model="m/7"), {NEW: percent})

    def get_endpoint(self, **_: Any) -> v1.Endpoint:
        return v1.Endpoint(self.endpoint)

    def list_operations(self, **_: Any) -> Any:
        answer = SimpleNamespace(operations=[SimpleNamespace(done=False)] * len(self.undone), next_page_token="")
        self._end()
        return answer

    def update_endpoint(self, *, request: Any, **_: Any) -> v1.Endpoint:
        assert request["endpoint"]["etag"] == self.endpoint.etag
        self._begin(lambda: setattr(self.endpoint, "labels", request["endpoint"]["labels"]), at_once=True)
        return self.endpoint

    def undeploy_model(self, *, request: Any, **_: Any) -> Any:
        if request["deployed_model_id"] not in {model.id for model in self.endpoint.deployed_models}:
            raise NotFound("no such model")  # type: ignore[no-untyped-call]  # google has no types
        return self._begin(lambda: self._remove(request["deployed_model_id"]))

    def deploy_model(self, *, request: Any, **_: Any) -> Any:
        return self._begin(lambda: self._add(request["deployed_model"], request["traffic_split"]))

    def running(self) -> dict[str, int]:
        return {model.display_name: self.endpoint.traffic_split[model.id] for model in self.endpoint.deployed_models}

    def _begin(self, change: Callable[[], None], *, at_once: bool = False) -> Any:
        if self.left == 0:
            raise KilledError
        self.left -= 1
        self.undone.append(change)
        if at_once:
            self._end()
        if self.left == 0:
            raise KilledError
        return SimpleNamespace(done=lambda **_: self._end(), result=lambda: None)

    def _end(self) -> bool:
        while self.undone:
            self.undone.pop(0)()
            self.endpoint.etag = f"{int(self.endpoint.etag) + 1}"
        return True

    def _add(self, model: v1.DeployedModel, split: dict[str, int]) -> None:
        self.endpoint.deployed_models = [*self.endpoint.deployed_models, model]
        self.endpoint.traffic_split = {**self.endpoint.traffic_split, model.id: split.get(NEW, 0)}

    def _remove(self, identifier: str) -> None:
        kept = [model for model in self.endpoint.deployed_models if model.id != identifier]
        assert not kept or not self.endpoint.traffic_split[identifier]  # Vertex AI refuses it
        self.endpoint.deployed_models = kept
        self.endpoint.traffic_split = {model.id: self.endpoint.traffic_split[model.id] for model in kept}


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    service, held = Service(), SimpleNamespace(name="m/7", version_id="1")
    monkeypatch.setattr(Clients, "endpoints", service)
    monkeypatch.setattr(ModelRegistry, "find", lambda *_: held)
    monkeypatch.setattr("evergreen.adapters.vertex.endpoint.Probe.remove", lambda _: None)
    monkeypatch.setattr("evergreen.adapters.vertex.clients.FIRST_POLL_S", 0.0)
    return service


def opened() -> VertexEndpoint:
    """As another process opens it."""
    return VertexEndpoint(VertexHostSettings.model_validate(SETTINGS), "news")


def cut_off(service: Service, act: Callable[[], None], after: int) -> None:
    """`act` ends with its process, once so many changes were asked for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EndpointResource, "_clear", lambda *_: "")  # one that is killed clears nothing away
        service.left = after
        with pytest.raises(KilledError):
            act()
    service.left = -1


def serves(service: Service) -> None:
    status = opened().status()
    assert (status.parked, status.traffic[CHAMPION], service.running()[CHAMPION]) == (False, 100, 100)
    assert [model.display_name for model in service.endpoint.deployed_models].count(CHAMPION) == 1
    assert dict(service.endpoint.labels) == {"team": "news"}


def is_parked(service: Service) -> None:
    status = opened().status()
    assert (status.parked, status.traffic, service.running()) == (True, {CHAMPION: 100}, {})


@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_a_parking_that_was_cut_off_is_finished_by_the_next(service: Service, after: int) -> None:
    cut_off(service, opened().park, after)
    opened().park()
    is_parked(service)
    opened().unpark()
    serves(service)


@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_a_parking_that_was_cut_off_is_undone_by_its_end(service: Service, after: int) -> None:
    cut_off(service, opened().park, after)
    opened().unpark()
    serves(service)


@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_a_parking_that_was_cut_off_is_undone_by_a_deployment(service: Service, after: int) -> None:
    cut_off(service, opened().park, after)
    if opened().status().parked:  # as whoever deploys asks, also while the last version goes
        opened().unpark()
    opened().clear()
    opened().deploy(CHAMPION)
    serves(service)


@pytest.mark.parametrize("second", ["unpark", "park"])
@pytest.mark.parametrize("after", [0, 1, 2])
def test_an_end_of_parking_that_was_cut_off_is_finished_or_undone(service: Service, after: int, second: str) -> None:
    opened().park()
    cut_off(service, opened().unpark, after)
    if second == "park":
        opened().park()
        is_parked(service)
    opened().unpark()
    serves(service)


def test_a_note_whose_answer_was_lost_is_no_failure(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    from google.api_core.exceptions import ServiceUnavailable

    noted, lost = service.update_endpoint, iter([True])

    def answer_lost(**asked: Any) -> v1.Endpoint:
        answer = noted(**asked)
        if next(lost, False):
            raise ServiceUnavailable("it broke")  # type: ignore[no-untyped-call]
        return answer

    monkeypatch.setattr(service, "update_endpoint", answer_lost)
    opened().park()
    is_parked(service)
    assert service.endpoint.labels[PARKED] == CHAMPION
