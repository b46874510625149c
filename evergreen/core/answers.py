"""What an endpoint is asked and what its answer holds, whoever serves it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from evergreen.core.errors import EndpointError
from evergreen.core.quoting import excerpt


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


def predictions_in(text: str, url: str, expected: int) -> list[dict[str, Any]]:
    """The predictions of an answer's body. Raises EndpointError when they are not one for each instance."""
    try:
        predictions = json.loads(text)["predictions"]
    except (ValueError, KeyError, TypeError) as error:
        raise EndpointError(
            f"{url} answers without predictions: {excerpt(text)}; is it an endpoint of ours?"
        ) from error
    if not isinstance(predictions, list) or len(predictions) != expected:
        raise EndpointError(f"{url} gave other than one prediction for each of {expected} instances")
    return predictions
