"""Asks an endpoint of this machine, or one behind an address, and waits where it is asked to."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from evergreen.core.answers import Predictions, error_in, predictions_in, request_body
from evergreen.core.errors import EndpointError, InputError, RequestTooLargeError
from evergreen.core.limits import FULL_STATUS
from evergreen.runtime.http import UNLOGGED_HEADER

if TYPE_CHECKING:
    import httpx

LOOPBACK = ("127.0.0.1", "::1", "localhost")
MOST_PAUSE_S = 30


def post_predict(url: str, instances: Sequence[Any], timeout_s: float = 60.0, *, logged: bool = True) -> Predictions:
    """Predictions, one an instance; what is not `logged` says that it is no traffic.

    Raises:
        RequestTooLargeError: the request holds more bytes than the endpoint takes.
        InstanceError: the endpoint refuses one of the instances.
        InputError: it refuses the request.
        EndpointError: nothing answers at `url`, or not with predictions.
    """
    import httpx

    target = urlsplit(url)
    through_proxy, encrypted = target.hostname not in LOOPBACK, target.scheme == "https"
    headers = {"content-type": "application/json"} | ({} if logged else {UNLOGGED_HEADER: "1"})
    try:
        body = request_body(instances)
        with httpx.Client(trust_env=through_proxy, verify=encrypted, timeout=timeout_s, headers=headers) as client:
            answer = _asked(client, url, body, timeout_s)
    except ValueError as error:
        raise InputError(f"the instances are no JSON: {error}") from error
    except httpx.TimeoutException as error:
        raise EndpointError(
            f"{url} gave no answer within {timeout_s:g} s; send fewer instances, or wait longer"
        ) from error
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise EndpointError(f"nothing answers at {url} ({error}); see `status`, or run the pipeline again") from error
    if answer.status_code == 413:
        raise RequestTooLargeError(f"{url} refuses the request (413): {error_in(answer.text).message}")
    if 400 <= answer.status_code < 500 and answer.status_code != FULL_STATUS:
        raise error_in(answer.text).refusal(url, answer.status_code)
    if answer.status_code != 200:
        raise EndpointError(f"{url} failed ({answer.status_code}): {error_in(answer.text).message}")
    return predictions_in(answer.text, url, len(instances))


def _asked(client: httpx.Client, url: str, body: bytes, timeout_s: float) -> httpx.Response:
    """The answer; an endpoint without room is asked again when it says, as long as there is time."""
    until = time.monotonic() + timeout_s
    while True:
        answer = client.post(url, content=body)
        given = answer.headers.get("retry-after", "")
        pause_s = min(int(given), MOST_PAUSE_S) if given.isdecimal() else 1
        if answer.status_code != FULL_STATUS or time.monotonic() + pause_s > until:
            return answer
        time.sleep(pause_s)
