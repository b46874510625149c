"""Whether what `parameters.alerts` names can take alerts, and the message that the doctor sends by it on request."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from commands.machine import Finding
from commands.variables import variable_state
from evergreen.core.alerts import Alert, ChannelError, ChannelFailure

if TYPE_CHECKING:
    from commands.project import MonitoringProject, Project

UNSET_FIX = "export it, or list the ZenML secret that holds it under secrets:"


def check_alerts(project: Project | MonitoringProject, *, send: bool) -> Iterator[Finding]:
    """What is known of each channel; with `send` what became of a test message by each."""
    alerts = project.alerts
    if not alerts.channels:
        fix = "set parameters.alerts, such as {webhook_env: NEWS_WEBHOOK}"
        yield Finding("alerts", not send, "none are configured: nobody is told of what happens", fix)
        return
    from orchestration.alerting import send as send_now

    failures = send_now(alerts, _test_message(project.model_name)) if send else channel_failures(project)
    took = "took a test message" if send else "can be tried by --send-test-alert"
    for channel in alerts.channels:
        failure = failures.get(channel)
        words = failure.reason if failure else took
        yield Finding("alerts", failure is None, f"{channel}: {words}", failure.fix if failure else "")


def channel_failures(project: Project | MonitoringProject) -> dict[str, ChannelFailure]:
    """Why channels would not take an alert of a run, by channel, as far as that can be seen without sending one."""
    from orchestration.alerting import check_alerter

    alerts, failures = project.alerts, dict[str, ChannelFailure]()
    if alerts.webhook_env and (failure := _webhook_failure(alerts.webhook_env, project)):
        failures["webhook"] = failure
    if alerts.slack:
        try:
            check_alerter()
        except ChannelError as error:
            failures["slack"] = error.failure
    return failures


def unheard_alerts(project: Project | MonitoringProject) -> list[str]:
    """A sentence for each channel that would not take what a run tells."""
    failures = channel_failures(project).items()
    return [f"alerts by {channel} reach nobody: {failure.words}" for channel, failure in failures]


def _webhook_failure(variable: str, project: Project | MonitoringProject) -> ChannelFailure | None:
    from orchestration.alerting import check_variable

    is_held, state = variable_state(variable, project)
    if not is_held:
        return ChannelFailure(reason=f"{variable} {state}", fix=UNSET_FIX)
    if os.environ.get(variable):
        try:
            check_variable(variable)
        except ChannelError as error:
            return error.failure
    return None


def _test_message(model: str) -> Alert:
    now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
    text = "Nothing happened: somebody asked `doctor` whether alerts arrive."
    return Alert(model=model, kind="test", key=now, title="a test message", text=text)
