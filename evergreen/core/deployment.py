"""What an endpoint serves: after a run, and as the endpoint says of itself."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from evergreen.core.base import Frozen
from evergreen.core.judge.settings import Judgement
from evergreen.core.shadow import ShadowReport


class Transition(Frozen):
    """A share of the traffic that a newcomer got, from `since` to `until` (None: it has it still), in UTC.

    `by` is what let it go on or took the share back: `requests` that clients sent, rows that a `replay` asked of both
    versions, or its `readiness` alone, without a `judgement`. `message` says it for people.
    """

    share: int
    since: datetime
    until: datetime | None = None
    by: Literal["requests", "replay", "readiness"] = "readiness"
    judgement: Judgement | None = None
    message: str = ""


class Deployment(Frozen):
    """What the endpoint serves after a run: `traffic` maps each version to percent.

    `waiting` is where a version waits for a person, and the endpoint stays as it was; `registered` where the run was
    not to deploy. `tried` is the version that was to serve; None: no rollout was begun, or an earlier release says so.

    `token_command` is the shell command whose output requests carry as bearer token; None: they need none. `example` is
    an instance that the endpoint answers, `page` where a person tries it in a browser (None: its host has no page).
    `transitions` are the shares that the version had on its ramp, in order.
    `shadow` is what came of the copies of requests that a newcomer got before its first share (None: it got none).
    """

    outcome: Literal["live", "kept", "rolled_back", "none", "waiting", "registered"]
    model: str
    url: str | None
    version: str | None
    traffic: dict[str, int]
    message: str
    token_command: str | None = None
    example: dict[str, Any] | None = None
    page: str | None = None
    transitions: tuple[Transition, ...] = ()
    shadow: ShadowReport | None = None
    tried: str | None = None


class EndpointStatus(Frozen):
    """What an endpoint says of itself.

    `url` is where predictions are POSTed (None: nothing answers), `traffic` percent by deployed version, 0 for one that
    stands by, kept when nothing answers; `ready` the versions that answer; `outdated` those whose server is of other
    code or another container than the configured one, until they are renewed; `token_command` the shell command that
    prints the bearer token of requests (None: they need none); `page` where a person tries it in a browser (None: there
    is no such page); `parked` whether nothing runs on purpose, and `traffic` is what will be again; `shadow` what came
    so far of the copies of requests that a version gets now (None: none does); `changed` when a command last changed
    what runs (None: its host does not say); `replicas` how many of each version are available, where the host has
    several and counts them.
    """

    url: str | None
    traffic: dict[str, int]
    ready: tuple[str, ...]
    outdated: tuple[str, ...] = ()
    token_command: str | None = None
    page: str | None = None
    parked: bool = False
    shadow: ShadowReport | None = None
    changed: datetime | None = None
    replicas: dict[str, int] = {}
