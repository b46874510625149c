"""What monitoring said of a model, read from its runs by the training that follows; in a real ZenML."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Annotated, Any
from uuid import uuid4

import pytest
from zenml import pipeline, step
from zenml.models import PipelineRunResponse

from evergreen.core.artifacts import ResolvedWindow
from evergreen.core.verdict import Verdict
from evergreen.core.versions import ModelVersion
from evergreen.core.when import Drift, When
from orchestration.causes import world_of
from orchestration.trainings import training_under_way
from orchestration.verdicts import newest_verdicts

pytestmark = pytest.mark.usefixtures("zenml_home")
HOUR = timedelta(hours=1)


@step(enable_cache=False)
def monitor(model_name: str, hours_ago: float, drifted: bool) -> Annotated[Verdict, "verdict"]:
    """A verdict on an hour that ended some hours ago."""
    end = datetime.now(UTC) - hours_ago * HOUR
    return Verdict(
        model=model_name,
        version="a1",
        window=ResolvedWindow(start=end - HOUR, end=end),
        rows=900,
        requests=900,
        enough=True,
        drifted=drifted,
        created=end,
    )


@pipeline
def monitoring(model_name: str, hours_ago: float, drifted: bool) -> None:
    monitor(model_name, hours_ago, drifted)


def watch(model: str, hours_ago: float, drifted: bool = True) -> PipelineRunResponse:
    run = monitoring.with_options(tags=[f"model={model}"])(model, hours_ago, drifted)
    assert run is not None
    return run


def champion() -> ModelVersion:
    plain: dict[str, Any] = {"version": "a1", "artifact": "a", "report": "r", "recipe": "known", "run": "training-1"}
    return ModelVersion(**plain, judged_against=None, metrics={}, examples=())


def test_the_next_training_reads_what_monitoring_said_of_its_model(monkeypatch: pytest.MonkeyPatch) -> None:
    model, when = f"m-{uuid4().hex[:8]}", When(drift=Drift(k=2, of=3))
    began = datetime.now(UTC) - 9 * HOUR
    told = "there is no verdict for refresh.when to read"
    assert (newest_verdicts(model, 5), world_of(model, champion(), began, when).told) == ([], told)
    assert world_of(model, champion(), began, When()).told is None
    watch(f"{model}-2", 0)  # another model's
    first = watch(model, 1.5)
    assert world_of(model, champion(), began, when).causes == ()
    watch(model, 0)
    assert [one.model for one in newest_verdicts(model, 5)] == [model, model]
    assert len(newest_verdicts(model, 1)) == 1
    (cause,) = world_of(model, champion(), began, when).causes
    assert cause.words.startswith("2 of the last 2 windows drifted")
    other = champion().model_copy(update={"version": "b2"})
    assert world_of(model, other, began, when).causes == ()
    assert newest_verdicts(model, 5, datetime.now(UTC) + HOUR) == []

    judged = datetime.now(UTC) - HOUR  # after the window of the first of them
    monkeypatch.setattr("orchestration.causes.judged_since", lambda _model: judged)
    assert world_of(model, champion(), began, when).causes == ()
    shutil.rmtree(first.steps["monitor"].outputs["verdict"][0].uri)
    assert len(newest_verdicts(model, 5)) == 1  # and no night fails of it


def test_a_run_elsewhere_that_is_not_finished_trains_and_one_that_a_command_left_behind_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs = [
        SimpleNamespace(id=1, name="own", status=SimpleNamespace(is_finished=False), here=False, ended=None),
        SimpleNamespace(id=2, name="killed", status=SimpleNamespace(is_finished=False), here=True, ended=None),
        SimpleNamespace(id=3, name="cancelled", status=SimpleNamespace(is_finished=False), here=False, ended="failed"),
        SimpleNamespace(id=4, name="through", status=SimpleNamespace(is_finished=True), here=False, ended=None),
    ]
    monkeypatch.setattr("orchestration.trainings._trainings", lambda *_: runs)
    monkeypatch.setattr("orchestration.trainings._own_run", lambda: 1)
    monkeypatch.setattr("orchestration.trainings.is_local", lambda run: run.here)
    monkeypatch.setattr("orchestration.trainings.ended_on_vertex", lambda run: run.ended)
    assert training_under_way("news") is None
    runs.append(SimpleNamespace(id=5, name="at-it", status=SimpleNamespace(is_finished=False), here=False, ended=None))
    assert training_under_way("news") == "at-it"
