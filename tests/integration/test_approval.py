"""A version that waits for a person: what a run leaves, what the commands make of it, and what goes live."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from evergreen.core.approval import Answer, Approval, Question
from evergreen.core.decision import PromotionDecision, Verdict
from evergreen.core.errors import EvergreenError, InputError
from evergreen.core.gate import Gate
from evergreen.core.versions import nominate
from orchestration.configuration import CONFIGS_DIRECTORY
from tests.memory_endpoint import MemoryEndpoint
from tests.memory_host import hosting
from tests.memory_lease import MemoryLease
from tests.recorded_versions import aliases, passing_report, promote, version

pytestmark = pytest.mark.usefixtures("zenml_home")
WEEK = Approval()
DECISION = PromotionDecision(verdict=Verdict.PROMOTE, version="c3", champion="b2", reasons=())


def answer(*, approved: bool, why: str = "as the report says") -> Answer:
    return Answer(approved=approved, by="ann@laptop", at=datetime.now(UTC), why=why)


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> str:
    """With champion `b2` and candidate `c3`, whose server passes its test."""
    from orchestration import deployment, mirrors
    from orchestration.record import ZenmlRecord

    monkeypatch.setattr(mirrors, "active_mirrors", lambda _host: [])
    monkeypatch.setattr(deployment, "_tested_model", lambda _: Path("model"))
    name = f"m-{uuid4().hex[:8]}"
    promote(name, "b2")
    record = ZenmlRecord(name)
    record.add(version("c3", recipe="of c", judged_against="b2"))
    record.move(nominate(record.read(), "c3"))
    return name


def question(model: str) -> Question:
    from orchestration.record import ZenmlRecord

    return ZenmlRecord(model).read().questions["c3"]


def expire(model: str) -> None:
    from orchestration.record import ZenmlRecord

    past = datetime.now(UTC) - timedelta(days=1)
    ZenmlRecord(model).note_question("c3", question(model).model_copy(update={"until": past}))


def test_a_version_waits_with_the_endpoint_as_it_was_and_a_second_run_asks_nothing_new(model: str) -> None:
    from orchestration.deployment import deploy_decision

    endpoint = MemoryEndpoint({"b2": 100})
    host: Any = hosting(endpoint)
    first = deploy_decision(model, host, DECISION, run="training-1", approval=WEEK)
    asked = question(model)
    assert (first.outcome, first.version, first.traffic) == ("waiting", "b2", {"b2": 100})
    assert first.message.startswith("version c3 waits for approval until ")
    assert endpoint.calls == []
    assert aliases(model) == {"champion": "b2", "candidate": "c3"}

    again = deploy_decision(model, host, DECISION, run="training-2", approval=WEEK)
    assert again.message == first.message
    assert question(model) == asked.model_copy(update={"run": "training-2"})


def test_a_champion_that_is_lost_while_another_version_waits_is_healed(model: str) -> None:
    from orchestration.deployment import deploy_decision

    endpoint = MemoryEndpoint({"b2": 100})
    endpoint.die()
    waits = deploy_decision(model, hosting(endpoint), DECISION, approval=WEEK)
    assert (waits.outcome, endpoint.traffic, endpoint.ready) == ("waiting", {"b2": 100}, {"b2"})


def test_the_first_version_of_all_waits_too() -> None:
    from orchestration.deployment import deploy_decision
    from orchestration.record import ZenmlRecord

    first = f"m-{uuid4().hex[:8]}"
    ZenmlRecord(first).add(version("c3"))
    alone = DECISION.model_copy(update={"champion": None})
    waits = deploy_decision(first, hosting(MemoryEndpoint()), alone, approval=WEEK)
    assert (waits.outcome, waits.traffic) == ("waiting", {})


def test_without_a_deployment_the_version_is_registered_and_the_endpoint_left_alone(model: str) -> None:
    from orchestration.approval import register_only

    endpoint = MemoryEndpoint({"b2": 100})
    host: Any = hosting(endpoint)
    registered = register_only(model, host, DECISION, "training-1", None)
    assert (registered.outcome, registered.traffic, endpoint.calls) == ("registered", {"b2": 100}, [])
    assert "parameters.deploy is false, so the endpoint was left alone" in registered.message
    assert (question(model).until, question(model).champion) == (None, "b2")
    assert "waits for approval until" in register_only(model, host, DECISION, "training-2", WEEK).message
    assert question(model).until is not None
    kept = DECISION.model_copy(update={"verdict": Verdict.KEEP})
    assert register_only(model, host, kept, "training-3", WEEK).outcome == "none"


@pytest.mark.parametrize("refused", ["rejected", "expired"])
def test_what_was_rejected_or_expired_stays_out_of_endpoint_and_later_runs(model: str, refused: str) -> None:
    from orchestration.approval import check_approval, reject
    from orchestration.deployment import deploy_decision
    from orchestration.record import ZenmlRecord
    from orchestration.status import status_of
    from orchestration.versions import promote_version

    endpoint = MemoryEndpoint({"b2": 100})
    host: Any = hosting(endpoint)
    deploy_decision(model, host, DECISION, approval=WEEK)
    if refused == "rejected":
        approved = question(model).model_copy(update={"answer": answer(approved=True)})
        ZenmlRecord(model).note_question("c3", approved)  # a second look overrules the first
        no = answer(approved=False, why="too slow")
        assert reject(model, host, "c3", no) == no
        assert reject(model, host, "c3", answer(approved=False, why="said twice")) == no
        assert aliases(model) == {"champion": "b2"}
        told = "version c3 was rejected by ann@laptop on .*: too slow"
    else:
        expire(model)
        told = "version c3 was approved by nobody until .*, which counts as rejected"
    with pytest.raises(InputError, match=told):
        check_approval(model, "c3")
    held = deploy_decision(model, host, DECISION)  # decided before, by a run that asks nobody
    assert (held.outcome, endpoint.traffic) == ("kept", {"b2": 100})
    registered = ZenmlRecord(model).get("c3")
    decision = promote_version(model, host, Gate(), registered, passing_report("c3"), completed=lambda: registered)
    assert decision.verdict is Verdict.KEEP
    assert "approval" in [reason.rule for reason in decision.reasons if not reason.passed]
    assert status_of(model, host).approvals["c3"].standing == refused


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> MemoryEndpoint:
    """That of every local host."""
    from evergreen.adapters.local_endpoint.host import LocalHost

    endpoint, lease = MemoryEndpoint({"b2": 100}), MemoryLease()
    monkeypatch.setattr(LocalHost, "open", lambda *_: endpoint)
    monkeypatch.setattr(LocalHost, "check", lambda *_: "in memory")
    monkeypatch.setattr(LocalHost, "lease", lambda *_: lease)
    return endpoint


def written(tmp_path: Path, model: str = "news", **parameters: Any) -> Path:
    """A configuration of training that requires approval."""
    content = yaml.safe_load((CONFIGS_DIRECTORY / "local.yaml").read_text(encoding="utf-8"))
    content["extra"]["stacks"] = ["default"]
    content["steps"] = {"deploy": {"experiment_tracker": False}, "train": {"enable_cache": True}}
    rollout = {"shares": [10], "hold_s": 0}
    content["parameters"] |= {"model_name": model, "approval": "required", "rollout": rollout, **parameters}
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def told(path: Path, command: str, version: str = "c3", *, why: str = "as the report says") -> Any:
    from commands import approve, reject
    from commands.parser import parse

    main = {"approve": approve.main, "reject": reject.main}[command]
    return main(parse([command, version, "--config", str(path), "--why", why]))


def test_an_approved_version_is_delivered_by_a_run_of_its_own(
    model: str, endpoint: MemoryEndpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from zenml import log_metadata
    from zenml.client import Client

    from commands.project import open_project
    from orchestration.approval import check_approval
    from orchestration.artifacts import read_artifact
    from orchestration.runs import last_runs, model_tag, steps_of
    from orchestration.trainings import TRAINS_KEY
    from tests.waiting_run import training

    path = written(tmp_path, model)
    project = open_project(str(path))
    options: dict[str, Any] = {"tags": [model_tag(model)], "steps": {"deploy": {"experiment_tracker": False}}}
    run = training.with_options(**options)(model, project.host, "c3", "b2")
    assert run is not None
    log_metadata(metadata={TRAINS_KEY: datetime.now(UTC).isoformat()}, run_id_name_or_prefix=run.id)
    assert question(model).champion == "b2"
    assert rollout_in_status(model, project.host).startswith("version c3 waits for approval until ")
    assert check_approval(model, "c3")

    endpoint.broken = {"c3"}
    assert told(path, "approve") == 1
    assert "error: version c3 was not put live: version c3 does not load" in capsys.readouterr().err
    assert (endpoint.traffic, aliases(model)) == ({"b2": 100}, {"champion": "b2", "candidate": "c3"})
    answered = f"version c3 was {question(model).answer.words}"  # type: ignore[union-attr]
    became = rollout_in_status(model, project.host)
    assert became.startswith(f"{answered}; version c3 was not put live: version c3 does not load")
    endpoint.broken = set()

    assert told(path, "approve", why="the first word stays") == 0
    said = capsys.readouterr().out
    assert ": as the report says\n" in said
    assert f"version c3 was {question(model).answer.words}" in said  # type: ignore[union-attr]
    assert "deployment  live: version c3 serves all traffic" in said
    assert "try it      curl -s" in said
    assert endpoint.traffic == {"b2": 0, "c3": 100}
    assert any("10" in call for call in endpoint.calls if call.startswith("set_traffic"))  # by the same rollout
    assert aliases(model) == {"champion": "c3", "previous": "b2"}
    assert rollout_in_status(model, project.host) == f"{answered}; it is the champion"
    assert [run.outcome for run in last_runs(model)] == ["live", "rolled_back", "waiting"]

    run = Client().list_pipeline_runs(tags=model_tag(model), sort_by="desc:created", size=1, hydrate=True).items[0]
    decision = read_artifact(steps_of(run)["deploy"].inputs["decision"][0], PromotionDecision)
    assert decision.reasons[0].message.startswith("version c3 was approved by ")

    assert told(path, "approve") == 0
    assert capsys.readouterr().out == "version c3 is the champion already\n"
    with pytest.raises(InputError, match="version c3 is the champion; `rollback` gives"):
        told(path, "reject")
    assert len(last_runs(model)) == 3


def rollout_in_status(model: str, host: Any) -> str:
    """What `status` says of the last training's version on the endpoint."""
    from orchestration.status import status_of

    chain = status_of(model, host).chain
    assert chain is not None
    return str(chain.rollout)


@pytest.mark.parametrize(
    ("given", "until", "words"),
    [
        (None, timedelta(days=1), "version c3 waits for approval"),
        (None, -timedelta(days=1), r"version c3 was approved by nobody until .*; the endpoint stays as it was$"),
        (
            answer(approved=False, why="too slow"),
            timedelta(days=1),
            r"version c3 was rejected by ann@laptop on .*: too slow; the endpoint stays as it was$",
        ),
        (
            answer(approved=True).model_copy(update={"at": datetime.now(UTC) - timedelta(hours=1)}),
            timedelta(days=1),
            r"version c3 was approved by .*: as the report says; no run of its delivery is there; approve it once more",
        ),
    ],
)
def test_status_says_what_became_of_the_question_that_a_training_left(
    model: str, given: Answer | None, until: timedelta, words: str
) -> None:
    from evergreen.core.deployment import Deployment
    from orchestration.chain import _rollout

    now = datetime.now(UTC)
    asked = Question(asked=now, until=now + until, champion="b2", run="training-1", answer=given)
    left = "version c3 waits for approval until 2026-12-07 10:00 UTC; the endpoint stays as it was"
    deployment = Deployment(outcome="waiting", model=model, url=None, version="b2", traffic={}, message=left)
    assert re.match(words, str(_rollout(model, deployment, DECISION, "b2", {"c3": asked})))
    begins = asked.model_copy(update={"answer": answer(approved=True)})
    assert str(_rollout(model, deployment, DECISION, "b2", {"c3": begins})).endswith(
        "; no run of its delivery is there"
    )
    live = deployment.model_copy(update={"outcome": "live", "message": "version c3 serves all traffic"})
    assert _rollout(model, live, DECISION, "c3", {"c3": asked}) == "version c3 serves all traffic"


def test_a_command_tells_what_it_cannot_answer_and_a_rejection_what_follows(
    model: str, endpoint: MemoryEndpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, model)
    with pytest.raises(InputError, match=r"version 'zz' is not in the record \(has: c3, b2, newest first\)"):
        told(path, "approve", "zz")
    with pytest.raises(EvergreenError, match="run run, by whose decision the version would go live, is gone; run the"):
        told(path, "approve")
    capsys.readouterr()
    told(path, "reject", why="too slow")
    assert ": too slow\nno run promotes it any more" in capsys.readouterr().out
    assert (endpoint.calls, aliases(model)) == ([], {"champion": "b2"})


def test_who_answers_is_the_user_of_a_server_or_user_and_host(monkeypatch: pytest.MonkeyPatch) -> None:
    from commands.approve import answer_of
    from commands.parser import parse
    from evergreen.runtime.hold import owner
    from stacks import server

    args = parse(["approve", "c3", "--config", "any", "--why", "  as the\nreport says "])
    assert answer_of(args, approved=True).by == owner()
    monkeypatch.setattr(server, "remote_store", lambda: "https://zenml.example")
    answered = answer_of(args, approved=True)
    assert (answered.by, answered.why) == ("default", "as the report says")


def test_a_plan_says_that_a_person_is_asked(tmp_path: Path) -> None:
    from commands.approve import answer_lines
    from commands.project import open_project
    from commands.run import _approval_lines

    path = written(tmp_path, approval={"expires": "3d"}, deploy=False)
    project = open_project(str(path))
    assert _approval_lines(project) == [
        "approval    a person is asked before a version goes live, within 3d",
        "approval    a new version is registered, and the endpoint left alone",
    ]
    assert answer_lines(project, "c3")[0].endswith(f'{path} --name news --why "…"')


@pytest.mark.parametrize(
    ("parameter", "given", "line"),
    [
        ("approval", "asked for", "parameters.approval: should be required, or a mapping such as"),
        ("approval", {"expires": "soon"}, "parameters.approval.expires: 'soon' is not a duration"),
        ("approval", {"expirse": "7d"}, "did you mean 'expires'"),
        ("deploy", "never", "parameters.deploy: "),
    ],
)
def test_a_wrong_setting_is_told_before_any_step(tmp_path: Path, parameter: str, given: Any, line: str) -> None:
    from commands.project import open_project

    with pytest.raises(InputError) as caught:
        open_project(str(written(tmp_path, **{parameter: given})))
    assert line in str(caught.value)
