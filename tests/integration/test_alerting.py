"""Alerts of real runs: told once, remembered by the run that told them, and never the end of a run."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from evergreen.core.alerts import Alert, Alerts, ChannelError
from evergreen.core.approval import Approval
from evergreen.core.ramp import Ramp
from tests.webhooks import SECRET, listening

pytestmark = pytest.mark.usefixtures("zenml_home")
WEBHOOK = Alerts(webhook_env="NEWS_WEBHOOK")


def told_by_a_run(model: str, alerts: Alerts, *keys: str) -> list[bool]:
    """Whether each was sent, by one run of the model with one step."""
    from orchestration.runs import marked
    from tests.telling_run import told

    run = told.with_options(**marked({}, model))(model, alerts, list(keys))
    assert run is not None
    return list(run.steps["telling"].outputs["sent"][0].load())


def test_what_a_run_told_is_not_told_again_by_the_next_until_the_cool_down_is_over(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestration import alerting
    from tests.telling_run import news

    with listening() as asked:
        monkeypatch.setenv("NEWS_WEBHOOK", asked.url)
        assert told_by_a_run(model, WEBHOOK, "first", "first", "second") == [True, False, True]
        held = alerting.alert(model, WEBHOOK, news(model, "second"))
        assert "the same news was sent on" in str(held.held_back)
        assert alerting.told_at(f"{model}-2", news(model, "first")) is None
        later = SimpleNamespace(now=lambda _zone: datetime.now(UTC) + timedelta(hours=7), fromisoformat=_moment)
        monkeypatch.setattr(alerting, "datetime", later)
        assert alerting.alert(model, WEBHOOK, news(model, "second")).taken == ("webhook",)
    assert [message["key"] for message in asked.messages] == ["first", "second", "second"]
    assert asked.messages[0]["text"] == f"{model}: rolled back\nIt answered with faults."


@pytest.mark.parametrize(
    ("verdict", "tried", "key", "title"),
    [
        ("promote", "c3", "c3", "the rollout of version c3 was rolled back"),
        ("promote", "b2", "b2", "the endpoint could not be brought back to its champion"),  # c3 waits for a person
        ("keep", "b2", "b2", "the endpoint could not be brought back to its champion"),
    ],
)
def test_a_rollback_names_what_was_rolled_back(verdict: Any, tried: str, key: str, title: str) -> None:
    from evergreen.core.decision import PromotionDecision
    from evergreen.core.deployment import Deployment
    from steps.deploy import _rollback_news

    decision = PromotionDecision(verdict=verdict, version="c3", champion="b2", reasons=())
    words = "version … was not put live: …"
    failed = Deployment(
        outcome="rolled_back", model="news", url=None, version="b2", traffic={}, message=words, tried=tried
    )
    told = _rollback_news("news", decision, failed, None)
    assert (told.kind, told.key, told.title, told.text) == ("rollback", key, title, words)


@pytest.mark.parametrize(
    ("outcome", "approval", "told"),
    [
        ("waiting", Approval(), True),
        ("registered", Approval(), True),
        ("registered", None, False),
        ("live", Approval(), False),
        ("kept", Approval(), False),
    ],
)
def test_a_version_that_waits_for_a_person_is_told(
    model: str, monkeypatch: pytest.MonkeyPatch, outcome: Any, approval: Approval | None, told: bool
) -> None:
    from evergreen.core.deployment import Deployment
    from steps import deploy as step

    words = "version c3 waits for approval until 2026-12-07 10:00 UTC; the endpoint stays as it was"
    deployment = Deployment(outcome=outcome, model=model, url=None, version="b2", traffic={}, message=words)
    sent: list[Alert] = []
    monkeypatch.setattr(step, "tell", lambda _name, _alerts, news: sent.extend(news))
    assert deployed_by_the_step(model, monkeypatch, deployment, approval, "configs/prod.yaml") is deployment
    assert [(news.kind, news.key) for news in sent] == ([("approval", "c3")] if told else [])
    told_how = (
        f'python run.py approve c3 --config configs/prod.yaml --name {model} --why "…"',
        f'python run.py reject c3 --config configs/prod.yaml --name {model} --why "…"',
    )
    assert all((news.text, news.commands) == (words, told_how) for news in sent)
    assert all(WEBHOOK.silence(news) is None for news in sent)


def deployed_by_the_step(
    model: str,
    monkeypatch: pytest.MonkeyPatch,
    deployment: Any,
    approval: Approval | None,
    configuration: str | None = None,
    *,
    link: Callable[[], str | None] = lambda: "https://zenml.example/runs/1",
    note: Callable[[object], None] = lambda _: None,
) -> Any:
    """What the step `deploy` gives back, whose endpoint became what `deployment` says."""
    from evergreen.core.decision import PromotionDecision
    from orchestration.runs import CONFIGURATION_KEY
    from steps import deploy as step

    extra = {CONFIGURATION_KEY: configuration} if configuration else {}
    run = SimpleNamespace(name="r", config=SimpleNamespace(extra=extra))
    monkeypatch.setattr(step, "deploy_decision", lambda *_, **__: deployment)
    monkeypatch.setattr(step, "track_rollout", lambda _: None)
    monkeypatch.setattr(step, "log_metadata", note)
    monkeypatch.setattr(step, "run_link", link)
    monkeypatch.setattr(step, "get_step_context", lambda: SimpleNamespace(pipeline_run=run))
    decision = PromotionDecision(verdict="promote", version="c3", champion="b2", reasons=())
    host: Any = None
    return step.deploy.entrypoint(model, host, decision, Ramp(), WEBHOOK, approval)


def test_a_deployment_stands_and_is_told_though_zenml_takes_nothing_and_has_no_link(
    model: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from evergreen.core.deployment import Deployment
    from orchestration import alerting

    def fail(*_: object) -> None:
        raise ConnectionError("ZenML does not answer")

    monkeypatch.setattr(alerting, "get_step_context", lambda: SimpleNamespace(pipeline_run=SimpleNamespace(id=None)))
    monkeypatch.setattr(alerting, "get_run_url", fail)
    waits = Deployment(outcome="waiting", model=model, url=None, version="b2", traffic={}, message="c3 waits")
    with listening() as asked:
        monkeypatch.setenv("NEWS_WEBHOOK", asked.url)
        told = deployed_by_the_step(model, monkeypatch, waits, Approval(), link=alerting.run_link, note=fail)
    assert told is waits
    assert [(message["key"], "link" in message) for message in asked.messages] == [("c3", False)]
    for what in ("the outcome beside the run", "the link to the run"):
        assert f"left out: {what} (ConnectionError: ZenML does not answer)" in caplog.text


def test_a_deployment_stands_though_what_became_of_its_alert_cannot_be_noted(
    model: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from evergreen.core.deployment import Deployment
    from orchestration import alerting

    def fail(*_: object, **__: object) -> None:
        raise ConnectionError("ZenML does not answer")

    monkeypatch.setattr(alerting, "log_metadata", fail)
    waits = Deployment(outcome="waiting", model=model, url=None, version="b2", traffic={}, message="c3 waits")
    with listening() as asked:
        monkeypatch.setenv("NEWS_WEBHOOK", asked.url)
        assert deployed_by_the_step(model, monkeypatch, waits, Approval()) is waits
    told = asked.messages[0]["text"].splitlines()
    assert told[1:4] == [
        "c3 waits",
        f'python run.py approve c3 --config … --name {model} --why "…"',  # nothing tells the run's configuration
        f'python run.py reject c3 --config … --name {model} --why "…"',
    ]
    assert "left out: what became of alerts (ConnectionError: ZenML does not answer)" in caplog.text


@pytest.mark.parametrize(
    ("alerts", "held_back", "noted"),
    [
        (Alerts(), None, []),
        (Alerts(), "of the past", []),
        (Alerts(slack=True, kinds=("drift",)), None, []),
        (Alerts(slack=True), "of the past", ["'rolled back': not sent, for of the past"]),
    ],
)
def test_of_news_that_nobody_is_to_hear_nothing_is_noted(
    model: str, monkeypatch: pytest.MonkeyPatch, alerts: Alerts, held_back: str | None, noted: list[str]
) -> None:
    from orchestration import alerting
    from orchestration.runs import ALERTS_KEY
    from tests.telling_run import news

    kept: list[str] = []
    monkeypatch.setattr(alerting, "log_metadata", lambda metadata: kept.extend(metadata[ALERTS_KEY]))
    alerting.tell(model, alerts, [news(model)], held_back=held_back)
    assert kept == noted


def test_lines_that_answer_can_be_typed_whatever_the_file_is_called() -> None:
    from orchestration.command_lines import answer_commands, model_arguments

    approve, reject = answer_commands("c3", model_arguments("my configs/it's.yaml", "news"))
    assert shlex.split(approve)[4:8] == ["--config", "my configs/it's.yaml", "--name", "news"]
    assert reject == approve.replace("approve", "reject")


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"post": RuntimeError(SECRET)}, "webhook: it was not taken (RuntimeError)"),
        ({"Client": ConnectionError(SECRET)}, "when it was told last cannot be read (ConnectionError)"),
    ],
)
def test_what_cannot_be_sent_is_a_warning_without_the_address(
    model: str, monkeypatch: pytest.MonkeyPatch, change: dict[str, Exception], reason: str
) -> None:
    from orchestration import alerting
    from tests.telling_run import news

    def fail(error: Exception) -> Any:
        raise error

    warnings: list[str] = []
    monkeypatch.setattr(
        alerting,
        "logger",
        SimpleNamespace(
            warning=lambda form, *given: warnings.append(form % given), debug=lambda *_, **__: None, info=print
        ),
    )
    monkeypatch.setenv("NEWS_WEBHOOK", f"https://hooks.example/{SECRET}")
    for name, error in change.items():
        monkeypatch.setattr(alerting, name, lambda *_, _error=error: fail(_error))
    outcome = alerting.alert(model, WEBHOOK, news(model))
    assert not outcome.taken
    assert SECRET not in outcome.words
    (warning,) = warnings
    assert reason.removeprefix("webhook: ") in warning
    assert SECRET not in warning


def test_channels_fail_each_by_itself_and_say_what_to_do(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestration.alerting import check_alerter, send
    from tests.telling_run import news

    monkeypatch.delenv("NEWS_WEBHOOK", raising=False)
    both = Alerts(webhook_env="NEWS_WEBHOOK", slack=True)
    failures = send(both, news(model))
    assert failures["webhook"].words.startswith("NEWS_WEBHOOK is not set; export it")
    assert failures["slack"].reason.endswith("stack 'default' has no alerter")
    assert failures["slack"].fix.startswith("register one")
    monkeypatch.setenv("NEWS_WEBHOOK", SECRET)
    no_address = send(WEBHOOK, news(model))["webhook"]
    assert no_address.reason == "NEWS_WEBHOOK: it has no address that begins with https:// (value not shown)"
    assert no_address.fix.startswith("set the variable to the address")
    with pytest.raises(ChannelError, match="zenml stack update default --alerter NAME"):
        check_alerter()


def test_the_alerter_of_the_stack_is_given_the_message(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from zenml.alerter import BaseAlerter
    from zenml.client import Client
    from zenml.enums import StackComponentType
    from zenml.stack import StackComponent

    from orchestration import alerting
    from tests.telling_run import news

    posted: list[str] = []
    answers = [True, False]

    class Chat(BaseAlerter):
        def __init__(self) -> None:
            pass

        def post(self, message: str, params: Any = None) -> bool:
            posted.append(message)
            return answers.pop(0)

    stack = Client().active_stack_model
    component = SimpleNamespace(name="chat", flavor_name="slack")
    with_chat = SimpleNamespace(name=stack.name, components={StackComponentType.ALERTER: [component]})
    monkeypatch.setattr(alerting, "Client", lambda: SimpleNamespace(active_stack_model=with_chat))
    monkeypatch.setattr(StackComponent, "from_model", lambda _: Chat())
    assert alerting.send(Alerts(slack=True), news(model)) == {}
    assert posted == [f"{model}: rolled back\nIt answered with faults."]
    refused = alerting.send(Alerts(slack=True), news(model))["slack"]
    assert refused.reason == "alerter 'chat' (slack) of stack 'default' did not take it"
    assert refused.fix == "see what its service says, in the log"

    def missing(_: object) -> None:
        raise ImportError("No module named 'slack_sdk'")

    monkeypatch.setattr(StackComponent, "from_model", missing)
    assert "zenml integration install slack" in alerting.send(Alerts(slack=True), news(model))["slack"].fix
