"""What a person is told without having looked, where it goes, and when it is said once more.

alerts: {webhook_env: NEWS_WEBHOOK, slack: true, cool_down: 12h}
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Annotated, Literal, get_args

from pydantic import Field

from evergreen.core.addresses import without_password
from evergreen.core.base import Frozen
from evergreen.core.errors import EvergreenError
from evergreen.core.window import Duration, parse_duration

Told = Literal["drift", "quality", "rollback", "idle", "approval"]
MOST_CHARS = 3_000
"""Of a message: chat services take little more."""


class ChannelFailure(Frozen):
    """Why a channel does not take alerts: what is wrong, and what to do next."""

    reason: str
    fix: str = ""

    @property
    def words(self) -> str:
        """Both in a line."""
        return f"{self.reason}; {self.fix}" if self.fix else self.reason


class ChannelError(EvergreenError):
    """A channel does not take an alert; `failure` has why and what to do apart."""

    def __init__(self, failure: ChannelFailure) -> None:
        super().__init__(failure.words)
        self.failure = failure


class Alerts(Frozen):
    """Where alerts go: to any address that takes JSON by POST, which the environment variable `webhook_env` holds, and
    with `slack` by the alerter of ZenML's active stack, whatever chat that is.

    What has been told is not told again for `cool_down`. `kinds` are those that are told at all.
    """

    webhook_env: Annotated[str, Field(pattern=r"^[A-Z_][A-Z0-9_]*$")] | None = None
    slack: bool = False
    cool_down: Duration = "6h"
    kinds: tuple[Told, ...] = get_args(Told)

    @property
    def channels(self) -> tuple[str, ...]:
        """What is configured, by name; empty: nobody is told anything."""
        return tuple(name for name, on in (("webhook", self.webhook_env), ("slack", self.slack)) if on)

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables that hold its secrets, by field."""
        return {"webhook_env": self.webhook_env} if self.webhook_env else {}

    def silence(self, alert: Alert) -> str | None:
        """Why the alert is sent to nobody, however seldom it comes up; None: it is sent."""
        if not self.channels:
            return "parameters.alerts names no channel"
        return None if alert.kind in self.kinds else f"alerts.kinds leaves out {alert.kind}"

    def held_back(self, told: datetime | None, now: datetime) -> str | None:
        """Why an alert that was `told` then (None: never) is not sent again `now`; None: it is."""
        if told is None or now - told >= parse_duration(self.cool_down):
            return None
        return f"the same news was sent on {told:%Y-%m-%d %H:%M} UTC, and alerts.cool_down is {self.cool_down}"


class AlertOutcome(Frozen):
    """What became of an alert: the channels that took it, those that did not, or why it was `held_back` from all."""

    title: str
    taken: tuple[str, ...] = ()
    failures: dict[str, ChannelFailure] = {}
    held_back: str | None = None

    @property
    def words(self) -> str:
        """`'requests moved': sent by webhook; not sent by slack: …`."""
        if self.held_back:
            return f"'{self.title}': not sent, for {self.held_back}"
        sent = (f"sent by {' and '.join(self.taken)}",) if self.taken else ()
        failed = (f"not sent by {channel}: {failure.words}" for channel, failure in self.failures.items())
        return f"'{self.title}': {'; '.join([*sent, *failed])}"


class Alert(Frozen):
    """One thing that happened to a model. Alerts of one `kind` and `key` are the same news, told again or not;
    `commands` are lines by which a person answers, `link` leads to where it can be looked at.
    """

    model: str
    kind: Told | Literal["test"]
    key: str
    title: str
    text: str
    commands: tuple[str, ...] = ()
    link: str | None = None

    @property
    def id(self) -> str:
        """What the same news is known by, in letters that any store takes."""
        digest = hashlib.sha256(f"{self.model}\n{self.kind}\n{self.key}".encode()).hexdigest()
        return f"{self.kind}_{digest[:16]}"

    def message(self) -> str:
        """All of it in lines, without the passwords of addresses: what a chat shows. Where that is too long the text is
        cut, not what a person needs to answer.
        """
        first, text = without_password(f"{self.model}: {self.title}"), without_password(self.text)
        last = without_password("\n".join([*self.commands, *filter(None, [self.link])]))
        room = MOST_CHARS - len(first) - len(last) - 2
        return _cut("\n".join(filter(None, (first, _cut(text, room), last))), MOST_CHARS)

    def content(self) -> dict[str, str]:
        """What a webhook is sent: `text` is the message, which chat services show, the rest is for programs; `link`
        where there is one.
        """
        link = {"link": without_password(self.link)} if self.link else {}
        return {
            "text": self.message(),
            "model": self.model,
            "kind": self.kind,
            "key": self.key,
            "title": without_password(self.title),
            **link,
        }


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: max(0, most - 1)]}…"
