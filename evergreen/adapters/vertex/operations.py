"""Long-running operations under deadlines of our own; one that a killed run left behind is waited for, too."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from evergreen.adapters.vertex.clients import Clients
from evergreen.adapters.vertex.failures import MissingError, retry_policy, translated
from evergreen.core.errors import EndpointError, EvergreenError

FIRST_POLL_S = 0.2
LONGEST_POLL_S = 15.0


def finish(what: str, operation: Any, deadline_s: float) -> Any:
    """What the operation gave; it is cancelled when it does not end in time, or when waiting for it is interrupted.

    Raises:
        EndpointError: it failed, or took longer than `deadline_s`.
    """
    from google.api_core.future.polling import DEFAULT_POLLING

    polling = DEFAULT_POLLING.with_delay(initial=FIRST_POLL_S, maximum=LONGEST_POLL_S, multiplier=1.5)
    try:
        with translated(what):
            calls = retry_policy(deadline_s)  # it goes on while Google cannot be asked about it
            return operation.result(timeout=deadline_s, retry=calls, polling=polling)
    except TimeoutError as error:
        _cancel(operation)
        raise EndpointError(
            f"{what}: not done within {deadline_s:g} s, so it was to be cancelled; look at its log, or set "
            "parameters.host.startup_timeout_s higher"
        ) from error
    except EvergreenError:
        raise
    except BaseException:  # Ctrl-C, or a task that is ended
        _cancel(operation)
        raise


def settle(clients: Clients, resource: str, deadline_s: float) -> bool:
    """Whether no operation on the resource is under way any more; waits for that until the deadline."""
    deadline = time.monotonic() + deadline_s
    pause = FIRST_POLL_S
    while _under_way(clients, resource):
        if time.monotonic() >= deadline:
            return False
        time.sleep(min(pause, max(0.0, deadline - time.monotonic())))
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
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError

    with suppress(
        GoogleAPIError, GoogleAuthError
    ):  # it may have ended meanwhile; what is left of it is cleaned up by the caller
        operation.cancel()
