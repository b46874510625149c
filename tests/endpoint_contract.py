"""What every `Endpoint` must do; each implementation runs this suite with a trial of its own."""

from pathlib import Path
from typing import Any, Protocol

import pytest

from evergreen.core.deployment import EndpointStatus
from evergreen.core.errors import EndpointError, EvergreenError, InputError
from evergreen.core.protocols import Endpoint
from evergreen.core.rollout import Release, roll_out

GOOD = [{"text": "a late goal"}, {"text": "bank"}]


class Trial(Protocol):
    """An empty endpoint, models for it, and what can happen to it."""

    @property
    def endpoint(self) -> Endpoint: ...

    def model(self, name: str, broken: bool = False) -> tuple[str, Path]:
        """A version and its trained-model directory; a broken one does not load."""

    def spoil(self, version: str, spoilt: bool = True) -> None:
        """What was uploaded of the version does not load any more, or again."""

    def die(self) -> None:
        """Everything that runs is killed."""


class EndpointContract:
    """Subclasses give the fixture `trial`."""

    def test_an_endpoint_that_was_never_deployed_is_empty_and_says_so(self, trial: Trial) -> None:
        assert trial.endpoint.status() == EndpointStatus(url=None, traffic={}, ready=())
        with pytest.raises(EndpointError):
            trial.endpoint.predict(GOOD)
        with pytest.raises(EndpointError):
            trial.endpoint.deploy("abc")
        with pytest.raises(EndpointError):
            trial.endpoint.set_traffic({"abc": 100})
        trial.endpoint.undeploy("abc")
        assert trial.endpoint.delete() is None

    def test_a_deployed_version_stands_by_until_it_gets_traffic(self, trial: Trial) -> None:
        version = deploy(trial, "a")
        assert facts(trial) == (True, {version: 0}, {version})
        assert len(trial.endpoint.predict(GOOD, version)) == len(GOOD)
        with pytest.raises(EndpointError):
            trial.endpoint.predict(GOOD)
        trial.endpoint.set_traffic({version: 100})
        assert facts(trial) == (True, {version: 100}, {version})
        assert len(trial.endpoint.predict(GOOD)) == len(GOOD)

    def test_repeating_a_call_changes_nothing(self, trial: Trial) -> None:
        version, model_dir = trial.model("a")
        for _ in range(2):
            trial.endpoint.upload(version, model_dir)
            trial.endpoint.deploy(version)
            trial.endpoint.set_traffic({version: 100})
            trial.endpoint.offer(version, GOOD)
        trial.endpoint.offer("unknown", GOOD)
        assert facts(trial) == (True, {version: 100}, {version})

    def test_requests_that_cannot_be_used_are_the_askers_mistake(self, trial: Trial) -> None:
        live(trial, "a")
        for instances in ([], [None], [*GOOD, 7]):
            with pytest.raises(InputError):
                trial.endpoint.predict(instances)
        with pytest.raises(EvergreenError):
            trial.endpoint.predict(GOOD, "nope")

    def test_traffic_that_is_no_split_or_goes_to_nobody_is_refused(self, trial: Trial) -> None:
        version = live(trial, "a")
        for split in ({}, {version: 90}, {version: 120, "x": -20}):
            with pytest.raises(InputError):
                trial.endpoint.set_traffic(split)
        with pytest.raises(EndpointError):
            trial.endpoint.set_traffic({version: 50, "x": 50})
        assert facts(trial) == (True, {version: 100}, {version})

    def test_only_a_version_without_traffic_is_undeployed(self, trial: Trial) -> None:
        first, second = live(trial, "a"), deploy(trial, "b")
        trial.endpoint.set_traffic({second: 100})
        assert facts(trial) == (True, {first: 0, second: 100}, {first, second})
        with pytest.raises(EndpointError):
            trial.endpoint.undeploy(second)
        trial.endpoint.undeploy(first)
        assert facts(trial) == (True, {second: 100}, {second})
        trial.endpoint.deploy(first)
        assert facts(trial) == (True, {first: 0, second: 100}, {first, second})

    def test_a_version_that_does_not_load_leaves_the_live_one_alone(self, trial: Trial) -> None:
        first = live(trial, "a")
        broken, model_dir = trial.model("broken", broken=True)
        trial.endpoint.upload(broken, model_dir)
        with pytest.raises(EndpointError):
            trial.endpoint.deploy(broken)
        status = trial.endpoint.status()
        assert (status.traffic.get(broken, 0), status.traffic[first], status.ready) == (0, 100, (first,))
        assert trial.endpoint.predict(GOOD)

    @pytest.mark.kills
    def test_a_dead_endpoint_keeps_its_split_and_the_next_deploy_heals_it(self, trial: Trial) -> None:
        first, second = live(trial, "a"), deploy(trial, "b")
        trial.die()
        assert facts(trial) == (False, {first: 100, second: 0}, set())
        with pytest.raises(EndpointError):
            trial.endpoint.predict(GOOD)
        with pytest.raises(EndpointError):
            trial.endpoint.set_traffic({second: 100})
        trial.endpoint.deploy(first)
        trial.endpoint.deploy(second)
        assert facts(trial) == (True, {first: 100, second: 0}, {first, second})
        assert trial.endpoint.predict(GOOD)

    @pytest.mark.kills
    def test_a_standby_that_fails_stays_deployed_and_comes_back_when_the_cause_is_gone(self, trial: Trial) -> None:
        first, standby = live(trial, "a"), deploy(trial, "b")
        trial.spoil(standby)
        trial.die()
        trial.endpoint.deploy(first)
        for _ in range(2):
            with pytest.raises(EndpointError):
                trial.endpoint.deploy(standby)
        assert facts(trial) == (True, {first: 100, standby: 0}, {first})
        trial.spoil(standby, False)
        trial.endpoint.deploy(standby)
        assert facts(trial) == (True, {first: 100, standby: 0}, {first, standby})

    def test_a_deleted_endpoint_is_forgotten(self, trial: Trial) -> None:
        version = live(trial, "a")
        assert f"undeployed {version}" in str(trial.endpoint.delete())
        assert trial.endpoint.delete() is None
        assert trial.endpoint.status() == EndpointStatus(url=None, traffic={}, ready=())
        with pytest.raises(EndpointError):
            trial.endpoint.deploy(version)

    def test_a_parked_endpoint_keeps_its_split_and_answers_again_once_it_is_unparked(self, trial: Trial) -> None:
        with pytest.raises(EndpointError):
            trial.endpoint.park()
        version = live(trial, "a")
        trial.endpoint.unpark()
        assert facts(trial) == (True, {version: 100}, {version})
        for _ in range(2):
            trial.endpoint.park()
        assert facts(trial) == (False, {version: 100}, set())
        assert trial.endpoint.status().parked
        with pytest.raises(EndpointError, match="is parked"):
            trial.endpoint.predict(GOOD)
        for _ in range(2):
            trial.endpoint.unpark()
        assert facts(trial) == (True, {version: 100}, {version})
        assert not trial.endpoint.status().parked
        assert trial.endpoint.predict(GOOD)

    @pytest.mark.kills
    def test_a_dead_champion_is_back_after_a_challenger_that_does_not_load(self, trial: Trial) -> None:
        champion = live(trial, "a")
        trial.die()
        deployment = roll_out(trial.endpoint, release(trial, "broken", broken=True), champion, never)
        assert (deployment.outcome, deployment.version) == ("rolled_back", champion)
        assert trial.endpoint.status().ready == (champion,)
        assert trial.endpoint.predict(GOOD)

    def test_a_first_version_that_does_not_load_leaves_nothing(self, trial: Trial) -> None:
        deployment = roll_out(trial.endpoint, release(trial, "broken", broken=True), None, never)
        assert (deployment.outcome, deployment.url, deployment.traffic) == ("rolled_back", None, {})

    def test_versions_replace_one_another_and_only_the_previous_one_stays(self, trial: Trial) -> None:
        releases = [release(trial, name) for name in ("a", "b", "c")]
        live_ones: list[str] = []
        for index, newcomer in enumerate(releases):
            previous = releases[index - 1].version if index else None
            assert roll_out(trial.endpoint, newcomer, previous, lambda: live_ones.append("live")).outcome == "live"
        assert len(live_ones) == len(releases)
        _, second, third = (newcomer.version for newcomer in releases)
        assert facts(trial) == (True, {second: 0, third: 100}, {second, third})


def deploy(trial: Trial, name: str) -> str:
    version, model_dir = trial.model(name)
    trial.endpoint.upload(version, model_dir)
    trial.endpoint.deploy(version)
    return version


def live(trial: Trial, name: str) -> str:
    version = deploy(trial, name)
    trial.endpoint.set_traffic({version: 100})
    return version


def release(trial: Trial, name: str, **model: Any) -> Release:
    version, model_dir = trial.model(name, **model)
    return Release(model="news", version=version, fetch=lambda: model_dir, smoke=GOOD)


def facts(trial: Trial) -> tuple[bool, dict[str, int], set[str]]:
    """Whether it answers, traffic, ready versions."""
    status = trial.endpoint.status()
    return status.url is not None, status.traffic, set(status.ready)


def never() -> None:
    raise AssertionError("nothing went live")
