"""What monitoring said of a model, read from its runs by the training that follows; in a real ZenML."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Annotated, Any
from uuid import uuid4

import pytest
from zenml import log_metadata, pipeline, step
from zenml.models import PipelineRunResponse

from evergreen.core.approval import Answer, Question
from evergreen.core.artifacts import ResolvedWindow
from evergreen.core.decision import PromotionDecision
from evergreen.core.decision import Verdict as Gate
from evergreen.core.deployment import Deployment
from evergreen.core.verdict import Verdict
from evergreen.core.versions import ModelVersion
from evergreen.core.when import Drift, When
from orchestration.causes import world_of
from orchestration.chain import ASKED, Chain, answered_since, chain_of
from orchestration.runs import OUTCOME_KEY
from orchestration.trainings import OUTCOMES, LastTraining, judged_since, note_training, training_under_way
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


@step(enable_cache=False)
def identify() -> None:
    note_training(["drift"])


@step(enable_cache=False)
def promote() -> Annotated[PromotionDecision, "decision"]:
    return PromotionDecision(verdict=Gate.PROMOTE, version="a1", champion="older", reasons=())


@step(enable_cache=False)
def deploy(decision: PromotionDecision) -> Annotated[Deployment, "deployment"]:
    log_metadata({OUTCOME_KEY: "live"})
    message = f"version {decision.version} serves all traffic."
    return Deployment(outcome="live", model="news", url=None, version="a1", traffic={}, message=message)


@pipeline
def training() -> None:
    identify()
    deploy(promote())


def test_what_monitoring_said_leads_to_one_training_and_to_what_the_endpoint_says_since() -> None:
    model, when = f"m-{uuid4().hex[:8]}", When(drift=Drift(k=2, of=3))
    began = datetime.now(UTC) - 9 * HOUR
    told = "there is no verdict for refresh.when to read"
    assert (newest_verdicts(model, 5), world_of(model, champion(), began, when).told) == ([], told)
    assert world_of(model, champion(), began, When()).told is None
    assert chain_of(model, None) == Chain()

    first = watch(model, 1.5)
    assert world_of(model, champion(), began, when).causes == ()
    watch(model, 0)
    assert [one.model for one in newest_verdicts(model, 5)] == [model, model]
    assert (len(newest_verdicts(model, 1)), newest_verdicts(model[:-1], 5)) == (1, [])
    assert newest_verdicts(model, 5, datetime.now(UTC) + HOUR) == []
    (cause,) = world_of(model, champion(), began, when).causes
    assert cause.words.startswith("2 of the last 2 windows drifted")
    assert world_of(model, champion().model_copy(update={"version": "b2"}), began, when).causes == ()
    assert chain_of(model, "a1").training is None

    run = training.with_options(tags=[f"model={model}"])()
    assert run is not None
    assert world_of(model, champion(), began, when).causes == ()  # the shift was a reason once
    chain = chain_of(model, "a1")
    assert chain.training is not None
    assert (chain.training.run, chain.training.reasons) == (run.name, ("drift",))
    assert (chain.training.outcome, chain.decision) == ("trained a version", "promote a1")
    assert (chain.rollout, chain.recovery) == ("version a1 serves all traffic.", None)

    watch(model, 0, drifted=False)
    chain = chain_of(model, "a1")
    assert [line.says for line in chain.windows] == ["drifted", "drifted", "quiet"]
    assert chain.recovery == chain.windows[-1]
    assert chain_of(model, "older").recovery is None  # a rollback came between
    shutil.rmtree(first.steps["monitor"].outputs["verdict"][0].uri)
    assert len(newest_verdicts(model, 5)) == 2  # and no night fails of it


@pytest.mark.parametrize(
    ("outcome", "answer", "told"),
    [
        ("waiting", True, "trained a version, which a person approved"),
        ("waiting", False, "trained a version, which a person rejected"),
        ("waiting", None, "trained a version that a person is asked about"),
        ("registered", True, "registered a version, which a person approved"),
        ("live", True, "trained a version"),
    ],
)
def test_a_training_that_asked_a_person_is_told_with_the_answer(outcome: str, answer: bool | None, told: str) -> None:
    began = datetime.now(UTC) - HOUR
    said = None if answer is None else Answer(approved=answer, by="ann@laptop", at=began, why="as the report says")
    question = Question(asked=began, until=None, champion=None, run="r", answer=said)
    training = LastTraining(run="r", began=began, outcome=OUTCOMES[outcome])
    assert answered_since(training, question).outcome == told
    expired = question.model_copy(update={"until": began, "answer": None})
    asked = answered_since(training, expired).outcome
    assert asked == (OUTCOMES[outcome] if outcome == "live" else f"{ASKED[outcome]}, which nobody approved in time")


def test_a_training_that_failed_has_used_up_no_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(day: int, *, finished: bool = True, successful: bool = False, outcome: str | None = None) -> Any:
        status = SimpleNamespace(is_finished=finished, is_successful=successful)
        return SimpleNamespace(created=datetime(2026, 11, day), status=status, outcome=outcome)  # noqa: DTZ001 - ZenML's

    runs: list[Any] = []
    monkeypatch.setattr("orchestration.trainings._trainings", lambda *_: runs)
    monkeypatch.setattr("orchestration.trainings.deployment_outcome", lambda run: run.outcome)
    assert judged_since("news") is None
    runs += [run(9, finished=False), run(8), run(7)]
    assert judged_since("news") is None
    runs.append(run(6, successful=True))
    assert judged_since("news") == datetime(2026, 11, 6, tzinfo=UTC)
    runs.insert(1, run(8, outcome="rolled_back"))  # and publishing it failed
    assert judged_since("news") == datetime(2026, 11, 8, tzinfo=UTC)


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
