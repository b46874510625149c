"""The command that asks a live endpoint for a prediction."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping

EXAMPLE: Mapping[str, object] = {"text": "The central bank left interest rates unchanged as inflation slowed."}


def curl_command(url: str, instance: Mapping[str, object] = EXAMPLE) -> str:
    """A shell command, quoted for POSIX shells, that posts one instance to `url`."""
    body = json.dumps({"instances": [dict(instance)]}, ensure_ascii=False)
    return f"curl -s {shlex.quote(url)} -H 'Content-Type: application/json' -d {shlex.quote(body)}"
