"""What the box refused: the proof that nothing leaves this machine, and the list of what the box lacks.

`{"time": "2026-01-31T09:30:00.123+00:00", "service": "gateway", "what": "huggingface.co:443"}`
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import TypedDict

from cloudbox.home import Home


class Refusal(TypedDict):
    """One refused call: when (UTC), by which service, and which host or method it asked for."""

    time: str
    service: str
    what: str


def record(home: Home, service: str, what: str) -> None:
    """Appends one refusal; several processes may do so at once, since a line is written by one call."""
    refusal = Refusal(time=datetime.now(UTC).isoformat(timespec="milliseconds"), service=service, what=what)
    home.refusals.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(home.refusals, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, (json.dumps(refusal) + "\n").encode())
    finally:
        os.close(descriptor)


def listed(home: Home) -> list[Refusal]:
    """Every refusal since the home was made, oldest first."""
    if not home.refusals.is_file():
        return []
    return [json.loads(line) for line in home.refusals.read_text().splitlines() if line]
