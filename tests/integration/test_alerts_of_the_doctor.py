"""What the doctor finds of alerts, and the message that it sends only when somebody asks for it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from commands.alerts import check_alerts
from evergreen.core.alerts import Alerts
from evergreen.core.errors import InputError
from tests.webhooks import SECRET, listening

pytestmark = pytest.mark.usefixtures("zenml_home")


def findings(alerts: Alerts, *, send: bool) -> list[tuple[bool, str]]:
    project: Any = SimpleNamespace(model_name="news", alerts=alerts)
    return [(finding.fine, finding.message) for finding in check_alerts(project, send=send)]


def test_a_message_is_sent_on_request_alone_and_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    configured = Alerts(webhook_env="NEWS_WEBHOOK")
    with listening(200, 200, 500) as asked:
        monkeypatch.setenv("NEWS_WEBHOOK", asked.url)
        assert findings(configured, send=False) == [(True, "by webhook; --send-test-alert sends a message")]
        assert not asked.messages
        for _ in range(2):
            assert findings(configured, send=True) == [(True, "webhook: took a test message")]
        (refused,) = findings(configured, send=True)
    assert [message["kind"] for message in asked.messages] == ["test"] * 3
    assert asked.messages[0]["text"].startswith("news: a test message\nNothing happened")
    assert refused == (False, "webhook: it answers with status 500")
    assert SECRET not in str(asked.messages)


def test_what_failed_comes_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    project: Any = SimpleNamespace(model_name="news", alerts=Alerts(webhook_env="NEWS_WEBHOOK"))
    with listening(500) as asked:
        monkeypatch.setenv("NEWS_WEBHOOK", asked.url)
        (refused,) = check_alerts(project, send=True)
    assert refused.fix.startswith("the fault is the service's own, the address was found")
    monkeypatch.delenv("NEWS_WEBHOOK")
    (unset,) = check_alerts(project, send=True)
    assert (unset.message, unset.fix[:9]) == ("webhook: NEWS_WEBHOOK is not set", "export it")


def test_without_alerts_there_is_nothing_to_send_and_without_an_alerter_no_chat() -> None:
    assert findings(Alerts(), send=False)[0][0]
    assert not findings(Alerts(), send=True)[0][0]
    with pytest.raises(InputError, match="stack 'default' has no alerter"):
        findings(Alerts(slack=True), send=False)
