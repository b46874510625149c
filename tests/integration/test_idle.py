"""An endpoint that nobody asks: told, parked, left alone by runs, and brought back; in a real ZenML."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from evergreen.core.artifacts import ResolvedWindow
from evergreen.core.decision import PromotionDecision, Verdict
from evergreen.core.errors import EndpointError, EvergreenError
from evergreen.core.idle import Idle
from tests.memory_endpoint import MemoryEndpoint
from tests.memory_host import LOGS, MemoryHostSettings, hosting
from tests.recorded_versions import aliases, promote, version

pytestmark = pytest.mark.usefixtures("zenml_home")
PARKS = Idle(after="12h", park=True)


class Asked:
    """A request log of one request, so long ago."""

    skipped = 0
    late_s = 0.0
    keeps_inputs = False

    def __init__(self, ago: timedelta) -> None:
        self.time = datetime.now(UTC) - ago

    def read(self, window: ResolvedWindow) -> Any:
        times = [self.time] if window.start <= self.time < window.end else []
        return iter([pa.record_batch({"time": pa.array(times, pa.timestamp("us", tz="UTC"))})])


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryHostSettings]:
    from orchestration import mirrors

    monkeypatch.setattr(mirrors, "active_mirrors", lambda _host: [])
    settings = hosting(MemoryEndpoint({"a1": 0, "b2": 100}))
    LOGS[settings.name] = Asked(timedelta(days=2))
    yield settings
    del LOGS[settings.name]


def endpoint_of(host: MemoryHostSettings) -> MemoryEndpoint:
    from orchestration.endpoints import open_endpoint

    endpoint = open_endpoint("any", host)
    assert isinstance(endpoint, MemoryEndpoint)
    return endpoint


def guarded(host: Any, idle: Idle = PARKS) -> str | None:
    from orchestration.idle import guard_idle

    told = guard_idle("idle", host, idle)
    if told is not None:  # of an endpoint that is parked, or of which nothing is known, nobody is alerted
        assert told.is_news == told.words.startswith("nobody has asked")
    return told.words if told else None


def test_an_endpoint_that_nobody_asks_is_told_and_parked_where_that_is_configured(host: MemoryHostSettings) -> None:
    told = "nobody has asked the endpoint within 12h; idle: {park: true} would give its machines back"
    assert guarded(host, Idle(after="12h")) == told
    assert endpoint_of(host).status().ready
    assert guarded(host, Idle(after="3d", park=True)) is None  # it was asked two days ago
    assert str(guarded(host)).startswith("nobody has asked the endpoint within 12h; it is parked, its id")
    assert (endpoint_of(host).status().parked, endpoint_of(host).traffic) == (True, {"a1": 0, "b2": 100})
    assert guarded(host) == "the endpoint is parked; run.py deploy brings it back"
    assert endpoint_of(host).calls == ["park None"]


def test_what_cannot_be_told_parks_nothing(host: MemoryHostSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint_of(host).traffic = {"a1": 90, "b2": 10}
    assert str(guarded(host)).endswith("it is not parked, for that has just changed")  # a rollout was cut off
    asked = iter([False, True])
    monkeypatch.setattr("orchestration.idle._asked_within", lambda *_: next(asked))
    endpoint_of(host).traffic = {"b2": 100}
    assert str(guarded(host)).endswith("it is not parked, for that has just changed")
    monkeypatch.undo()
    LOGS.pop(host.name)
    assert guarded(host) == "whether anybody asks the endpoint is not known: nothing is noted in memory"
    LOGS[host.name] = Asked(timedelta(days=2))
    endpoint_of(host).die()
    assert guarded(host) is None  # a run heals it
    assert endpoint_of(host).calls == []


def test_what_was_deployed_within_the_time_is_not_idle_though_nobody_asked(
    host: MemoryHostSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = endpoint_of(host)
    endpoint.changed = datetime.now(UTC) - timedelta(hours=11)
    assert guarded(host) is None
    assert str(guarded(host, Idle(after="10h"))).startswith("nobody has asked the endpoint within 10h")

    endpoint.changed = None
    monkeypatch.setattr("orchestration.idle.time.sleep", lambda _: setattr(endpoint, "changed", datetime.now(UTC)))
    assert str(guarded(host)).endswith("it is not parked, for that has just changed")
    assert endpoint.calls == []


class Late(Asked):
    """A log that holds its request only `late_s` after it, by a clock that sleeping moves."""

    late_s = 180.0
    slept = 0.0

    def read(self, window: ResolvedWindow) -> Any:
        return super().read(window) if self.slept >= self.late_s else iter([])

    def sleep(self, seconds: float) -> None:
        self.slept += seconds


def test_a_request_that_the_log_does_not_hold_yet_keeps_the_endpoint(
    host: MemoryHostSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = LOGS[host.name] = Late(timedelta(minutes=1))
    monkeypatch.setattr("orchestration.idle.time.sleep", late.sleep)
    assert str(guarded(host)).endswith("it is not parked, for that has just changed")
    assert (late.slept, endpoint_of(host).calls) == (180.0, [])


def test_what_was_asked_within_the_time_is_in_the_window_though_the_log_is_late(host: MemoryHostSettings) -> None:
    LOGS[host.name] = late = Late(timedelta(minutes=62))
    late.slept = late.late_s
    assert guarded(host, Idle(after="1h")) is None


def test_a_parked_endpoint_is_left_alone_until_the_command_or_a_promotion_brings_it_back(
    host: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from commands import deploy, project
    from orchestration import deployment
    from orchestration.record import ZenmlRecord

    model, endpoint = "parked", endpoint_of(host)
    promote(model, "a1")
    promote(model, "b2")
    endpoint.park()
    keep = PromotionDecision(verdict=Verdict.KEEP, version="c3", champion="b2", reasons=())
    kept = deployment.deploy_decision(model, host, keep)
    assert (kept.outcome, kept.version, kept.url) == ("kept", "b2", None)
    assert kept.message == "the endpoint is parked, and stays so; run.py deploy brings version b2 back."
    assert endpoint.calls == ["park None"]

    opened = SimpleNamespace(model_name=model, host=host, check_stack=lambda: None)
    monkeypatch.setattr(project, "open_served", lambda *_: opened)
    assert deploy.main(SimpleNamespace(config="any", name=None)) == 0  # type: ignore[arg-type]  # all that it reads
    assert "deployment  version b2 is back from parking." in capsys.readouterr().out
    assert (endpoint.status().parked, endpoint.traffic) == (False, {"a1": 0, "b2": 100})
    assert endpoint.calls[-1] == "predict None"
    assert deployment.deploy_champion(model, host).outcome == "kept"

    endpoint.park()
    monkeypatch.setattr(deployment, "_tested_model", lambda _: Path("model"))
    ZenmlRecord(model).add(version("c3"))
    promoted = PromotionDecision(verdict=Verdict.PROMOTE, version="c3", champion="b2", reasons=())
    assert deployment.deploy_decision(model, host, promoted).outcome == "live"
    assert (endpoint.status().parked, endpoint.traffic["c3"]) == (False, 100)

    endpoint.park()
    assert deployment.roll_back_champion(model, host).version == "b2"
    assert (endpoint.status().parked, endpoint.traffic["b2"]) == (False, 100)
    assert aliases(model)["champion"] == "b2"


def test_without_a_champion_there_is_nothing_to_bring_live(host: Any) -> None:
    from orchestration.deployment import deploy_champion

    with pytest.raises(EvergreenError, match="model 'never' has no champion to deploy; run its configuration") as none:
        deploy_champion("never", host)
    assert none.value.exit_code == 1


def test_what_does_not_come_back_stays_parked_and_fails(host: Any) -> None:
    from orchestration.deployment import deploy_champion

    promote("stuck", "b2")
    endpoint = endpoint_of(host)
    endpoint.park()
    endpoint.fail["unpark"] = EndpointError("no machine is to be had")
    with pytest.raises(EndpointError, match="no machine"):
        deploy_champion("stuck", host)
    assert endpoint.status().parked
