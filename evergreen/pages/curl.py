"""The command that asks a live endpoint for a prediction."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

EXAMPLE = {"text": "The central bank left interest rates unchanged as inflation slowed."}
"""Asked where the endpoint's own example is not known."""
LONGEST_INLINE = 1000
"""Characters of a body that a command line carries; a picture needs a file."""


def request_body(example: Mapping[str, Any] | None = None) -> str:
    """The JSON that asks for a prediction of the example."""
    return json.dumps({"instances": [example or EXAMPLE]}, ensure_ascii=False)


def needs_file(body: str) -> bool:
    """Whether a body is too long for a command line that a person reads."""
    return len(body) > LONGEST_INLINE


def curl_command(
    url: str, token_command: str | None = None, example: Mapping[str, Any] | None = None, file: str = "request.json"
) -> str:
    """A shell command, quoted for POSIX shells, that posts the example to `url`; a long one is read from `file`.

    It carries the output of `token_command` as bearer token: `gcloud auth print-access-token` for Vertex AI.
    """
    body = request_body(example)
    token = f' -H "Authorization: Bearer $({token_command})"' if token_command else ""
    data = shlex.quote(f"@{file}" if needs_file(body) else body)
    return f"curl -s {shlex.quote(url)}{token} -H 'Content-Type: application/json' -d {data}"
