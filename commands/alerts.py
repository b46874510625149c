"""Whether what `parameters.alerts` names can take alerts, and the message that the doctor sends by it on request."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from commands.machine import Finding
from commands.variables import variable_state
from evergreen.core.alerts import Alert, ChannelError, ChannelFailure
from evergreen.core.errors import EvergreenError

if TYPE_CHECKING:
    from commands.project import MonitoringProject, Project


def check_alerts(project: Project | MonitoringProject, *, send: bool) -> Iterator[Finding]:
    """What is known of each channel; with `send` what became of a test message by each."""
    alerts = project.alerts
    if not alerts.channels:
        fix = "set parameters.alerts, such as {webhook_env: NEWS_WEBHOOK}"
        yield Finding("alerts", not send, "none are configured: nobody is told of what happens", fix)
        return
    from orchestration.alerting import send as send_now

    failures = send_now(alerts, _test_message(project.model_name)) if send else {}
    took = "took a test message" if send else "can be tried by --send-test-alert"
    for channel in alerts.channels:
        failure = failures.get(channel) if send else channel_failure(channel, project)
        words = failure.reason if failure else took
        yield Finding("alerts", failure is None, f"{channel}: {words}", failure.fix if failure else "")


def channel_failure(channel: str, project: Project | MonitoringProject) -> ChannelFailure | None:
    """Why the channel would not take an alert of a run, as far as that can be seen without sending one.

    Raises:
        EvergreenError: ZenML does not tell whether a secret holds the address.
    """
    from orchestration.alerting import check_alerter

    try:
        if channel == "slack":
            check_alerter()
        else:
            _check_webhook(str(project.alerts.webhook_env), project)
    except ChannelError as error:
        return error.failure
    return None


def unheard_alerts(project: Project | MonitoringProject) -> list[str]:
    """A sentence for each channel that would not take what a run tells; none of one of which that cannot be known, for
    a note keeps no run from its beginning.
    """
    notes = []
    for channel in project.alerts.channels:
        with suppress(EvergreenError):
            if failure := channel_failure(channel, project):
                notes.append(f"alerts by {channel} reach nobody: {failure.words}")
    return notes


def _check_webhook(variable: str, project: Project | MonitoringProject) -> None:
    """Raises ChannelError where neither the variable nor a secret holds an address, EvergreenError as above."""
    from orchestration.alerting import check_variable

    is_held, state = variable_state(variable, project)
    if os.environ.get(variable) or not is_held:  # what a secret holds is not looked at
        check_variable(variable, state)


def _test_message(model: str) -> Alert:
    now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
    text = "Nothing happened: somebody asked `doctor` whether alerts arrive."
    return Alert(model=model, kind="test", key=now, title="a test message", text=text)
