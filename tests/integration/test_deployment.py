"""Rollbacks and deployments when a mirror of the record is down."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from evergreen.core.decision import PromotionDecision, Verdict
from evergreen.core.deployment import Deployment
from evergreen.core.errors import EndpointError, EvergreenError
from evergreen.core.members import host_of
from evergreen.core.versions import ModelVersion
from tests.memory_endpoint import MemoryEndpoint
from tests.memory_host import hosting
from tests.recorded_versions import aliases, promote, version

pytestmark = pytest.mark.usefixtures("zenml_home")
MODEL = "mirrored"


class DownMirror:
    """A registry whose server does not answer."""

    name = "down"

    def read(self, model: str) -> Any:
        raise EvergreenError(f"nothing answers for {model} at mysql://user:s3cret@host/db")


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Any:
    from orchestration import mirrors

    monkeypatch.setattr(mirrors, "active_mirrors", lambda _host: [DownMirror()])
    endpoint = MemoryEndpoint({"a1": 0, "b2": 100})
    return hosting(endpoint)


def test_neither_a_rollback_nor_a_run_fails_of_a_mirror_that_is_down(
    host: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from commands import project, rollback
    from orchestration.deployment import deploy_decision

    promote(MODEL, "a1")
    promote(MODEL, "b2")
    opened = SimpleNamespace(model_name=MODEL, host=host, check_stack=lambda: None)
    monkeypatch.setattr(project, "open_served", lambda *_: opened)
    rollback.main(SimpleNamespace(config="any", name=None))  # type: ignore[arg-type]  # all that the command reads
    printed = capsys.readouterr().out
    assert aliases(MODEL) == {"champion": "a1", "previous": "b2"}
    assert "warning: a mirror of the record lags behind, the next run repairs it (nothing answers for" in printed
    assert "s3cret" not in printed

    keep = PromotionDecision(verdict=Verdict.KEEP, version="c3", champion="a1", reasons=())
    kept = deploy_decision(MODEL, host, keep)
    assert (kept.outcome, kept.version) == ("kept", "a1")
    assert kept.message.startswith("version a1 already serves all traffic. warning: a mirror")


@pytest.mark.parametrize("fails", [False, True])
def test_a_newcomer_is_tested_before_anyone_has_to_wait_for_its_deployment(
    host: Any, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    from orchestration import deployment
    from orchestration.record import ZenmlRecord

    model = f"tested-{fails}".lower()
    locked: list[bool] = []

    def tested(_: ModelVersion) -> Path:
        locked.append(host_of(host).lease(model, Path()).read().holder is not None)
        if fails:
            raise EndpointError("breaks its contract")
        return Path("model")

    monkeypatch.setattr(deployment, "_tested_model", tested)
    promote(model, "b2")
    ZenmlRecord(model).add(version("c3"))
    decision = PromotionDecision(verdict=Verdict.PROMOTE, version="c3", champion="b2", reasons=())
    done = deployment.deploy_decision(model, host, decision)
    assert locked == [False]
    assert (done.outcome, done.version) == (("rolled_back", "b2") if fails else ("live", "c3"))
    assert ("breaks its contract" in done.message) == fails
    assert aliases(model) == ({"champion": "b2"} if fails else {"champion": "c3", "previous": "b2"})


def test_a_rollback_while_a_canary_has_a_share_withdraws_the_canary(monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestration import mirrors
    from orchestration.deployment import roll_back_champion
    from orchestration.record import ZenmlRecord

    monkeypatch.setattr(mirrors, "active_mirrors", lambda _host: [])
    model = "canaried"
    promote(model, "a1")
    promote(model, "b2")
    ZenmlRecord(model).add(version("c3"))
    endpoint = MemoryEndpoint({"a1": 0, "b2": 90, "c3": 10})
    host: Any = hosting(endpoint)
    assert roll_back_champion(model, host).version == "b2"
    assert endpoint.traffic == {"a1": 0, "b2": 100}
    assert aliases(model) == {"champion": "b2", "previous": "a1"}
    assert ZenmlRecord(model).read().rolled_back == ("c3",)


def test_a_rollback_overrules_a_run_that_is_at_its_rollout(monkeypatch: pytest.MonkeyPatch) -> None:
    from evergreen.core.lease import LeaseLostError
    from evergreen.core.ramp import Ramp
    from orchestration import deployment, mirrors
    from orchestration.record import ZenmlRecord
    from orchestration.status import status_of

    monkeypatch.setattr(mirrors, "active_mirrors", lambda _host: [])
    monkeypatch.setattr(deployment, "_tested_model", lambda _: Path("model"))
    model = "overruled"
    promote(model, "a1")
    promote(model, "b2")
    ZenmlRecord(model).add(version("c3"))
    endpoint = MemoryEndpoint({"a1": 0, "b2": 100})
    host, predict = hosting(endpoint), endpoint.predict
    holders: list[str] = []

    def asked(instances: Any, version: str | None = None, **how: bool) -> Any:
        if endpoint.traffic.get("c3") == 10 and not holders:
            held = status_of(model, host).lease
            assert held is not None
            holders.append(held.run)
            assert deployment.roll_back_champion(model, host).version == "b2"
        return predict(instances, version, **how)

    monkeypatch.setattr(endpoint, "predict", asked)
    decision = PromotionDecision(verdict=Verdict.PROMOTE, version="c3", champion="b2", reasons=())
    ramp = Ramp(shares=(10,), hold_s=0)
    with pytest.raises(LeaseLostError, match=r"lost: nobody holds the lease"):
        deployment.deploy_decision(model, host, decision, ramp, "training-7")
    assert holders == ["training-7"]
    assert endpoint.traffic == {"a1": 0, "b2": 100}
    assert aliases(model) == {"champion": "b2", "previous": "a1"}
    assert ZenmlRecord(model).read().rolled_back == ("c3",)
    assert status_of(model, host).lease is None


def test_a_teardown_is_refused_while_a_run_is_at_its_rollout(monkeypatch: pytest.MonkeyPatch) -> None:
    from evergreen.core.errors import BusyError
    from evergreen.core.lease import Claim
    from evergreen.runtime.hold import holder_of
    from orchestration import deployment

    monkeypatch.setattr(deployment, "COMMAND_WAIT_S", 0)
    endpoint = MemoryEndpoint({"a1": 100})
    host = hosting(endpoint)
    store = host_of(host).lease("busy", Path())
    assert Claim(store, "busy", holder_of("training-7")).take(store.read())
    with pytest.raises(BusyError, match=r"held by .+ \(training-7\) since .+ unless renewed; wait for it to end"):
        deployment.tear_down("busy", host)
    assert endpoint.traffic == {"a1": 100}


def test_the_kept_request_of_a_model_goes_with_its_endpoint_and_no_others(host: Any) -> None:
    from orchestration.deployment import tear_down
    from orchestration.requests import keep_request

    said = {"outcome": "live", "model": "torn", "url": None, "version": "b2", "traffic": {"b2": 100}, "message": ""}
    live = Deployment.model_validate(said | {"example": {"text": "a long one"}})
    torn, other = (Path(keep_request(name, live)) for name in ("torn", "other"))
    assert "a long one" in torn.read_text(encoding="utf-8")
    tear_down("torn", host)
    assert (torn.exists(), other.exists()) == (False, True)


@pytest.fixture
def rollout(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts `c3` live beside champion `b2` of a model, with `happens` as soon as it has all the traffic."""
    from orchestration import deployment, mirrors
    from orchestration.record import ZenmlRecord

    monkeypatch.setattr(mirrors, "active_mirrors", lambda _host: [])
    monkeypatch.setattr(deployment, "_tested_model", lambda _: Path("model"))

    def run(model: str, happens: Any) -> tuple[Any, MemoryEndpoint]:
        promote(model, "b2")
        ZenmlRecord(model).add(version("c3"))
        endpoint = MemoryEndpoint({"b2": 100})
        predict = endpoint.predict

        def asked(instances: Any, version: str | None = None, **how: bool) -> Any:
            if endpoint.traffic.get("c3") == 100:
                happens(ZenmlRecord(model))
            return predict(instances, version, **how)

        monkeypatch.setattr(endpoint, "predict", asked)
        host: Any = hosting(endpoint)
        decision = PromotionDecision(verdict=Verdict.PROMOTE, version="c3", champion="b2", reasons=())
        return deployment.deploy_decision(model, host, decision), endpoint

    return run


def test_a_version_that_a_rollback_withdrew_meanwhile_is_not_crowned(rollout: Any) -> None:
    done, endpoint = rollout("withdrawn", lambda record: record.mark_rolled_back("c3", True))
    assert (done.outcome, endpoint.traffic) == ("rolled_back", {"b2": 100})
    assert "withdrawn by a rollback meanwhile" in done.message
    assert aliases("withdrawn") == {"champion": "b2"}


def test_a_champion_that_is_recorded_though_the_answer_was_lost_stays_live(
    rollout: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestration.record import ZenmlRecord

    move = ZenmlRecord.move

    def lose_the_answer(record: ZenmlRecord, moves: Any) -> None:
        move(record, moves)
        raise TimeoutError("the server did not answer")

    def fails_from_now_on(_record: ZenmlRecord) -> None:
        monkeypatch.setattr(ZenmlRecord, "move", lose_the_answer)

    done, endpoint = rollout("unanswered", fails_from_now_on)
    assert (done.outcome, endpoint.traffic) == ("live", {"b2": 0, "c3": 100})
    assert aliases("unanswered") == {"champion": "c3", "previous": "b2"}
