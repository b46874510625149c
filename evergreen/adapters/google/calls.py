"""How Google is called: for how long, what is repeated, and what a failure is about.

with calling(lambda failure: EndpointError(failure.message("reading the endpoint"))):
    client.get_endpoint(name=name, retry=retry_policy(RETRY_TIMEOUT_S), timeout=CALL_TIMEOUT_S)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
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
    CONFLICT = "there is such a thing already, or another request was quicker"
    PRECONDITION = "what the request takes for granted is not so, or not any more: a state, a generation"
    INVALID = "the request is wrong, or a name in it"
    REFUSED = "the request cannot be carried out"
    EXHAUSTED = "too much asked for now: a quota, or no machine is free"
    UNANSWERED = "no answer for now: out of order, unreachable"


ADVICE = {
    Kind.CREDENTIALS: f"log in: {LOGIN}",
    Kind.EXHAUSTED: "a quota is used up, or nothing is free: try again later, or ask for more",
    Kind.UNANSWERED: "try again later",
}
"""What to do, whichever service it is; of the kinds left out each service knows by itself."""
_KINDS = {
    400: Kind.INVALID,
    401: Kind.CREDENTIALS,
    403: Kind.DENIED,
    404: Kind.MISSING,
    408: Kind.UNANSWERED,
    409: Kind.CONFLICT,
    412: Kind.PRECONDITION,
    429: Kind.EXHAUSTED,
    501: Kind.REFUSED,
}
"""Of HTTP statuses. Those left out are refusals from 400 to 499, and no answer below and above."""


@dataclass(frozen=True)
class Failure:
    """A call that failed: `reason` is what Google said, on one line; what is `transient` may go well if repeated."""

    kind: Kind
    reason: str
    transient: bool
    error: Exception

    def message(self, what: str, advice: Mapping[Kind, str] = MappingProxyType({})) -> str:
        """`what: reason; what to do`: the service's own `advice` on this kind, else that of `ADVICE`, else none.

        None either where an operation of Google's may have failed for good, though nothing but "internal" is told.
        """
        is_certain = self.kind is not Kind.UNANSWERED or self.transient
        to_do = {**ADVICE, **advice}.get(self.kind) if is_certain else None
        return f"{what}: {self.reason}{f'; {to_do}' if to_do else ''}"


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
    return Failure(kind, reason_of(error), _is_transient(error), error)


def kind_of_status(status: int) -> Kind:
    """What a failure of this HTTP status is about; BigQuery gives a job that was stopped the status 200."""
    return _KINDS.get(status, Kind.REFUSED if 400 <= status < 500 else Kind.UNANSWERED)


def auth_errors() -> tuple[type[Exception], type[Exception]]:
    """What google.auth raises: that a request for a token got no answer, and may be repeated; that none can be had."""
    from google.auth.exceptions import GoogleAuthError, TransportError

    return TransportError, GoogleAuthError


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


def reason_of(error: Exception) -> str:
    """Its sentence on one line, never empty; what else google.auth puts into an error is Google's whole answer."""
    from google.api_core.exceptions import RetryError

    first = next((argument for argument in error.args[:1] if isinstance(argument, str | Exception)), error)
    sentence = getattr(error, "message", "") or first
    reason = " ".join(str(sentence).split()).rstrip(".") or type(error).__name__
    if isinstance(error, RetryError) and isinstance(error.cause, Exception):
        return f"{reason}: {reason_of(error.cause)}"
    return reason


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
        return Kind.PRECONDITION  # of gRPC; over HTTP it is a 400 as others are
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
