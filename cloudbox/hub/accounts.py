"""Who may do what: one user, one organisation, and a token for writing and one for reading (`<home>/hub/tokens.json`).

`{"write": "hf_…", "read": "hf_…"}`; whoever shows neither is anonymous.
"""

from __future__ import annotations

import json
import secrets
from typing import Any

from cloudbox.home import Home

USER = "cloudbox"
ORGANISATION = "evergreen"
NAMESPACES = (USER, ORGANISATION)
ROLES = ("write", "read")


def ensure_tokens(home: Home) -> bool:
    """Whether tokens were made: there were none."""
    file = home.state("hub") / "tokens.json"
    if file.is_file():
        return False
    return home.write(file, json.dumps({role: f"hf_{secrets.token_hex(17)}" for role in ROLES}) + "\n")


def tokens(home: Home) -> dict[str, str]:
    """The token by role."""
    by_role: dict[str, str] = json.loads((home.state("hub") / "tokens.json").read_text())
    return by_role


def whoami(role: str) -> dict[str, Any]:
    """What the Hub says of the holder of a token."""
    organisation = {"type": "org", "id": "1", "name": ORGANISATION, "fullname": ORGANISATION, "roleInOrg": role}
    return {
        "type": "user",
        "id": "0",
        "name": USER,
        "fullname": "Cloud Box",
        "isPro": False,
        "orgs": [organisation],
        "auth": {"type": "access_token", "accessToken": {"displayName": role, "role": role}},
    }
