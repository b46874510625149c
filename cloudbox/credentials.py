"""Key files of the box's service accounts, in the form that Google hands out; worth nothing outside the box."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from cloudbox.box import Box
from cloudbox.home import Home


def ensure_credentials(box: Box) -> bool:
    """Whether a new key file was written: there was none."""
    if box.home.credentials.is_file():
        return False
    email = service_account(box)
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    key_file = {
        "type": "service_account",
        "project_id": box.project,
        "private_key_id": secrets.token_hex(20),
        "private_key": private.decode(),
        "client_email": email,
        "client_id": str(box.project_number),
        "token_uri": f"{box.url('gateway')}/token",
        "universe_domain": "googleapis.com",
    }
    return box.home.write(box.home.credentials, json.dumps(key_file, indent=2) + "\n")


def ensure_account(home: Home, email: str) -> Path:
    """The key file of another account, with the same key: which account signs in is all that the box wants to know."""
    key_file = {**json.loads(home.credentials.read_text()), "client_email": email}
    home.write(home.account(email), json.dumps(key_file, indent=2) + "\n")
    return home.account(email)


def service_account(box: Box) -> str:
    """`cloudbox@local-project.iam.gserviceaccount.com`."""
    return f"cloudbox@{box.project}.iam.gserviceaccount.com"
