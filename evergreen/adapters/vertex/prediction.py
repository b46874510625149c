"""Asks an endpoint of Vertex AI over its REST interface, the way the printed curl command does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evergreen.adapters.google.calls import checked, retry_policy, unavailable
from evergreen.adapters.vertex.clients import Clients, translated
from evergreen.core.answers import Predictions, error_in, predictions_in, request_body
from evergreen.core.errors import InputError, RequestTooLargeError

TOO_LARGE = 413
REFUSED = (400, TOO_LARGE, 415)
SIZE = "payload size exceeds"
"""What Vertex AI itself says, as 400, of a request that is too large; 413 comes of the container alone."""


def post_predict(clients: Clients, url: str, instances: Sequence[Any]) -> Predictions:
    """Predictions, one an instance.

    Raises:
        InstanceError: the model refuses one of the instances.
        InputError: it refuses the request.
        RequestTooLargeError: they are too many, or too large, for one request.
        EndpointError: nothing answers, or not with predictions.
    """
    host = clients.host
    try:
        body = request_body(instances)
    except ValueError as error:
        raise InputError(f"the instances are no JSON: {error}") from error

    def ask() -> Any:
        headers = {"content-type": "application/json"}
        answer = clients.session.post(url, data=body, headers=headers, timeout=host.request_timeout_s)
        checked(answer, *REFUSED)
        error_answer = error_in(answer.text)
        if error_answer.status == "FAILED_PRECONDITION":  # the traffic has not reached all of Google's servers yet
            raise unavailable(f"it serves nothing: {error_answer.message}")
        return answer

    with translated(f"asking {url}"):
        answer = retry_policy(min(host.retry_timeout_s, host.request_timeout_s))(ask)()
    if answer.status_code in REFUSED:
        error_answer = error_in(answer.text)
        if answer.status_code == TOO_LARGE or SIZE in error_answer.message.lower():
            raise RequestTooLargeError(f"{url} refuses the request ({answer.status_code}): {error_answer.message}")
        raise error_answer.refusal(url, answer.status_code)
    return predictions_in(answer.text, url, len(instances))
