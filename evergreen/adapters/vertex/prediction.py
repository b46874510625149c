"""Asks an endpoint of Vertex AI over its REST interface, the way the printed curl command does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from evergreen.adapters.google.calls import retry_policy
from evergreen.adapters.vertex.clients import Clients, translated
from evergreen.core.answers import predictions_in, request_body
from evergreen.core.errors import InputError, RequestTooLargeError

TOO_LARGE = 413
REFUSED = (400, TOO_LARGE, 415)
SIZE = "payload size exceeds"
"""What Vertex AI itself says, as 400, of a request that is too large; 413 comes of the container alone."""


def post_predict(clients: Clients, url: str, instances: Sequence[Any]) -> list[dict[str, Any]]:
    """Predictions, one an instance.

    Raises:
        InputError: the model refuses the instances.
        RequestTooLargeError: they are too many, or too large, for one request.
        EndpointError: nothing answers, or not with predictions.
    """
    from google.api_core.exceptions import ServiceUnavailable, from_http_response

    host = clients.host
    try:
        body = request_body(instances)
    except ValueError as error:
        raise InputError(f"the instances are no JSON: {error}") from error

    def ask() -> Any:
        headers = {"content-type": "application/json"}
        answer = clients.session.post(url, data=body, headers=headers, timeout=host.request_timeout_s)
        if answer.status_code != 200 and answer.status_code not in REFUSED:
            raise from_http_response(answer)  # type: ignore[no-untyped-call]  # google.api_core has none
        status, reason = _said(answer.text)
        if status == "FAILED_PRECONDITION":  # the traffic was set, but has not reached every server of Google's yet
            raise ServiceUnavailable(f"it serves nothing: {reason}")  # type: ignore[no-untyped-call]  # has none
        return answer

    with translated(f"asking {url}"):
        answer = retry_policy(min(host.retry_timeout_s, host.request_timeout_s))(ask)()
    if answer.status_code in REFUSED:
        reason = _said(answer.text)[1]
        too_large = answer.status_code == TOO_LARGE or SIZE in reason.lower()
        kind = RequestTooLargeError if too_large else InputError
        raise kind(f"{url} refuses the request ({answer.status_code}): {reason}")
    return predictions_in(answer.text, url, len(instances))


def _said(text: str) -> tuple[str, str]:
    """Google's status and the innermost message: Vertex AI wraps what the container answered."""
    status = ""
    for _ in range(2):
        try:
            error = json.loads(text)["error"]
            text, status = str(error["message"]), status or str(error.get("status", ""))
        except (ValueError, KeyError, TypeError, AttributeError):
            break
    return status, " ".join(text.split())[:500]
