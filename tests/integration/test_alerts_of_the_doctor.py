"""What the doctor and a plan find of alerts, and the message that is sent only when somebody asks for it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import SecretStr

from commands.alerts import check_alerts, unheard_alerts
from evergreen.core.alerts import Alerts
from evergreen.core.errors import EvergreenError
from tests.webhooks import SECRET, listening

pytestmark = pytest.mark.usefixtures("zenml_home")
WEBHOOK = Alerts(webhook_env="NEWS_WEBHOOK")


def project(alerts: Alerts, **document: Any) -> Any:
    return SimpleNamespace(model_name="news", alerts=alerts, configuration=SimpleNamespace(document=document))


def findings(alerts: Alerts, *, send: bool, **document: Any) -> list[tuple[bool, str]]:
    return [(finding.fine, finding.message) for finding in check_alerts(project(alerts, **document), send=send)]


def test_a_message_is_sent_on_request_alone_and_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(200, 200, 500) as asked:
        monkeypatch.setenv("NEWS_WEBHOOK", asked.url)
        assert findings(WEBHOOK, send=False) == [(True, "webhook: can be tried by --send-test-alert")]
        assert not asked.messages
        for _ in range(2):
            assert findings(WEBHOOK, send=True) == [(True, "webhook: took a test message")]
        (refused,) = findings(WEBHOOK, send=True)
    assert [message["kind"] for message in asked.messages] == ["test"] * 3
    assert asked.messages[0]["text"].startswith("news: a test message\nNothing happened")
    assert refused == (False, "webhook: it answers with status 500")
    assert SECRET not in str(asked.messages)


def test_what_failed_comes_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(500) as asked:
        monkeypatch.setenv("NEWS_WEBHOOK", asked.url)
        (refused,) = check_alerts(project(WEBHOOK), send=True)
    assert refused.fix.startswith("the fault is the service's own, the address was found")
    monkeypatch.delenv("NEWS_WEBHOOK")
    (unset,) = check_alerts(project(WEBHOOK), send=True)
    assert (unset.message, unset.fix[:9]) == ("webhook: NEWS_WEBHOOK is not set", "export it")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "webhook: NEWS_WEBHOOK is not set"),
        ("", "webhook: NEWS_WEBHOOK is set, but empty"),
        (SECRET, "webhook: NEWS_WEBHOOK: it has no address that begins with https:// (value not shown)"),
    ],
)
def test_a_webhook_without_an_address_is_to_be_fixed_though_nothing_is_sent(
    monkeypatch: pytest.MonkeyPatch, value: str | None, message: str
) -> None:
    if value is None:
        monkeypatch.delenv("NEWS_WEBHOOK", raising=False)
    else:
        monkeypatch.setenv("NEWS_WEBHOOK", value)
    (finding,) = check_alerts(project(WEBHOOK), send=False)
    assert (finding.fine, finding.message, bool(finding.fix)) == (False, message, True)
    (note,) = unheard_alerts(project(WEBHOOK))
    assert note == f"alerts by webhook reach nobody: {message.removeprefix('webhook: ')}; {finding.fix}"


def test_a_webhook_whose_address_a_listed_secret_holds_is_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    from zenml.client import Client

    monkeypatch.delenv("NEWS_WEBHOOK", raising=False)
    Client().create_secret("news-alerts", {"NEWS_WEBHOOK": "https://hooks.example/1"})
    assert findings(WEBHOOK, send=False, secrets=["news-alerts"])[0][0]
    assert unheard_alerts(project(WEBHOOK, secrets=["news-alerts"])) == []
    (other,) = unheard_alerts(project(WEBHOOK, secrets=["others"]))
    assert "no secret of `secrets:` (others) holds it" in other


@pytest.mark.parametrize("refusal", [NotImplementedError("no secrets are kept"), PermissionError(SECRET)])
def test_secrets_that_cannot_be_asked_are_no_note_and_told_by_the_doctor(
    monkeypatch: pytest.MonkeyPatch, refusal: Exception
) -> None:
    from zenml.client import Client

    def refuse(*_: object) -> None:
        raise refusal

    monkeypatch.delenv("NEWS_WEBHOOK", raising=False)
    monkeypatch.setattr(Client, "get_secret", refuse)
    both = WEBHOOK.model_copy(update={"slack": True})
    (note,) = unheard_alerts(project(both, secrets=["news-alerts"]))
    assert note.startswith("alerts by slack reach nobody")
    with pytest.raises(EvergreenError, match="ZenML does not tell what its secret 'news-alerts' holds") as told:
        findings(WEBHOOK, send=False, secrets=["news-alerts"])
    assert SECRET not in str(told.value)


def test_a_secret_whose_values_may_not_be_seen_holds_what_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    from zenml.client import Client

    monkeypatch.delenv("NEWS_WEBHOOK", raising=False)
    unseen = SimpleNamespace(values={"NEWS_WEBHOOK": None, "EMPTY_WEBHOOK": SecretStr("")})
    monkeypatch.setattr(Client, "get_secret", lambda *_: unseen)
    assert unheard_alerts(project(WEBHOOK, secrets=["news-alerts"])) == []
    (note,) = unheard_alerts(project(Alerts(webhook_env="EMPTY_WEBHOOK"), secrets=["news-alerts"]))
    assert "no secret of `secrets:` (news-alerts) holds it" in note


def test_without_alerts_there_is_nothing_to_send_and_each_channel_is_told_by_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NEWS_WEBHOOK", raising=False)
    assert findings(Alerts(), send=False)[0][0]
    assert not findings(Alerts(), send=True)[0][0]
    assert unheard_alerts(project(Alerts())) == []
    both = WEBHOOK.model_copy(update={"slack": True})
    assert findings(both, send=False) == [
        (False, "webhook: NEWS_WEBHOOK is not set"),
        (False, "slack: alerts.slack is set, and stack 'default' has no alerter"),
    ]
    assert len(unheard_alerts(project(both))) == 2
