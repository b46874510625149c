"""What the doctor finds of `parameters.alerts`, and the message that it sends by them on request."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from commands.machine import Finding
from evergreen.core.alerts import Alert

if TYPE_CHECKING:
    from commands.project import MonitoringProject, Project


def check_alerts(project: Project | MonitoringProject, *, send: bool) -> Iterator[Finding]:
    """Where alerts go, once the alerter was looked for, and with `send` what became of a test message by each channel.

    Raises:
        InputError: the active stack has no alerter.
    """
    alerts = project.alerts
    if not alerts.channels:
        fix = "set parameters.alerts, such as {webhook_env: NEWS_WEBHOOK}"
        yield Finding("alerts", not send, "none are configured: nobody is told of what happens", fix)
        return
    from orchestration.alerting import check_alerter
    from orchestration.alerting import send as send_now

    if alerts.slack:
        yield Finding("alerts", True, f"slack: {check_alerter()}")
    if not send:
        yield Finding("alerts", True, f"by {' and '.join(alerts.channels)}; --send-test-alert sends a message")
        return
    failures = send_now(alerts, _test_message(project.model_name))
    for channel in alerts.channels:
        reason, _, fix = failures.get(channel, "").partition("; ")  # what is wrong; what to do
        yield Finding("alerts", not reason, f"{channel}: {reason or 'took a test message'}", fix)


def _test_message(model: str) -> Alert:
    now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
    text = "Nothing happened: somebody asked `doctor` whether alerts arrive."
    return Alert(model=model, kind="test", key=now, title="a test message", text=text)
