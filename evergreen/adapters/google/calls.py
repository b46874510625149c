"""How Google is called: for how long, what is repeated, and what a failure is about.

with calling(lambda failure: EndpointError(f"reading the endpoint: {failure.reason}")):
    client.get_endpoint(name=name, retry=retry_policy(RETRY_TIMEOUT_S), timeout=CALL_TIMEOUT_S)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Any

from evergreen.core.errors import EvergreenError

CALL_TIMEOUT_S = 60.0
"""How long one attempt may take."""
RETRY_TIMEOUT_S = 120.0
"""How long attempts are repeated."""
LOGIN = "gcloud auth application-default login"


class Kind(Enum):
    """What a failure is about, and so who can set it right."""

    CREDENTIALS = "none are found, or they are no longer good"
    DENIED = "the account may not"
    MISSING = "there is no such thing"
    REFUSED = "the request cannot be carried out"
    UNANSWERED = "no answer for now: too much asked, out of order, unreachable"


@dataclass(frozen=True)
class Failure:
    """A call that failed: `reason` is what Google said, on one line, `code` its HTTP status where there is one."""

    kind: Kind
    reason: str
    code: int | None
    error: Exception


def retry_policy(timeout_s: float, also: Callable[[Exception], bool] = lambda _: False, longest_s: float = 15.0) -> Any:
    """Repeats transient errors (429, 502, 503, 504, lost connections) with growing waits until `timeout_s` are over.

    `also` tells what else a service takes for transient.
    """
    import requests
    from google.api_core import exceptions, retry
    from google.auth.exceptions import TransportError

    transient = retry.if_exception_type(
        exceptions.TooManyRequests,
        exceptions.BadGateway,
        exceptions.ServiceUnavailable,
        exceptions.GatewayTimeout,
        requests.ConnectionError,
        requests.Timeout,
        TransportError,
    )
    return retry.Retry(
        predicate=lambda error: transient(error) or also(error),
        initial=0.5,
        maximum=longest_s,
        multiplier=2.0,
        timeout=timeout_s,
    )


@contextmanager
def calling(error_of: Callable[[Failure], EvergreenError]) -> Iterator[None]:
    """A block of calls to Google, whose failures are raised as `error_of` makes them, other errors as they are."""
    try:
        yield
    except Exception as error:
        failure = failure_of(error)
        if failure is None:
            raise
        raise error_of(failure) from error


def failure_of(error: Exception) -> Failure | None:
    """What a call failed of; None for an error that is none of a call to Google."""
    from google.api_core.exceptions import RetryError

    if isinstance(error, RetryError) and isinstance(error.cause, Exception) and _kind(error.cause):
        error = error.cause  # what failed last
    kind = _kind(error)
    if kind is None:
        return None
    code = getattr(error, "code", None)
    reason = " ".join(str(getattr(error, "message", "") or error).split()).rstrip(".") or type(error).__name__
    return Failure(kind, reason, int(code) if isinstance(code, int) else None, error)


def _kind(error: Exception) -> Kind | None:
    import requests
    from google.api_core import exceptions as api
    from google.auth.exceptions import GoogleAuthError, TransportError

    kinds = {
        Kind.UNANSWERED: (
            *(TransportError, api.ServerError, api.TooManyRequests, api.RetryError),
            *(requests.RequestException, ConnectionError, TimeoutError),
        ),
        Kind.CREDENTIALS: (GoogleAuthError,),
        Kind.MISSING: (api.NotFound,),
        Kind.DENIED: (api.Forbidden, api.Unauthorized),
        Kind.REFUSED: (api.GoogleAPIError,),
    }
    return next((kind for kind, types in kinds.items() if isinstance(error, types)), None)
