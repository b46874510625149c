"""Alerts on their way out: to the webhook, and to the alerter of ZenML's active stack; what was told stays with the run
that told it, so that on whatever stack the next run knows.

tell("news", alerts, [Alert(model="news", kind="rollback", key="3fa41c02be17", title="…", text="…")])
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from uuid import UUID

from zenml import get_step_context, log_metadata
from zenml.client import Client
from zenml.enums import StackComponentType
from zenml.logger import get_logger
from zenml.utils.dashboard_utils import get_run_url

from evergreen.adapters.webhook import is_address, post
from evergreen.core.alerts import Alert, AlertOutcome, Alerts, ChannelError, ChannelFailure
from evergreen.runtime.asides import beside_the_point
from orchestration.runs import ALERTS_KEY, model_tag
from orchestration.secrets import unset_words

logger = get_logger(__name__)
TOLD_PREFIX = "alert_"
"""Of the metadata of runs that say when an alert was sent."""
RUNS_ASKED = 5
"""Of those that told the same, the newest: the last one begun need not be the last one that told it."""


def tell(model_name: str, alerts: Alerts, news: Iterable[Alert], *, held_back: str | None = None) -> None:
    """Alerts whoever is to know, unless all of it is `held_back`, and keeps with the step under way what became of it:
    summaries and `status` read it there. Of news that `alerts` are silent about nothing is kept.

    Nothing is raised, whatever happens.
    """
    outcomes = [
        AlertOutcome(title=one.title, held_back=held_back) if held_back else alert(model_name, alerts, one)
        for one in news
        if alerts.silence(one) is None
    ]
    if outcomes:
        with beside_the_point("what became of alerts"):
            log_metadata({ALERTS_KEY: [outcome.words for outcome in outcomes]})


def run_link() -> str | None:
    """The page in the dashboard of the run whose step is under way; None where there is none, or ZenML does not say."""
    with beside_the_point("the link to the run"):
        return get_run_url(get_step_context().pipeline_run)
    return None


def alert(model_name: str, alerts: Alerts, news: Alert) -> AlertOutcome:
    """What became of the news, which is sent now unless it was told within the cool-down.

    Nothing is raised, whatever happens: an alert that cannot be sent is a warning, and is sent when it comes up again.
    """
    now = datetime.now(UTC)
    try:
        told = told_at(model_name, news)
    except Exception as error:  # ZenML does not answer, say: what is told about the run may not end it
        logger.debug("an alert was not sent", exc_info=True)
        failure = ChannelFailure(
            reason=f"when it was told last cannot be read ({type(error).__name__})",
            fix="see whether ZenML answers; it is sent when it comes up again",
        )
        outcome = AlertOutcome(title=news.title, failures=dict.fromkeys(alerts.channels, failure))
    else:
        held_back = alerts.held_back(told, now)
        outcome = AlertOutcome(title=news.title, held_back=held_back) if held_back else _sent(alerts, news, now)
    say = logger.warning if outcome.failures else logger.info
    say("alert %s", outcome.words)
    return outcome


def send(alerts: Alerts, news: Alert) -> dict[str, ChannelFailure]:
    """Sends the news by each channel now, told or not; why not, by channel: empty where all of them took it."""
    ways: dict[str, Callable[[], None]] = {
        "webhook": lambda: _by_webhook(str(alerts.webhook_env), news),
        "slack": lambda: _by_alerter(news),
    }
    failures: dict[str, ChannelFailure] = {}
    for channel in alerts.channels:
        try:
            ways[channel]()
        except ChannelError as error:
            failures[channel] = error.failure
        except Exception as error:  # whatever the chat's library raises, perhaps with a token in its words
            failures[channel] = ChannelFailure(reason=f"it was not taken ({type(error).__name__})")
    return failures


def _sent(alerts: Alerts, news: Alert, now: datetime) -> AlertOutcome:
    """What became of the news, once it was sent; that it was is noted where a channel took it."""
    failures = send(alerts, news)
    taken = tuple(channel for channel in alerts.channels if channel not in failures)
    if taken:
        try:
            _note(news, now)
        except Exception as error:  # it was sent: at worst it is sent once more within the cool-down
            logger.warning("that '%s' was told cannot be noted (%s)", news.title, type(error).__name__)
    return AlertOutcome(title=news.title, taken=taken, failures=failures)


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
        ChannelError: the stack has none.
    """
    stack = Client().active_stack_model
    if not (components := stack.components.get(StackComponentType.ALERTER)):
        reason = f"alerts.slack is set, and stack '{stack.name}' has no alerter"
        fix = f"register one, and add it: zenml stack update {stack.name} --alerter NAME"
        raise ChannelError(ChannelFailure(reason=reason, fix=fix))
    return f"'{components[0].name}' ({components[0].flavor_name}) of stack '{stack.name}'"


def check_variable(variable: str, unset: str | None = None) -> str:
    """The address that the webhook's variable holds here; where there is none, `unset` is what is known of that.

    Raises:
        ChannelError: it holds none.
    """
    url = os.environ.get(variable)
    if not url:
        reason = f"{variable} {unset or unset_words(variable)}"
        fix = "export it, or list the ZenML secret that holds it under secrets:"
        raise ChannelError(ChannelFailure(reason=reason, fix=fix))
    if not is_address(url):
        reason = f"{variable}: it has no address that begins with https:// (value not shown)"
        fix = "set the variable to the address that the service gave you, whole"
        raise ChannelError(ChannelFailure(reason=reason, fix=fix))
    return url


def _by_webhook(variable: str, news: Alert) -> None:
    """Raises ChannelError: the variable is empty or wrong, or the address does not take it."""
    post(check_variable(variable), news.content())


def _by_alerter(news: Alert) -> None:
    """Raises ChannelError: the stack has no alerter, or it cannot be loaded, or its service does not take it."""
    from zenml.alerter import BaseAlerter
    from zenml.stack import StackComponent

    name = check_alerter()
    component = Client().active_stack_model.components[StackComponentType.ALERTER][0]
    try:
        alerter = StackComponent.from_model(component)
    except (ImportError, KeyError, ValueError) as error:
        failure = ChannelFailure(
            reason=f"alerter {name} cannot be loaded ({type(error).__name__})",
            fix=f"install it: zenml integration install {component.flavor_name}",
        )
        raise ChannelError(failure) from None
    if not isinstance(alerter, BaseAlerter) or not alerter.post(news.message()):
        reason, fix = f"alerter {name} did not take it", "see what its service says, in the log"
        raise ChannelError(ChannelFailure(reason=reason, fix=fix))


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
