"""Addresses of servers and databases, alone or in a message, as a person may see them.

without_password("no answer from mysql://user:secret@host:3306/db?ssl_key=…")  →  "no answer from mysql://host:3306/db"
"""

from __future__ import annotations

import re

ADDRESS = re.compile(
    r"(?P<scheme>\b[a-zA-Z][\w+.-]*://)"
    r"(?:[^:/@\s]*(?::[^@\s]*)?@)?"  # as SQLAlchemy reads it: a password may hold / and ?
    r"(?P<place>[^\s?'\"]*)"
    r"(?:\?[^\s'\")]*)?"
)


def without_password(text: str) -> str:
    """The text, each address in it without user, password and options; paths and `sqlite:///…` stay as they are."""
    return ADDRESS.sub(r"\g<scheme>\g<place>", text)
