"""Addresses of servers and databases as a person may see them.

without_password("mysql+pymysql://user:secret@host:3306/db?ssl_key=…")  →  "mysql+pymysql://host:3306/db"
"""

from __future__ import annotations

import re

CREDENTIALS = re.compile(r"^([^:/?#]+://)[^:/@]*(:[^@]*)?@")  # as SQLAlchemy reads them: a password may hold / and ?


def without_password(url: str) -> str:
    """The address without user, password and options; a path or a `sqlite:///` address stays as it is."""
    return CREDENTIALS.sub(r"\1", url).partition("?")[0]
