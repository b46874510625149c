"""A rollback that is cut off between any two of its writes: whatever runs next sets it right."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from evergreen.core.decision import PromotionDecision, Verdict
from tests.memory_endpoint import MemoryEndpoint
from tests.memory_host import hosting
from tests.recorded_versions import aliases, promote

pytestmark = pytest.mark.usefixtures("zenml_home")
WRITES = 7
"""Of a rollback to the record: two tags, the champion, two marks and two tags again."""


class KilledError(BaseException):
    """What ends the process."""


class Rolled:
    """A model with champion b2 and previous a1, and its endpoint."""

    def __init__(self) -> None:
        self.model = f"rolled-{uuid4().hex[:8]}"
        self.endpoint = MemoryEndpoint({"a1": 0, "b2": 100})
        self.host: Any = hosting(self.endpoint)
        promote(self.model, "a1")
        promote(self.model, "b2")

    def roll_back(self) -> None:
        from orchestration.deployment import roll_back_champion

        roll_back_champion(self.model, self.host)

    def run(self) -> None:
        """A run whose version the gate keeps out."""
        from orchestration.deployment import deploy_decision

        keep = PromotionDecision(verdict=Verdict.KEEP, version="c3", champion=None, reasons=())
        deploy_decision(self.model, self.host, keep)

    def is_rolled_back(self) -> bool:
        """Whether champion and previous have changed places; every part says the same."""
        from orchestration.record import ZenmlRecord

        champion, previous = ("a1", "b2") if aliases(self.model)["champion"] == "a1" else ("b2", "a1")
        assert aliases(self.model) == {"champion": champion, "previous": previous}
        assert self.endpoint.traffic == {champion: 100, previous: 0}
        assert ZenmlRecord(self.model).read().rolled_back == (("b2",) if champion == "a1" else ())
        return champion == "a1"


@pytest.fixture
def rolled(monkeypatch: pytest.MonkeyPatch) -> Rolled:
    from orchestration import deployment, mirrors

    monkeypatch.setattr(mirrors, "active_mirrors", lambda _host: [])
    monkeypatch.setattr(deployment, "_tested_model", lambda _version: Path("model"))
    return Rolled()


def cut_off(monkeypatch: pytest.MonkeyPatch, action: Callable[[], None], writes: int) -> int:
    """How many writes the action did; it is killed when it wants to do one more than `writes`."""
    from zenml.client import Client

    update = Client.update_model_version
    done: list[dict[str, Any]] = []

    def write(self: Client, *args: Any, **options: Any) -> Any:
        if len(done) == writes:
            raise KilledError
        done.append(options)
        return update(self, *args, **options)

    with monkeypatch.context() as patch, suppress(KilledError):
        patch.setattr(Client, "update_model_version", write)
        action()
    return len(done)


def test_a_whole_rollback_is_as_many_writes_as_are_cut_off_here(
    rolled: Rolled, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cut_off(monkeypatch, rolled.roll_back, writes=100) == WRITES
    assert rolled.is_rolled_back()
    rolled.roll_back()
    assert aliases(rolled.model) == {"champion": "b2", "previous": "a1"}


@pytest.mark.parametrize("traffic", ["restored", "left"])
@pytest.mark.parametrize("writes", range(WRITES))
def test_a_second_call_finishes_a_rollback_that_was_cut_off(
    rolled: Rolled, monkeypatch: pytest.MonkeyPatch, writes: int, traffic: str
) -> None:
    assert cut_off(monkeypatch, rolled.roll_back, writes) == writes
    if traffic == "left":  # as a process that is killed leaves it: nothing was restored
        rolled.endpoint.traffic = {"a1": 100, "b2": 0}
    rolled.roll_back()
    assert rolled.is_rolled_back()


@pytest.mark.parametrize("writes", range(WRITES))
def test_a_run_after_a_rollback_that_was_cut_off_loses_no_version(
    rolled: Rolled, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    cut_off(monkeypatch, rolled.roll_back, writes)
    rolled.endpoint.traffic = {"a1": 100, "b2": 0}
    rolled.run()
    assert rolled.is_rolled_back() == (writes >= 2)
    rolled.run()
    assert rolled.is_rolled_back() == (writes >= 2)
