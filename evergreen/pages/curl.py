"""The command that asks a live endpoint for a prediction."""

from __future__ import annotations

import json
import shlex

EXAMPLE = {"text": "The central bank left interest rates unchanged as inflation slowed."}


def curl_command(url: str) -> str:
    """A shell command, quoted for POSIX shells, that posts EXAMPLE to `url`."""
    body = json.dumps({"instances": [EXAMPLE]}, ensure_ascii=False)
    return f"curl -s {shlex.quote(url)} -H 'Content-Type: application/json' -d {shlex.quote(body)}"
