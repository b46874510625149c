"""Only a renewal starts another container of a version that answers: no rollback, stop or canary does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from evergreen.adapters.vertex.clients import Clients
from evergreen.adapters.vertex.endpoint import VertexEndpoint
from evergreen.adapters.vertex.resource import EndpointResource
from evergreen.core.deployment import EndpointStatus
from evergreen.core.errors import EndpointError, EvergreenError
from evergreen.core.ramp import Ramp
from evergreen.core.rollout import Release, restore, roll_out
from tests.endpoint_contract import GOOD, live, never, release
from tests.hosted_trial import HostedTrial, with_env

CANARY = Ramp(shares=(10,), hold_s=0)


def running(trial: HostedTrial) -> list[tuple[str, str, int]]:
    """Version, Google's id and percent of what is deployed."""
    running = EndpointResource(Clients(trial.host), "news", "live").running()
    return [(deployed.version, deployed.id, deployed.percent) for deployed in running]


def at_canary(trial: HostedTrial, changed: VertexEndpoint) -> tuple[str, str, EndpointStatus]:
    """A champion in its own container, a newcomer in another one with 10 %, and what was before."""
    champion = live(trial, "a")
    before = changed.status()
    newcomer, model_dir = trial.model("b")
    changed.upload(newcomer, model_dir)
    changed.deploy(newcomer)
    changed.set_traffic({champion: 90, newcomer: 10})
    return champion, newcomer, before


def no_fetch() -> Path:
    raise AssertionError("the version answers")


def test_a_rollback_withdraws_a_canary_whose_new_container_does_not_even_start(trial: HostedTrial) -> None:
    champion, newcomer, _ = at_canary(trial, with_env(trial, LC_ALL="C"))
    (first, *_) = running(trial)
    broken = with_env(trial, PYTHONPATH="/nowhere")
    back = Release(model="news", version=champion, fetch=no_fetch, smoke=GOOD, proven=True)
    deployment = roll_out(broken, back, None, lambda: None)
    assert (deployment.outcome, deployment.traffic) == ("live", {champion: 100}), deployment.message
    assert running(trial) == [(champion, first[1], 100)]
    assert newcomer not in broken.status().ready


def test_what_puts_the_traffic_back_needs_no_new_container_of_the_champion(trial: HostedTrial) -> None:
    changed = with_env(trial, LC_ALL="C")
    champion, newcomer, before = at_canary(trial, changed)
    (first, *_) = running(trial)
    restore(changed, newcomer, champion, before, EvergreenError("its run was stopped"))
    changed.deploy(champion)
    changed.clear()
    assert running(trial) == [(champion, first[1], 100)]


def test_a_dead_champion_is_started_again_in_the_container_that_it_had(trial: HostedTrial) -> None:
    champion = live(trial, "a")
    (number,) = [deployed.number for deployed in EndpointResource(Clients(trial.host), "news", "live").running()]
    changed = with_env(trial, LC_ALL="C")
    changed.upload(champion, trial.path / "a")
    trial.die()
    changed.deploy(champion)
    now = EndpointResource(Clients(trial.host), "news", "live").running()
    assert [(deployed.number, deployed.percent, deployed.ready) for deployed in now] == [(number, 100, True)]
    assert changed.status().outdated == (champion,)


def test_a_dead_champion_whose_container_is_broken_for_good_is_back_in_the_configured_one(trial: HostedTrial) -> None:
    champion = release(trial, "a")
    assert roll_out(trial.endpoint, champion, None, lambda: None).outcome == "live"
    trial.die()
    changed = with_env(trial, LC_ALL="C")
    deploy = VertexEndpoint.deploy

    def fails(endpoint: VertexEndpoint, version: str) -> None:
        if version == champion.version:
            raise EndpointError("its image is gone")
        deploy(endpoint, version)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VertexEndpoint, "deploy", fails)
        deployment = roll_out(changed, champion, None, lambda: None)
    assert (deployment.outcome, changed.status().outdated) == ("live", ()), deployment.message
    assert trial.deployed() == [champion.version]


@pytest.mark.parametrize("probed", [pytest.param(False, marks=pytest.mark.variants), True])
def test_a_successor_that_a_cut_off_renewal_left_gets_no_traffic_and_goes(trial: HostedTrial, probed: bool) -> None:
    champion = live(trial, "a")
    (first,) = running(trial)
    changed = with_env(trial, LC_ALL="C")
    changed.upload(champion, trial.path / "a")
    changed.renew(champion)
    if probed:
        probe = changed._probe._endpoint
        probe.ensure(logged=False)
        probe.start(champion, changed._resource(changed._live.running()[1]), (1, 1), all_traffic=True)
    assert trial.deployed() == [champion] * (3 if probed else 2)
    changed.set_traffic({champion: 100})
    assert running(trial)[0] == first

    newcomer = replace(release(trial, "b"), ramp=CANARY, champion=champion)
    moved: list[dict[str, int]] = []
    set_traffic = changed.set_traffic

    def seen(traffic: dict[str, int]) -> None:
        set_traffic(traffic)
        moved.append({identifier: percent for _, identifier, percent in running(trial) if percent})

    changed.set_traffic = seen  # type: ignore[method-assign, assignment]
    assert roll_out(changed, newcomer, champion, lambda: None).outcome == "live"
    assert moved[0][first[1]] == 90
    assert [identifier for version, identifier, _ in running(trial) if version == champion] == [first[1]]
    assert trial.deployed() == sorted([champion, newcomer.version])


def test_a_renewed_champion_that_answers_wrongly_gets_no_traffic_and_nothing_is_left(
    trial: HostedTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    champion = release(trial, "a")
    assert roll_out(trial.endpoint, champion, None, lambda: None).outcome == "live"
    before = running(trial)
    changed = with_env(trial, LC_ALL="C")
    monkeypatch.setattr(changed._probe, "predict", lambda *_: [{"score": float("nan")} for _ in GOOD])
    deployment = roll_out(changed, champion, None, never)
    assert deployment.outcome == "rolled_back"
    assert "could not be renewed and serves on with older code" in deployment.message
    assert running(trial) == before
