"""A model's schedule replaced by another, while Vertex AI lags behind or fails."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from evergreen.adapters.vertex.schedules import VertexSchedule
from evergreen.core.errors import EvergreenError
from orchestration import schedules

pytestmark = pytest.mark.usefixtures("zenml_home")


def a_schedule(resource: str) -> VertexSchedule:
    return VertexSchedule(resource=resource, cron="0 3 * * *", state="ACTIVE", next_run=None)


@dataclass
class Vertex:
    """Schedules whose listing shows a new one only after it was asked for `lag` times more."""

    listed: list[str] = field(default_factory=lambda: ["old"])
    coming: list[str] = field(default_factory=list)
    lag: int = 0
    deleting_fails: bool = False
    held: list[str] = field(default_factory=list)

    def named(self, name: str) -> list[VertexSchedule]:
        assert name == "evergreen-news"
        if self.coming and self.lag == 0:
            self.listed.append(self.coming.pop())
        self.lag -= bool(self.coming)
        return [a_schedule(one) for one in self.listed]

    def delete(self, resource: str) -> None:
        if self.deleting_fails:
            raise EvergreenError(f"deleting schedule {resource}: unavailable; try again later")
        self.listed.remove(resource)

    def hold_to_one_run(self, resource: str) -> None:
        self.held.append(resource)


@dataclass
class Pipeline:
    """What makes the schedule `new`, and may fail after that."""

    vertex: Vertex
    makes: bool = True
    fails: bool = False

    def with_options(self, **_: Any) -> Pipeline:
        return self

    def __call__(self) -> None:
        if self.makes:
            self.vertex.coming.append("new")
        if self.fails:
            raise RuntimeError("quota exceeded")


def set_schedule(monkeypatch: pytest.MonkeyPatch, pipeline: Any) -> VertexSchedule:
    monkeypatch.setattr(schedules, "vertex_schedules", lambda: pipeline.vertex)
    monkeypatch.setattr(schedules, "LOOK_EVERY_S", 0.001)
    monkeypatch.setattr(schedules, "SHOWN_WITHIN_S", 0.05)
    return schedules.set_schedule(pipeline, {}, "news", "0 3 * * *")


@pytest.mark.parametrize("lag", [0, 3])
def test_the_new_schedule_is_waited_for_and_then_ends_the_old_one(monkeypatch: pytest.MonkeyPatch, lag: int) -> None:
    vertex = Vertex(lag=lag)
    assert set_schedule(monkeypatch, Pipeline(vertex)).resource == "new"
    assert (vertex.listed, vertex.held) == (["new"], ["new"])


def test_a_schedule_that_is_never_listed_leaves_the_old_one_and_says_what_to_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vertex = Vertex(lag=1_000_000)
    with pytest.raises(EvergreenError, match=r"did not list it within .*1 before go on.*run\.py schedule --list"):
        set_schedule(monkeypatch, Pipeline(vertex))
    assert vertex.listed == ["old"]


def test_a_creation_that_failed_leaves_the_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    vertex = Vertex()
    told = "did not take the schedule: quota exceeded; what was scheduled before goes on"
    with pytest.raises(EvergreenError, match=told):
        set_schedule(monkeypatch, Pipeline(vertex, makes=False, fails=True))
    assert vertex.listed == ["old"]


def test_a_creation_that_failed_once_it_was_made_ends_the_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    vertex = Vertex()
    with pytest.raises(EvergreenError, match="quota exceeded; the new schedule is there all the same, and the old one"):
        set_schedule(monkeypatch, Pipeline(vertex, fails=True))
    assert (vertex.listed, vertex.held) == (["new"], ["new"])


def test_an_old_one_that_cannot_be_ended_does_not_hide_why_the_creation_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vertex = Vertex(deleting_fails=True)
    with pytest.raises(EvergreenError, match="quota exceeded; schedules 'evergreen-news' may be there twice"):
        set_schedule(monkeypatch, Pipeline(vertex, fails=True))
    assert vertex.held == ["new"]
