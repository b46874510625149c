"""Decisions that are carried out by way of a ramp, and what the judge of it is given and leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from evergreen.core.decision import PromotionDecision, Verdict
from evergreen.core.deployment import Deployment, Transition
from evergreen.core.judge.evidence import Arm
from evergreen.core.judge.settings import Judge
from evergreen.core.lease import Claim, Rollout
from evergreen.core.members import host_of
from evergreen.core.ramp import Ramp
from evergreen.requestlog.reading import FolderLog
from evergreen.requestlog.spool import Spool
from evergreen.runtime.hold import holder_of
from tests.memory_endpoint import MemoryEndpoint
from tests.memory_host import hosting
from tests.noted import request
from tests.recorded_versions import aliases, promote, version
from tests.witnesses import Clock, SteadyWitness, arm, began

pytestmark = pytest.mark.usefixtures("zenml_home")
RULES = Judge(min_requests=300)


class Model:
    """A model with champion b2, and candidate c3 that may be deployed."""

    def __init__(self, endpoint: MemoryEndpoint, log: FolderLog | None) -> None:
        from orchestration.record import ZenmlRecord

        self.name = f"judged-{uuid4().hex[:8]}"
        self.endpoint = endpoint
        self.host: Any = hosting(endpoint, log=log)
        promote(self.name, "b2")
        ZenmlRecord(self.name).add(version("c3"))

    def deploy(self, ramp: Ramp) -> Deployment:
        from orchestration.deployment import deploy_decision

        decision = PromotionDecision(verdict=Verdict.PROMOTE, version="c3", champion="b2", reasons=())
        return deploy_decision(self.name, self.host, decision, ramp)

    def noted(self) -> Rollout | None:
        return host_of(self.host).lease(self.name, Path()).read().lease.rollout


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    from orchestration import deployment, mirrors

    monkeypatch.setattr(mirrors, "active_mirrors", lambda _host: [])
    monkeypatch.setattr(deployment, "_tested_model", lambda _: Path("model"))
    return Clock.in_place_of_time(monkeypatch)


def witnessed(monkeypatch: pytest.MonkeyPatch, clock: Clock, newcomer: Arm) -> None:
    from orchestration import judging

    monkeypatch.setattr(judging, "LogWitness", lambda _log: SteadyWitness(clock, newcomer))


def test_a_host_without_a_log_is_told_of_once_and_the_ramp_goes_on(clock: Clock) -> None:
    model = Model(MemoryEndpoint({"b2": 100}), None)
    done = model.deploy(Ramp(shares=(10, 50), hold_s=30))
    assert (done.outcome, done.traffic) == ("live", {"b2": 0, "c3": 100})
    assert done.message.count("only asked whether it answers: nothing is noted in memory") == 1
    assert [(share.share, share.by, share.judgement) for share in done.transitions] == [
        (10, "readiness", None),
        (50, "readiness", None),
    ]


def test_nothing_is_told_where_no_judge_is_asked_for(clock: Clock) -> None:
    done = Model(MemoryEndpoint({"b2": 100}), None).deploy(Ramp(shares=(10,), hold_s=0, judge=None))
    assert done.message == "version c3 serves all traffic."


def test_a_newcomer_that_the_judge_takes_back_leaves_the_champion(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    witnessed(monkeypatch, clock, arm(200, errors=60))
    model = Model(MemoryEndpoint({"b2": 100}), FolderLog(tmp_path))
    done = model.deploy(Ramp(shares=(10,), judge=RULES))
    assert (done.outcome, done.version, done.traffic) == ("rolled_back", "b2", {"b2": 100})
    assert "the judge takes it back at 10 % of the traffic: the newcomer is worse" in done.message
    assert aliases(model.name) == {"champion": "b2"}
    assert model.noted() is None


def test_a_run_goes_on_with_the_ramp_that_one_before_was_killed_at(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    witnessed(monkeypatch, clock, arm(200))
    model = Model(MemoryEndpoint({"b2": 90, "c3": 10}), FolderLog(tmp_path))
    store = host_of(model.host).lease(model.name, Path())
    killed = Claim(store, model.name, holder_of("training-1"))
    assert killed.take(store.read())
    shares = (Transition(share=10, since=began()),)
    before = model.endpoint.status()
    killed.note(Rollout(run="training-1", version="c3", champion="b2", before=before, transitions=shares))
    killed.release()
    clock.at_s += 600
    done = model.deploy(Ramp(shares=(10, 50), judge=RULES))
    assert (done.outcome, done.traffic) == ("live", {"b2": 0, "c3": 100}), done.message
    assert [share.share for share in done.transitions] == [10, 50]
    assert done.transitions[0].since == began()
    assert done.transitions[0].until == began(10)  # at once: the log has the time without a controller


def test_without_traffic_what_the_version_keeps_is_replayed_and_the_page_says_which(
    clock: Clock, tmp_path: Path
) -> None:
    model = Model(MemoryEndpoint({"b2": 100}), FolderLog(tmp_path / "empty"))
    done = model.deploy(Ramp(shares=(10,), hold_s=5, judge=Judge(min_requests=20)))
    (share,) = done.transitions
    assert (done.outcome, share.by) == ("live", "replay")
    assert "1 kept rows of its test and validation split were replayed" in share.message


def test_logged_inputs_are_replayed_where_the_log_keeps_them(clock: Clock, tmp_path: Path) -> None:
    spool = Spool(tmp_path, lambda: "v")
    for number in range(3):
        row = {"index": 0, "features": {}, "prediction": "sport", "input": {"text": f"goal {number}"}}
        spool.write("news", request(ago_s=3600, version="b2"), [row])
    model = Model(MemoryEndpoint({"b2": 100}), FolderLog(tmp_path, keeps_inputs=True))
    done = model.deploy(Ramp(shares=(10,), hold_s=5, judge=Judge(min_requests=20)))
    assert "3 logged inputs were replayed" in done.transitions[0].message
