"""What an endpoint is asked and what its answer holds, whoever serves it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from evergreen.core.errors import EndpointError, InputError, InstanceError
from evergreen.core.quoting import excerpt

_MOST_CHARS = 500
"""Of a message that may be anybody's."""


def request_body(instances: Sequence[Any]) -> bytes:
    """The body that asks for predictions, letters as they are: escaped, a text of Chinese would be twice as long.

    Raises:
        ValueError: the instances are no JSON.
    """
    content = {"instances": list(instances)}
    try:
        return json.dumps(content, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # half a surrogate pair, which the server refuses by the instance's name
        return json.dumps(content, allow_nan=False).encode()


class Predictions(list[dict[str, Any]]):
    """What was answered to one request, a prediction for each instance, in order.

    `version` predicted them, and the request log has them by `trace_id`; empty where the endpoint does not say.
    """

    def __init__(self, predictions: Iterable[dict[str, Any]] = (), version: str = "", trace_id: str = "") -> None:
        super().__init__(predictions)
        self.version, self.trace_id = version, trace_id


def predictions_in(text: str, url: str, expected: int) -> Predictions:
    """The predictions of an answer's body. Raises EndpointError when they are not one for each instance."""
    try:
        answer = json.loads(text)
        predictions = answer["predictions"]
    except (ValueError, KeyError, TypeError) as error:
        raise EndpointError(
            f"{url} answers without predictions: {excerpt(text)}; is it an endpoint of ours?"
        ) from error
    if not isinstance(predictions, list) or len(predictions) != expected:
        raise EndpointError(f"{url} gave other than one prediction for each of {expected} instances")
    metadata = answer.get("metadata")
    told = metadata if isinstance(metadata, dict) else {}
    return Predictions(predictions, str(told.get("model_version") or ""), str(told.get("trace_id") or ""))


class ErrorAnswer(NamedTuple):
    """What an error's answer says: its message, the instance that it is about, and Google's status."""

    message: str
    instance: int | None = None
    status: str = ""

    def refusal(self, url: str, http_status: int) -> InputError:
        """The error of a request that is refused."""
        if self.instance is not None:
            return InstanceError(self.instance, self.message.removeprefix(f"instances[{self.instance}]: "))
        return InputError(f"{url} refuses the request ({http_status}): {self.message}")


def error_in(text: str) -> ErrorAnswer:
    """What an error's answer says innermost: Vertex AI wraps what the container answered, as text. Any text is one."""
    error_answer = ErrorAnswer(text)
    for _ in range(2):
        try:
            error = json.loads(error_answer.message)["error"]
            index = error.get("instance")
            error_answer = ErrorAnswer(
                str(error["message"]), index, error_answer.status or str(error.get("status", ""))
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            break
    index = error_answer.instance if type(error_answer.instance) is int and error_answer.instance >= 0 else None
    return ErrorAnswer(" ".join(error_answer.message.split())[:_MOST_CHARS], index, error_answer.status)
