"""The container of a version follows the configuration; state is read by name; two first runs make one endpoint."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, get_ident
from typing import Any

import pytest

from evergreen.adapters.vertex.clients import Clients
from evergreen.adapters.vertex.endpoint import VertexEndpoint
from evergreen.adapters.vertex.names import identity, label_filter
from evergreen.adapters.vertex.registry import ModelRegistry
from evergreen.adapters.vertex.resource import EndpointResource
from evergreen.core.errors import EndpointError
from evergreen.core.rollout import roll_out
from tests.endpoint_contract import GOOD, live, never, release
from tests.hosted_trial import HostedTrial


def endpoints(trial: HostedTrial) -> list[Any]:
    clients = Clients(trial.host)
    request = {"parent": clients.location, "filter": label_filter(identity(trial.host, "news"))}
    return list(clients.endpoints.list_endpoints(request=request))


def with_env(trial: HostedTrial, **env: str) -> VertexEndpoint:
    return VertexEndpoint(trial.host.model_copy(update={"env": {**trial.host.env, **env}}), "news")


def test_two_first_runs_at_once_make_one_endpoint_and_one_model(
    trial: HostedTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each looks before the other creates: for the endpoint, and for the parent of its version."""
    models = [trial.model(name) for name in ("a", "b")]
    with monkeypatch.context() as patched, ThreadPoolExecutor(2) as pool:
        patched.setattr(EndpointResource, "find", together(EndpointResource.find, call=1))
        patched.setattr(ModelRegistry, "_parent", together(ModelRegistry._parent, call=2))
        runs = [pool.submit(VertexEndpoint(trial.host, "news").upload, *model) for model in models]
        assert [run.result(60) for run in runs] == [None, None]
    assert len(endpoints(trial)) == 1
    assert [version.version_id for version in ModelRegistry(Clients(trial.host), "news").versions()] == ["1", "2"]


def together(method: Callable[..., Any], call: int) -> Callable[..., Any]:
    """The method, whose n-th answer in each of two threads waits for that of the other."""
    barrier, calls = Barrier(2), Counter[int]()

    def waiting(*arguments: Any) -> Any:
        answer = method(*arguments)
        calls[get_ident()] += 1
        if calls[get_ident()] == call:
            barrier.wait(30)
        return answer

    return waiting


def test_lists_that_lag_behind_hide_nothing(trial: HostedTrial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Clients, "call_list", lambda *_: [])
    version, model_dir = trial.model("a")
    trial.endpoint.upload(version, model_dir)
    trial.endpoint.deploy(version)
    trial.endpoint.set_traffic({version: 100})
    assert trial.endpoint.status().traffic == {version: 100}
    assert trial.endpoint.predict(GOOD)


def test_a_listed_endpoint_that_is_gone_already_is_none(trial: HostedTrial, monkeypatch: pytest.MonkeyPatch) -> None:
    version, model_dir = trial.model("a")
    trial.endpoint.upload(version, model_dir)
    stale = endpoints(trial)
    trial.endpoint.delete()
    monkeypatch.setattr(Clients, "call_list", lambda *_: stale)
    assert EndpointResource(Clients(trial.host), "news", "live").find() is None


def test_the_champion_is_renewed_when_its_container_is_configured_otherwise(trial: HostedTrial) -> None:
    champion = release(trial, "a")
    assert roll_out(trial.endpoint, champion, None, lambda: None).outcome == "live"
    changed = with_env(trial, LC_ALL="C")
    assert (trial.endpoint.status().outdated, changed.status().outdated) == ((), (champion.version,))
    deployment = roll_out(changed, champion, None, lambda: None)
    assert (deployment.outcome, deployment.traffic) == ("live", {champion.version: 100})
    assert "was renewed" in deployment.message
    assert (trial.deployed(), changed.status().outdated) == ([champion.version], ())
    registry = ModelRegistry(Clients(trial.host), "news")
    assert [list(version.container_spec.env)[-1].name for version in registry.versions()] == ["MORTAL_FOLDER", "LC_ALL"]


def test_a_champion_whose_new_container_does_not_answer_serves_on_in_its_old_one(trial: HostedTrial) -> None:
    champion = release(trial, "a")
    assert roll_out(trial.endpoint, champion, None, lambda: None).outcome == "live"
    changed = with_env(trial, LC_ALL="C")

    def refuse(*_: object) -> None:
        raise EndpointError("no prediction")

    changed._probe.predict = refuse  # type: ignore[method-assign, assignment]
    deployment = roll_out(changed, champion, None, never)
    assert (deployment.outcome, deployment.traffic) == ("rolled_back", {champion.version: 100})
    assert "serves on with older code: no prediction" in deployment.message
    assert (trial.deployed(), len(trial.endpoint.predict(GOOD))) == ([champion.version], len(GOOD))


def test_what_stands_by_for_a_rollback_keeps_the_container_that_it_served_with(trial: HostedTrial) -> None:
    old = live(trial, "a")
    newcomer = release(trial, "b")
    changed = with_env(trial, LC_ALL="C")
    assert roll_out(changed, newcomer, old, lambda: None).outcome == "live"
    stood_by = {
        deployed.id
        for deployed in EndpointResource(Clients(trial.host), "news", "live").running()
        if deployed.version == old
    }
    changed.deploy(old)
    changed.set_traffic({old: 100})
    now = EndpointResource(Clients(trial.host), "news", "live").running()
    assert {deployed.id for deployed in now if deployed.version == old and deployed.percent} == stood_by
