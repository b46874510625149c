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

OK = 200
CALL_TIMEOUT_S = 60.0
"""How long one attempt may take."""
RETRY_TIMEOUT_S = 120.0
"""How long attempts are repeated."""
LOGIN = "gcloud auth application-default login"


class Kind(Enum):
    """What a failure is about, and so who can set it right; nothing else looks at statuses and classes of errors."""

    CREDENTIALS = "none are found, or they are no longer good"
    DENIED = "the account may not"
    MISSING = "there is no such thing"
    CONFLICT = "what the request takes for granted is not so, or not any more"
    REFUSED = "the request cannot be carried out"
    EXHAUSTED = "too much asked for now: a quota, or no machine is free"
    UNANSWERED = "no answer for now: out of order, unreachable"


_KINDS = {
    401: Kind.CREDENTIALS,
    403: Kind.DENIED,
    404: Kind.MISSING,
    408: Kind.UNANSWERED,
    409: Kind.CONFLICT,
    412: Kind.CONFLICT,
    429: Kind.EXHAUSTED,
    501: Kind.REFUSED,
}
"""Of HTTP statuses. Those left out are refusals, and from 500 on no answer."""


@dataclass(frozen=True)
class Failure:
    """A call that failed: `reason` is what Google said, on one line; what is `transient` may go well if repeated."""

    kind: Kind
    reason: str
    transient: bool
    error: Exception


def retry_policy(timeout_s: float, also: Callable[[Exception], bool] = lambda _: False, longest_s: float = 15.0) -> Any:
    """Repeats transient errors (429, 502, 503, 504, lost connections) with growing waits until `timeout_s` are over.

    `also` tells what else a service takes for transient.
    """
    from google.api_core import retry

    return retry.Retry(
        predicate=lambda error: _is_transient(error) or also(error),
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


@contextmanager
def passing_over(*kinds: Kind) -> Iterator[None]:
    """Ends the block early where a call of it fails of one of these kinds; other errors go on."""
    try:
        yield
    except Exception as error:
        failure = failure_of(error)
        if failure is None or failure.kind not in kinds:
            raise


def failure_of(error: Exception) -> Failure | None:
    """What a call failed of; None for an error that is none of a call to Google."""
    from google.api_core.exceptions import RetryError

    if isinstance(error, RetryError) and isinstance(error.cause, Exception) and _kind(error.cause):
        error = error.cause  # what failed last
    kind = _kind(error)
    if kind is None:
        return None
    return Failure(kind, _reason(error), _is_transient(error), error)


def kind_of_status(status: int) -> Kind:
    """What an answer of this HTTP status, 400 or above, is about."""
    return _KINDS.get(status, Kind.UNANSWERED if status >= 500 else Kind.REFUSED)


def checked(answer: Any, *expected: int) -> Any:
    """The answer of a REST interface, raised as Google's clients raise it unless its status is 200 or one expected."""
    from google.api_core.exceptions import from_http_response

    if answer.status_code not in (OK, *expected):
        raise from_http_response(answer)  # type: ignore[no-untyped-call]  # google.api_core has none
    return answer


def unavailable(message: str) -> Exception:
    """To be raised for an answer that means "not yet": `retry_policy` repeats the call."""
    from google.api_core.exceptions import ServiceUnavailable

    error: Exception = ServiceUnavailable(message)  # type: ignore[no-untyped-call]  # google.api_core has none
    return error


def _reason(error: Exception) -> str:
    """Its sentence; what else google.auth puts into an error is Google's whole answer."""
    told = getattr(error, "message", "") or next((one for one in error.args[:1] if isinstance(one, str)), error)
    return " ".join(str(told).split()).rstrip(".") or type(error).__name__


def _is_transient(error: BaseException) -> bool:
    import requests
    from google.api_core import exceptions as api
    from google.auth.exceptions import TransportError

    answered = (api.TooManyRequests, api.BadGateway, api.ServiceUnavailable, api.GatewayTimeout)
    return isinstance(error, (*answered, requests.ConnectionError, requests.Timeout, TransportError))


def _kind(error: Exception) -> Kind | None:
    import requests
    from google.api_core import exceptions as api
    from google.auth.exceptions import GoogleAuthError, TransportError

    if isinstance(error, api.FailedPrecondition):
        return Kind.CONFLICT  # of gRPC; over HTTP it is a 400 as others are
    if isinstance(error, api.GoogleAPICallError) and error.code:
        return kind_of_status(int(error.code))
    kinds = {
        Kind.UNANSWERED: (
            *(TransportError, api.ServerError, api.RetryError),
            *(requests.RequestException, ConnectionError, TimeoutError),
        ),
        Kind.CREDENTIALS: (GoogleAuthError,),
        Kind.REFUSED: (api.GoogleAPIError,),
    }
    return next((kind for kind, types in kinds.items() if isinstance(error, types)), None)
