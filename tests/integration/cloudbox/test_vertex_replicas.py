"""Replicas on Vertex AI before a newcomer gets a share of the traffic, and as few as configured again afterwards."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace

import pytest

from cloudbox import faults
from cloudbox.box import Box
from evergreen.adapters.vertex.clients import Clients
from evergreen.adapters.vertex.endpoint import VertexEndpoint
from evergreen.adapters.vertex.resource import EndpointResource
from evergreen.core import climb, rollout
from evergreen.core.errors import EndpointError
from evergreen.core.fence import FencedEndpoint
from evergreen.core.lease import LeaseLostError
from evergreen.core.ramp import Ramp
from evergreen.core.rollout import Release, roll_out
from tests.endpoint_contract import live, never, release
from tests.hosted_trial import HostedTrial, with_env

pytestmark = pytest.mark.e2e  # minutes on a busy machine
MACHINE = "n1-standard-4"
VARIANT = pytest.mark.variants


class Fleet:
    """A champion of which autoscaling has four replicas up, and what a rollout asks of Vertex AI, in order."""

    def __init__(self, box: Box, trial: HostedTrial) -> None:
        trial.host = trial.host.model_copy(update={"max_replicas": 6})
        trial.endpoint = VertexEndpoint(trial.host, "news")
        self.box = box
        self.trial = trial
        self.champion = live(trial, "a")
        faults.add(box.home, faults.Fault(kind="autoscaled", target=self.champion, replicas=4))
        self.newcomer = release(trial, "b")
        self.done: list[str] = []

    def endpoint(self, **changes: object) -> VertexEndpoint:
        """The trial's endpoint, which notes when a version has its replicas and when the traffic is set."""
        return self.watched(VertexEndpoint(self.trial.host.model_copy(update=changes), "news"))

    def watched(self, endpoint: VertexEndpoint) -> VertexEndpoint:
        scale, set_traffic = endpoint.scale, endpoint.set_traffic

        def scaled(version: str, replicas: int | None) -> bool:
            there = scale(version, replicas)
            if there and replicas is not None:
                self.done.append(f"{self.name(version)} has {endpoint.status().replicas[version]} of {replicas}")
            return there

        def moved(traffic: Mapping[str, int]) -> None:
            set_traffic(traffic)
            self.done.append(" ".join(f"{self.name(version)} {percent} %" for version, percent in traffic.items()))

        endpoint.scale, endpoint.set_traffic = scaled, moved  # type: ignore[method-assign]
        return endpoint

    def name(self, version: str) -> str:
        return {self.champion: "champion", self.newcomer.version: "newcomer"}[version]

    def on(self, *shares: int) -> Release:
        return replace(self.newcomer, ramp=Ramp(shares=shares, hold_s=0, judge=None), champion=self.champion)

    def leasts(self) -> dict[str, int]:
        """The least that autoscaling keeps of each version."""
        running = EndpointResource(Clients(self.trial.host), "news", "live").running()
        return {self.name(deployed.version): deployed.least for deployed in running}


@pytest.fixture
def fleet(box: Box, trial: HostedTrial, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    for module in (climb, rollout):
        monkeypatch.setattr(module, "CHECK_S", 0.1)
    yield Fleet(box, trial)
    faults.clear(box.home)


def test_a_newcomer_has_the_replicas_for_each_share_before_it_gets_it(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    assert roll_out(fleet.endpoint(), fleet.on(5, 50), fleet.champion, lambda: None).outcome == "live"
    assert fleet.done == [
        "newcomer has 1 of 1",
        "newcomer 5 % champion 95 %",
        "newcomer has 3 of 3",  # half of what four replicas are of the whole, who serve 95 % of it
        "newcomer 50 % champion 50 %",
        "newcomer has 6 of 6",  # six serve all of it where three serve half
        "newcomer 100 %",
    ]
    assert fleet.leasts() == {"newcomer": 1, "champion": 1}
    told = [record.getMessage() for record in caplog.records if "scaling version" in record.getMessage()]
    assert told == [
        f"scaling version {fleet.newcomer.version} of news to 3 replicas: it has 1",
        f"scaling version {fleet.newcomer.version} of news to 6 replicas: it has 3",
        f"scaling version {fleet.newcomer.version} of news to 1 replica: autoscaling decides again",
    ]


def test_a_version_that_gets_all_traffic_at_once_has_as_many_as_the_one_before(fleet: Fleet) -> None:
    assert roll_out(fleet.endpoint(), fleet.on(), fleet.champion, lambda: None).outcome == "live"
    assert fleet.done == ["newcomer has 4 of 4", "newcomer 100 %"]
    assert fleet.leasts() == {"newcomer": 1, "champion": 1}


def test_no_more_are_asked_for_than_a_version_may_have(fleet: Fleet) -> None:
    assert roll_out(fleet.endpoint(max_replicas=2), fleet.on(), fleet.champion, lambda: None).outcome == "live"
    assert fleet.done == ["newcomer has 2 of 4", "newcomer 100 %"]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (faults.Fault(kind="quota", target=MACHINE), "quotas are exceeded"),
        (faults.Fault(kind="stockout", target=MACHINE), "Resources are insufficient: 1 of 2 replicas"),
        (
            faults.Fault(kind="never-ends", target="MutateDeployedModel", times=1),
            "has 1 after 4 s, so it gets no more traffic",
        ),
        (faults.Fault(kind="queue", target=MACHINE, seconds=60), "has 1 after 4 s, so it gets no more traffic"),
    ],
    ids=lambda value: value.kind if isinstance(value, faults.Fault) else "",
)
def test_a_newcomer_without_the_replicas_for_its_share_does_not_get_it(
    fleet: Fleet, fault: faults.Fault, said: str
) -> None:
    standing_by = replace(fleet.on(5, 40), proven=True)  # its deployment goes well, and no probe has to
    fleet.trial.endpoint.upload(standing_by.version, standing_by.fetch())
    fleet.trial.endpoint.deploy(standing_by.version)
    faults.add(fleet.box.home, fault)
    deployment = roll_out(fleet.endpoint(startup_timeout_s=4), standing_by, fleet.champion, never)
    assert (deployment.outcome, deployment.traffic) == ("rolled_back", {fleet.champion: 100, standing_by.version: 0})
    assert f"scaling version {fleet.newcomer.version} of news to 2 replicas" in deployment.message
    assert said in deployment.message
    assert fleet.done == ["newcomer has 1 of 1", "newcomer 5 % champion 95 %", "champion 100 %"]
    assert fleet.leasts() == {"newcomer": 1, "champion": 1}


def test_the_newcomer_is_watched_while_its_replicas_start(fleet: Fleet) -> None:
    faults.add(fleet.box.home, faults.Fault(kind="queue", target=MACHINE, seconds=300))
    endpoint = fleet.endpoint()
    scale = endpoint.scale

    def scaled(version: str, replicas: int | None) -> bool:
        there = scale(version, replicas)
        if replicas == 2:
            with suppress(EndpointError):  # the change of replicas may come in between: then at the next look
                endpoint.set_traffic({fleet.champion: 99, version: 1})  # as somebody does in Google's console
        return there

    endpoint.scale = scaled  # type: ignore[method-assign]
    began = time.monotonic()
    deployment = roll_out(endpoint, fleet.on(5, 40), fleet.champion, never)
    assert time.monotonic() - began < 120
    assert deployment.traffic == {fleet.champion: 99, fleet.newcomer.version: 1}
    assert "the traffic was moved" in deployment.message
    assert fleet.leasts() == {"newcomer": 1, "champion": 1}


def test_where_vertex_ai_tells_no_counts_nothing_is_awaited(fleet: Fleet) -> None:
    faults.add(fleet.box.home, faults.Fault(kind="no-status", target="GetEndpoint"))
    assert roll_out(fleet.endpoint(), fleet.on(5, 50), fleet.champion, lambda: None).outcome == "live"
    assert fleet.done == ["newcomer 5 % champion 95 %", "newcomer 50 % champion 50 %", "newcomer 100 %"]
    assert fleet.leasts() == {"newcomer": 1, "champion": 1}


class Killed(BaseException):
    """Ends a rollout as SIGKILL does: nothing is put back."""


@pytest.mark.parametrize(
    "under_way", [pytest.param(True, id="under way"), pytest.param(False, id="done", marks=VARIANT)]
)
def test_who_takes_over_after_a_kill_waits_for_what_was_asked_for_and_asks_no_more(
    fleet: Fleet, caplog: pytest.LogCaptureFixture, under_way: bool
) -> None:
    caplog.set_level(logging.INFO)
    endpoint = fleet.endpoint()
    scale = endpoint.scale

    def scaled(version: str, replicas: int | None) -> bool:
        if scale(version, replicas) != under_way and replicas == 2:
            raise Killed
        return False

    endpoint.scale = scaled  # type: ignore[method-assign]
    with pytest.MonkeyPatch.context() as dead:
        dead.setattr(rollout, "restore", lambda *_: None)
        with pytest.raises(Killed):
            roll_out(endpoint, fleet.on(40), fleet.champion, never)
    caplog.clear()
    fleet.done.clear()
    assert fleet.leasts() == {"newcomer": 2, "champion": 1}
    assert roll_out(fleet.endpoint(), fleet.on(40), fleet.champion, lambda: None).outcome == "live"
    assert fleet.done[:2] == ["newcomer has 2 of 2", "newcomer 40 % champion 60 %"]
    assert not [record for record in caplog.records if "to 2 replicas" in record.getMessage()]
    assert fleet.leasts() == {"newcomer": 1, "champion": 1}


def test_who_stops_a_rollout_has_the_champion_at_its_least_again(fleet: Fleet) -> None:
    faults.add(fleet.box.home, faults.Fault(kind="queue", target=MACHINE, seconds=60))
    endpoint = fleet.endpoint()
    scale = endpoint.scale

    def interrupted(version: str, replicas: int | None) -> bool:
        there = scale(version, replicas)
        if replicas is not None:
            raise KeyboardInterrupt
        return there

    endpoint.scale = interrupted  # type: ignore[method-assign]
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        roll_out(endpoint, fleet.on(40), fleet.champion, never)
    assert time.monotonic() - began < 30  # the operation is cancelled, not waited for
    assert (fleet.leasts(), fleet.trial.deployed()) == ({"champion": 1}, [fleet.champion])


def test_a_successor_has_the_replicas_of_the_one_that_it_follows(fleet: Fleet) -> None:
    running = EndpointResource(Clients(fleet.trial.host), "news", "live").running
    faults.clear(fleet.box.home, "autoscaled")
    (old,) = running()
    faults.add(fleet.box.home, faults.Fault(kind="autoscaled", target=old.id, replicas=3))
    renewed = with_env(fleet.trial, LC_ALL="C")
    switch, seen = renewed.switch, dict[str, int | None]()

    def switched(version: str) -> None:
        seen.update({deployed.id: deployed.replicas for deployed in running()})
        switch(version)

    renewed.switch = switched  # type: ignore[method-assign]
    champion = replace(fleet.newcomer, version=fleet.champion, fetch=lambda: fleet.trial.path / "a")
    assert roll_out(renewed, champion, None, lambda: None).outcome == "live"
    (new,) = running()
    assert seen == {old.id: 3, new.id: 3}
    assert new.least == 1


def test_who_lost_the_lease_changes_no_replicas(fleet: Fleet) -> None:
    calls: list[str] = []

    def fence() -> None:
        calls.append("fence")
        if fleet.done:
            raise LeaseLostError("somebody else has it")

    endpoint = fleet.endpoint()
    with pytest.raises(LeaseLostError):
        roll_out(FencedEndpoint(endpoint, fence), fleet.on(5, 50), fleet.champion, never)
    assert fleet.done == ["newcomer has 1 of 1"]
    assert fleet.leasts() == {"newcomer": 1, "champion": 1}


def test_a_rollback_by_hand_waits_for_no_replicas(fleet: Fleet) -> None:
    assert roll_out(fleet.endpoint(), fleet.on(), fleet.champion, lambda: None).outcome == "live"
    fleet.done.clear()
    back = Release(
        model="news",
        version=fleet.champion,
        fetch=lambda: fleet.trial.path / "a",
        smoke=fleet.newcomer.smoke,
        proven=True,
    )
    faults.clear(fleet.box.home, "autoscaled")
    faults.add(fleet.box.home, faults.Fault(kind="autoscaled", target=fleet.newcomer.version, replicas=4))
    assert roll_out(fleet.endpoint(), back, fleet.newcomer.version, lambda: None).outcome == "live"
    assert fleet.done == ["champion 100 %"]
