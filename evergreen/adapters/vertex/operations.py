"""Long-running operations under deadlines of our own; one that a killed run left behind is waited for, too."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from evergreen.adapters.google.calls import Kind, passing_over, retry_policy
from evergreen.adapters.vertex.clients import Clients, MissingError, translated
from evergreen.core.errors import EndpointError

FIRST_POLL_S = 0.2
LONGEST_POLL_S = 15.0


def finish(what: str, operation: Any, deadline_s: float) -> Any:
    """What the operation gave; it is cancelled when it does not end in time, or when waiting for it is interrupted.

    Raises:
        EndpointError: it failed, took longer than `deadline_s`, or could not be asked about until then.
    """
    deadline = time.monotonic() + deadline_s

    def done() -> bool:
        left_s = max(deadline - time.monotonic(), FIRST_POLL_S)
        return bool(operation.done(retry=retry_policy(left_s)))  # it goes on while Google cannot be asked about it

    try:
        with translated(what):
            if _in_time(done, deadline):
                return operation.result()
    except BaseException:  # also Ctrl-C, or a task that is ended
        if not operation.operation.done:
            _cancel(operation)
        raise
    _cancel(operation)
    raise EndpointError(
        f"{what}: not done within {deadline_s:g} s, so it was to be cancelled; look at its log, or set "
        "parameters.host.startup_timeout_s higher"
    )


def settle(clients: Clients, resource: str, deadline_s: float) -> bool:
    """Whether no operation on the resource is under way any more; waits for that until the deadline."""
    return _in_time(lambda: not _under_way(clients, resource), time.monotonic() + deadline_s)


def _in_time(done: Callable[[], bool], deadline: float) -> bool:
    """Whether it is done by the deadline, a time of the monotonic clock; asks with growing pauses."""
    pause = FIRST_POLL_S
    while not done():
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            return False
        time.sleep(min(pause, left_s))
        pause = min(pause * 1.5, LONGEST_POLL_S)
    return True


def _under_way(clients: Clients, resource: str) -> bool:
    request = {"name": resource, "page_token": ""}
    while True:
        try:
            answer = clients.call("looking for operations", clients.endpoints.list_operations, request)
        except MissingError:  # nothing goes on where there is nothing
            return False
        if any(not one.done for one in answer.operations):
            return True
        if not answer.next_page_token:
            return False
        request["page_token"] = answer.next_page_token


def _cancel(operation: Any) -> None:
    with passing_over(*Kind):  # it may have ended meanwhile; what is left of it is cleaned up by the caller
        operation.cancel()
