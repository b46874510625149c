"""A model's schedule replaced by another, or ended, while Vertex AI lags behind, fails, or has a run under way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
import requests
from google.api_core import exceptions as api
from google.auth.exceptions import RefreshError
from zenml.pipelines.pipeline_definition import Pipeline

from evergreen.adapters.vertex.schedules import VertexSchedule, VertexSchedules
from evergreen.core.errors import EvergreenError, InputError
from orchestration import schedules, specifications
from tests.compiled import write_compiled

pytestmark = pytest.mark.usefixtures("zenml_home")

OLD = "evergreen-news-00000001"
OTHERS = ("evergreen-news-2-00000001", "evergreen-newsletter", "evergreen-news-daily")
"""Names of schedules of other models, which begin in the same way."""
NEW = re.compile(r"evergreen-news-[0-9a-f]{8}")


@dataclass
class Vertex:
    """Schedules by name with their states; the listing shows a new one only after it was asked for `lag` times more."""

    states: dict[str, str] = field(default_factory=lambda: dict.fromkeys((OLD, *OTHERS), "ACTIVE"))
    coming: list[str] = field(default_factory=list)
    lag: int = 0
    failing: str = ""
    busy: list[str] = field(default_factory=list)
    done: list[tuple[str, str]] = field(default_factory=list)

    def beginning(self, prefix: str) -> list[VertexSchedule]:
        if self.coming and self.lag == 0:
            self.states[self.coming.pop()] = "ACTIVE"
        self.lag -= bool(self.coming)
        return [
            VertexSchedule(name=name, resource=f"schedules/{name}", cron="0 3 * * *", state=state, next_run=None)
            for name, state in self.states.items()
            if name.startswith(prefix)
        ]

    def running(self, resource: str) -> list[str]:
        return ["training-1"] if resource.rpartition("/")[2] in self.busy else []

    def pause(self, resource: str) -> None:
        self.states[self._called("pause", resource)] = "PAUSED"

    def delete(self, resource: str) -> None:
        del self.states[self._called("delete", resource)]

    def hold_to_one_run(self, resource: str) -> None:
        self._called("hold", resource)

    def archive(self, name: str) -> None:
        self._called("archive", name)

    def own(self) -> dict[str, str]:
        """Those that are no other model's."""
        return {name: state for name, state in self.states.items() if name not in OTHERS}

    def archived(self) -> list[str]:
        return [name for what, name in self.done if what == "archive"]

    def _called(self, what: str, resource: str) -> str:
        name = resource.rpartition("/")[2]
        if self.failing == what:
            raise InputError(f"{what} {name}: no permission")
        self.done.append((what, name))
        return name


@dataclass
class Scheduling:
    """A pipeline that makes the schedule that it is given, and may fail after that."""

    vertex: Vertex
    makes: bool = True
    error: BaseException | None = None

    def with_options(self, **options: Any) -> Scheduling:
        self.name = options["schedule"].name
        return self

    def __call__(self) -> None:
        if self.makes:
            self.vertex.coming.append(self.name)
        if self.error:
            raise self.error


@pytest.fixture(autouse=True)
def vertex(monkeypatch: pytest.MonkeyPatch) -> Iterator[Vertex]:
    """In place of the orchestrator's; what is archived in ZenML is written down with the rest."""
    vertex = Vertex()
    monkeypatch.setattr(schedules, "vertex_schedules", lambda: cast(VertexSchedules, vertex))
    monkeypatch.setattr(schedules, "_archive", vertex.archive)
    monkeypatch.setattr(schedules, "POLL_EVERY_S", 0.001)
    yield vertex
    assert set(OTHERS) <= vertex.states.keys()
    assert not set(OTHERS) & {name for _, name in vertex.done}


def set_schedule(pipeline: Scheduling) -> VertexSchedule:
    return schedules.set_schedule(cast(Pipeline, pipeline), {}, "news", "0 3 * * *")


@pytest.mark.parametrize("lag", [0, 3])
def test_the_new_schedule_is_waited_for_and_held_to_one_run_before_the_old_one_ends(vertex: Vertex, lag: int) -> None:
    vertex.lag = lag
    made = set_schedule(Scheduling(vertex)).name
    assert NEW.fullmatch(made)
    assert made != OLD
    assert vertex.own() == {made: "ACTIVE"}
    assert vertex.done == [("hold", made), ("pause", OLD), ("archive", OLD), ("delete", OLD)]


def test_a_schedule_that_was_named_for_the_model_alone_is_replaced_too(vertex: Vertex) -> None:
    vertex.states["evergreen-news"] = vertex.states.pop(OLD)
    made = set_schedule(Scheduling(vertex)).name
    assert vertex.own() == {made: "ACTIVE"}


def test_a_run_of_the_old_one_can_sign_in_until_the_next_command_finds_it_ended(vertex: Vertex) -> None:
    vertex.busy.append(OLD)
    made = set_schedule(Scheduling(vertex)).name
    assert vertex.own() == {OLD: "PAUSED", made: "ACTIVE"}
    assert vertex.archived() == []
    assert schedules.goes_on("news") == ["training-1"]
    vertex.busy.clear()
    last = set_schedule(Scheduling(vertex)).name
    assert vertex.own() == {last: "ACTIVE"}
    assert vertex.archived() == [OLD, made]
    assert schedules.goes_on("news") == []


def test_a_schedule_that_ends_during_a_run_is_paused_and_gone_after_it(vertex: Vertex) -> None:
    vertex.busy.append(OLD)
    assert schedules.delete_schedules("news") == 1
    assert (vertex.own(), vertex.archived()) == ({OLD: "PAUSED"}, [])
    vertex.busy.clear()
    assert schedules.delete_schedules("news") == 1
    assert (vertex.own(), vertex.archived()) == ({}, [OLD])
    assert schedules.delete_schedules("news") == 0


def test_a_schedule_that_is_never_listed_is_withdrawn_and_says_what_to_look_at(
    vertex: Vertex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedules, "SHOWN_WITHIN_S", 0.05)
    vertex.lag = 1_000_000
    with pytest.raises(EvergreenError, match=r"did not list it within .*run\.py schedule --list.*before goes on"):
        set_schedule(Scheduling(vertex))
    assert vertex.own() == {OLD: "ACTIVE"}
    assert OLD not in vertex.archived()


@pytest.mark.parametrize("makes", [False, True], ids=["refused", "answer lost"])
def test_a_creation_that_failed_leaves_the_old_one_alone(vertex: Vertex, makes: bool) -> None:
    message = "did not take the schedule: quota exceeded; what was scheduled before goes on; correct it"
    with pytest.raises(EvergreenError, match=message):
        set_schedule(Scheduling(vertex, makes=makes, error=RuntimeError("quota exceeded")))
    assert vertex.own() == {OLD: "ACTIVE"}
    assert OLD not in vertex.archived()


def of_the_orchestrator(error: Exception) -> RuntimeError:
    """As ZenML's orchestrator raises what Google's client does."""
    raised = RuntimeError(f"Failed to create the Vertex AI Pipelines job: {error}")
    raised.__context__ = error
    return raised


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (of_the_orchestrator(api.Unauthenticated("login expired")), InputError, "login expired; log in: gcloud auth"),  # type: ignore[no-untyped-call]
        (RefreshError("invalid_grant", {"a": "secret"}), InputError, "invalid_grant; log in: gcloud auth"),  # type: ignore[no-untyped-call]
        (of_the_orchestrator(api.TooManyRequests("slow")), EvergreenError, "slow; a quota is used up"),  # type: ignore[no-untyped-call]
        (of_the_orchestrator(api.Forbidden("no")), InputError, "no; the account needs roles/aiplatform.user"),  # type: ignore[no-untyped-call]
        (api.ServiceUnavailable("busy"), EvergreenError, "busy; try again later"),  # type: ignore[no-untyped-call]
    ],
)
def test_a_creation_that_google_refuses_is_told_with_what_to_do(
    vertex: Vertex, error: Exception, kind: type[EvergreenError], message: str
) -> None:
    with pytest.raises(kind, match=f"^Vertex AI did not take the schedule: {message}.*before goes on; correct it"):
        set_schedule(Scheduling(vertex, error=error))
    assert vertex.own() == {OLD: "ACTIVE"}


@pytest.mark.parametrize("error", [requests.ConnectionError("zenml.example"), ConnectionError("reset"), TimeoutError()])
def test_zenmls_server_that_is_away_is_not_blamed_on_vertex_ai(vertex: Vertex, error: Exception) -> None:
    with pytest.raises(type(error)) as raised:
        set_schedule(Scheduling(vertex, error=error))
    assert raised.value is error
    assert vertex.own() == {OLD: "ACTIVE"}


def test_a_first_creation_that_failed_leaves_nothing(vertex: Vertex) -> None:
    del vertex.states[OLD]
    with pytest.raises(EvergreenError, match="quota exceeded; nothing is scheduled; correct it"):
        set_schedule(Scheduling(vertex, error=RuntimeError("quota exceeded")))
    assert vertex.own() == {}


@pytest.mark.parametrize("error", [None, RuntimeError("quota exceeded")], ids=["made", "refused"])
def test_what_was_compiled_for_it_is_removed(
    vertex: Vertex, error: RuntimeError | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(specifications, "_on_vertex", lambda: True)
    compiled: list[Path] = []

    class Compiling(Scheduling):
        def __call__(self) -> None:
            compiled.append(write_compiled())
            super().__call__()

    with suppress(EvergreenError):
        set_schedule(Compiling(vertex, error=error))
    assert [file.exists() for file in compiled] == [False]


def test_a_creation_that_is_interrupted_leaves_the_old_one_alone(vertex: Vertex) -> None:
    with pytest.raises(KeyboardInterrupt):
        set_schedule(Scheduling(vertex, error=KeyboardInterrupt()))
    assert vertex.own() == {OLD: "ACTIVE"}
    assert OLD not in vertex.archived()


def test_a_new_one_that_cannot_be_held_to_one_run_is_withdrawn(vertex: Vertex) -> None:
    vertex.failing = "hold"
    with pytest.raises(InputError, match="no permission; what was scheduled before goes on"):
        set_schedule(Scheduling(vertex))
    assert vertex.own() == {OLD: "ACTIVE"}
    assert len(vertex.archived()) == 1
    assert OLD not in vertex.archived()


def test_a_new_one_that_cannot_be_withdrawn_does_not_hide_why_the_creation_failed(vertex: Vertex) -> None:
    vertex.failing = "delete"
    with pytest.raises(EvergreenError, match=r"quota exceeded; .*goes on, and 'evergreen-news-.*' may be there beside"):
        set_schedule(Scheduling(vertex, error=RuntimeError("quota exceeded")))
    assert OLD not in vertex.archived()


@pytest.mark.parametrize("failing", ["pause", "delete"])
def test_an_old_one_that_cannot_be_ended_is_told_once_the_new_one_is_set(vertex: Vertex, failing: str) -> None:
    vertex.failing = failing
    with pytest.raises(EvergreenError, match=f"the new schedule is set, but not every one before it ended: {failing}"):
        set_schedule(Scheduling(vertex))
    assert list(vertex.own().values()) == ["PAUSED" if failing == "delete" else "ACTIVE", "ACTIVE"]
