"""Asks an endpoint for predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from evergreen.core.answers import predictions_in, request_body, said_in
from evergreen.core.errors import EndpointError, InputError, RequestTooLargeError

LOOPBACK = ("127.0.0.1", "::1", "localhost")


def post_predict(url: str, instances: Sequence[Any], timeout_s: float = 60.0) -> list[dict[str, Any]]:
    """Predictions, one an instance.

    Raises:
        RequestTooLargeError: the request holds more bytes than the endpoint takes.
        InstanceError: the endpoint refuses one of the instances.
        InputError: it refuses the request.
        EndpointError: nothing answers at `url`, or not with predictions.
    """
    import httpx

    target = urlsplit(url)
    through_proxy, encrypted = target.hostname not in LOOPBACK, target.scheme == "https"
    try:
        body = request_body(instances)
        with httpx.Client(trust_env=through_proxy, verify=encrypted, timeout=timeout_s) as client:
            answer = client.post(url, content=body, headers={"content-type": "application/json"})
    except ValueError as error:
        raise InputError(f"the instances are no JSON: {error}") from error
    except httpx.TimeoutException as error:
        raise EndpointError(
            f"{url} gave no answer within {timeout_s:g} s; send fewer instances, or wait longer"
        ) from error
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise EndpointError(f"nothing answers at {url} ({error}); see `status`, or run the pipeline again") from error
    if answer.status_code == 413:
        raise RequestTooLargeError(f"{url} refuses the request (413): {said_in(answer.text).message}")
    if 400 <= answer.status_code < 500:
        raise said_in(answer.text).refusal(url, answer.status_code)
    if answer.status_code != 200:
        raise EndpointError(f"{url} failed ({answer.status_code}): {said_in(answer.text).message}")
    return predictions_in(answer.text, url, len(instances))
