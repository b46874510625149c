"""The calls that the box was asked for: `<home>/calls.jsonl`, one JSON object a line.

`{"principal": "pipeline@p.iam.gserviceaccount.com", "method": "storage.objects.get"}`
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from contextvars import ContextVar
from typing import NamedTuple

from cloudbox.home import Home

ANONYMOUS = "anonymous"
"""A caller without a token of the box: Cloud Storage's own client sends none to an emulator."""
_TOKEN = "ya29."  # noqa: S105 (how Google's access tokens begin)
caller: ContextVar[str] = ContextVar("caller", default=ANONYMOUS)
"""The account of the call under way, as its token tells it."""


class Call(NamedTuple):
    """An account's e-mail address and a method of Google's."""

    principal: str
    method: str


def token_of(email: str) -> str:
    """A fresh access token, which tells whose it is; worth nothing outside the box."""
    owner = base64.urlsafe_b64encode(email.encode()).decode()
    return f"{_TOKEN}{owner}.{secrets.token_urlsafe(24)}"


def principal_of(authorization: str) -> str:
    """The account of an `Authorization` header; ANONYMOUS when it holds no token of the box.

    gRPC clients send a token that they have signed themselves (a JWT), whose second part names its issuer.
    """
    _, _, token = authorization.partition(" ")
    kind, owner, *_ = [*token.removeprefix(_TOKEN).split("."), ""]
    try:
        if token.startswith(_TOKEN):
            return base64.urlsafe_b64decode(kind).decode() or ANONYMOUS
        claims = json.loads(base64.urlsafe_b64decode(owner + "=" * (-len(owner) % 4)))
        return str(claims["iss"])
    except (ValueError, KeyError, TypeError):
        return ANONYMOUS


def record(home: Home, call: Call) -> None:
    """Appends one call; several processes may do so at once, since a line is written by one call."""
    home.calls.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(home.calls, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, (json.dumps(call._asdict()) + "\n").encode())
    finally:
        os.close(descriptor)


def listed(home: Home, skipped: int = 0) -> set[Call]:
    """The different calls, without the first `skipped` lines."""
    lines = home.calls.read_text(encoding="utf-8").splitlines() if home.calls.is_file() else []
    return {Call(**json.loads(line)) for line in lines[skipped:]}
