"""The command that asks a live endpoint for a prediction."""

from __future__ import annotations

import json
import shlex

EXAMPLE = {"text": "The central bank left interest rates unchanged as inflation slowed."}


def curl_command(url: str, token_command: str | None = None) -> str:
    """A shell command, quoted for POSIX shells, that posts EXAMPLE to `url`.

    It carries the output of `token_command` as bearer token: `gcloud auth print-access-token` for Vertex AI.
    """
    body = json.dumps({"instances": [EXAMPLE]}, ensure_ascii=False)
    token = f' -H "Authorization: Bearer $({token_command})"' if token_command else ""
    return f"curl -s {shlex.quote(url)}{token} -H 'Content-Type: application/json' -d {shlex.quote(body)}"
