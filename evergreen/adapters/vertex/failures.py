"""What Google's clients raise: what is worth repeating, and the rest as errors that one line can tell."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from evergreen.core.errors import EndpointError

ADVICE = {
    401: "log in: gcloud auth application-default login",
    403: "grant roles/aiplatform.user to the account that runs this, and enable aiplatform.googleapis.com",
    429: "ask for more quota, or for another machine_type or region",
    503: "Vertex AI did not answer in time; run again",
}


class MissingError(EndpointError):
    """Vertex AI does not know the resource."""


def retry_policy(timeout_s: float) -> Any:
    """Repeats transient errors (429, 503, timeouts, lost connections) with growing waits until `timeout_s` are over."""
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
    return retry.Retry(predicate=transient, initial=0.5, maximum=15.0, multiplier=2.0, timeout=timeout_s)


@contextmanager
def translated(what: str) -> Iterator[None]:
    """A block of calls to Vertex AI that does `what`.

    Raises:
        MissingError: the resource is not there.
        EndpointError: any other refusal or failure.
    """
    import requests
    from google.api_core import exceptions
    from google.auth.exceptions import GoogleAuthError

    try:
        yield
    except exceptions.NotFound as error:
        raise MissingError(f"{what}: {_reason(error)}") from error
    except (exceptions.GoogleAPIError, GoogleAuthError, requests.RequestException) as error:
        raise EndpointError(f"{what}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """One line: what Google said, and what to do where that is known."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, Exception):  # a RetryError keeps what failed last
        return _reason(cause)
    text = " ".join(str(getattr(error, "message", "") or error).split()).rstrip(".")
    code = 401 if _lacks_credentials(error) else getattr(error, "code", None)
    advice = ADVICE.get(int(code)) if isinstance(code, int) else None
    return f"{text}; {advice}" if advice else text


def _lacks_credentials(error: Exception) -> bool:
    """Whether there are none, or they are good no more, which Google's library finds out itself."""
    from google.auth.exceptions import DefaultCredentialsError, RefreshError

    return isinstance(error, DefaultCredentialsError | RefreshError)
