"""The idle guard: whether anybody asks an endpoint, by its request log; and one that nobody asks parked."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from evergreen.adapters.kinds import AnyHost
from evergreen.core.artifacts import ResolvedWindow
from evergreen.core.deployment import EndpointStatus
from evergreen.core.errors import BusyError, InputError
from evergreen.core.fence import FencedEndpoint
from evergreen.core.idle import Idle
from evergreen.core.members import host_of
from evergreen.core.ramp import ALL_TRAFFIC
from evergreen.core.window import parse_duration
from orchestration.deployment import PARK
from orchestration.endpoints import lease_of, open_endpoint, state_directory
from orchestration.locks import model_lease

IDLE_KEY = "idle"
"""Metadata of the step `guard`: what it tells."""
LEASE_WAIT_S = 10.0


class Idleness(NamedTuple):
    """What there is to tell, and whether it `is_news` that nobody asks: of what is known or cannot be known nobody is
    alerted.
    """

    words: str
    is_news: bool = False


def guard_idle(model: str, host: AnyHost, idle: Idle) -> Idleness | None:
    """What there is to tell of an endpoint that nobody asks, which is parked where that is configured; None: nothing.

    What has just been deployed is not idle: by the host's word, or by the rollout's own question where the log has
    that. Where no request is noted nothing is parked.
    """
    status = open_endpoint(model, host).status()
    if status.parked:
        return Idleness("the endpoint is parked; run.py deploy brings it back")
    if not status.ready or _is_new(status, idle):
        return None
    try:
        asked = _asked_within(model, host, idle)
    except InputError as error:
        return Idleness(f"whether anybody asks the endpoint is not known: {error}")
    if asked:
        return None
    told = f"nobody has asked the endpoint within {idle.after}"
    if not idle.park:
        return Idleness(f"{told}; idle: {{park: true}} would give its machines back", is_news=True)
    return Idleness(f"{told}; {_park(model, host, idle)}", is_news=True)


def _is_new(status: EndpointStatus, idle: Idle) -> bool:
    return status.changed is not None and datetime.now(UTC) - status.changed < parse_duration(idle.after)


def _asked_within(model: str, host: AnyHost, idle: Idle) -> bool:
    """Whether the request log has a request of `after`, or of the time before in which requests may not have been noted
    yet. Raises InputError: none are noted.
    """
    now, log = datetime.now(UTC), host_of(host).request_log(model, state_directory())
    window = ResolvedWindow(start=now - parse_duration(idle.after) - timedelta(seconds=log.late_s), end=now)
    return any(batch.num_rows for batch in log.read(window))


def _park(model: str, host: AnyHost, idle: Idle) -> str:
    """Stops what runs, unless a request came meanwhile, or a rollout has not ended.

    It waits until the log holds all that was asked before; of what is asked while it waits, the log may lack the last.
    """
    time.sleep(host_of(host).request_log(model, state_directory()).late_s)
    try:
        with model_lease(lease_of(model, host), model, PARK, LEASE_WAIT_S) as claim:
            endpoint = open_endpoint(model, host)
            status = endpoint.status()
            is_split = ALL_TRAFFIC not in status.traffic.values()
            if is_split or _is_new(status, idle) or _asked_within(model, host, idle):
                return "it is not parked, for that has just changed"
            FencedEndpoint(endpoint, claim.fence).park()
    except BusyError as error:
        return f"it is not parked, for it is being changed: {error}"
    return "it is parked, its id and its traffic are kept; run.py deploy brings it back, and so does a promotion"
