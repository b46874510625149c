"""Alerts on their way out: to the webhook, and to the alerter of ZenML's active stack; what was told stays with the run
that told it, so that on whatever stack the next run knows.

alert("news", alerts, Alert(model="news", kind="rollback", key="3fa41c02be17", title="…", text="…"))
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from uuid import UUID

from zenml import get_step_context, log_metadata
from zenml.client import Client
from zenml.enums import StackComponentType
from zenml.logger import get_logger

from evergreen.adapters.webhook import post
from evergreen.core.alerts import Alert, Alerts
from evergreen.core.errors import EvergreenError, InputError
from orchestration.runs import model_tag

logger = get_logger(__name__)
TOLD_PREFIX = "alert_"
"""Of the metadata of runs that say when an alert was sent."""
RUNS_ASKED = 5
"""Of those that told the same, the newest: the last one begun need not be the last one that told it."""


def alert(model_name: str, alerts: Alerts, news: Alert) -> bool:
    """Whether the news was sent now, by at least one channel; not where it was told within the cool-down.

    Nothing is raised, whatever happens: an alert that cannot be sent is a warning, and is sent when it comes up again.
    """
    try:
        now = datetime.now(UTC)
        if not alerts.tells(news, None, now):
            return False
        if not alerts.tells(news, told_at(model_name, news), now):
            logger.info("alert '%s' was told within %s, and is not told again", news.title, alerts.cool_down)
            return False
        failures = send(alerts, news)
        for channel, reason in failures.items():
            logger.warning("alert '%s' was not sent by %s: %s", news.title, channel, reason)
        if len(failures) == len(alerts.channels):
            return False
        _note(news, now)
    except Exception as error:  # ZenML does not answer, say: what is told about the run may not end it
        logger.warning("alert '%s' was not sent (%s)", news.title, type(error).__name__)
        logger.debug("an alert was not sent", exc_info=True)
        return False
    return True


def send(alerts: Alerts, news: Alert) -> dict[str, str]:
    """Sends the news by each channel now, told or not; why not, by channel: empty where all of them took it."""
    ways: dict[str, Callable[[], None]] = {
        "webhook": lambda: _by_webhook(str(alerts.webhook_env), news),
        "slack": lambda: _by_alerter(news),
    }
    failures: dict[str, str] = {}
    for channel in alerts.channels:
        try:
            ways[channel]()
        except EvergreenError as error:
            failures[channel] = str(error)
        except Exception as error:  # whatever the chat's library raises, perhaps with a token in its words
            failures[channel] = f"it was not taken ({type(error).__name__})"
    return failures


def told_at(model_name: str, news: Alert) -> datetime | None:
    """When the same news was sent last; None: never."""
    key = f"{TOLD_PREFIX}{news.id}"
    runs = Client().list_pipeline_runs(
        tags=model_tag(model_name),
        run_metadata=[f"{key}:contains:T"],
        sort_by="desc:created",
        size=RUNS_ASKED,
        hydrate=True,
    )
    return max((_moment(run.run_metadata, key) for run in runs.items), default=None)


def check_alerter() -> str:
    """The alerter of the active stack, in words.

    Raises:
        InputError: the stack has none.
    """
    stack = Client().active_stack_model
    if not (components := stack.components.get(StackComponentType.ALERTER)):
        raise InputError(
            f"alerts.slack is set, and stack '{stack.name}' has no alerter; register one and add it; run\n"
            f"  zenml stack update {stack.name} --alerter NAME"
        )
    return f"'{components[0].name}' ({components[0].flavor_name}) of stack '{stack.name}'"


def _by_webhook(variable: str, news: Alert) -> None:
    """Raises EvergreenError: the variable is empty or wrong, or the address does not take it."""
    url = os.environ.get(variable)
    if not url:
        raise InputError(f"{variable} is not set; export it, or list the ZenML secret that holds it under secrets:")
    try:
        post(url, news.content())
    except InputError as error:
        raise InputError(f"{variable} {error}") from None


def _by_alerter(news: Alert) -> None:
    """Raises EvergreenError: the stack has no alerter, or it cannot be loaded, or its service does not take it."""
    from zenml.alerter import BaseAlerter
    from zenml.stack import StackComponent

    name = check_alerter()
    component = Client().active_stack_model.components[StackComponentType.ALERTER][0]
    try:
        alerter = StackComponent.from_model(component)
    except (ImportError, KeyError, ValueError) as error:
        raise EvergreenError(
            f"alerter {name} cannot be loaded ({type(error).__name__}); run\n"
            f"  zenml integration install {component.flavor_name}"
        ) from None
    if not isinstance(alerter, BaseAlerter) or not alerter.post(news.message()):
        raise EvergreenError(f"alerter {name} did not take it; what its service says is in the log")


def _note(news: Alert, now: datetime) -> None:
    """With the run whose step tells it; a command has none, and notes nothing."""
    if (run := _run()) is not None:
        log_metadata(metadata={f"{TOLD_PREFIX}{news.id}": now.isoformat()}, run_id_name_or_prefix=run)


def _run() -> UUID | None:
    try:
        return get_step_context().pipeline_run.id
    except RuntimeError:  # no step is under way
        return None


def _moment(metadata: Mapping[str, object], key: str) -> datetime:
    return datetime.fromisoformat(str(metadata[key]))
