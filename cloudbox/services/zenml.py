"""A ZenML server with its own configuration and SQLite database below `<home>/zenml`, its dashboard, and an API key.

Its settings are those of production, as `infra/compose.yaml` has them, with secrets of the box's own: what a server
lacks there, it lacks here. A person signs in to the dashboard as `admin`, with the password in
`<home>/zenml/password`; clients use the API key in `<home>/zenml/key`.
"""

from __future__ import annotations

import secrets
import sys
from pathlib import Path
from typing import Any

import httpx

from cloudbox import compose
from cloudbox.box import HOST, Box
from cloudbox.services.base import Service, http_answers

PACKAGE = Path(__file__).resolve().parents[1]
IN_CHECKOUT, IN_WHEEL = PACKAGE.parent / "infra" / "compose.yaml", PACKAGE / "compose.yaml"
COMPOSE = IN_CHECKOUT if IN_CHECKOUT.is_file() else IN_WHEEL
"""What the project starts its servers by; the box's wheel holds a copy."""
USER = "admin"
SERVICE_ACCOUNT = "cloudbox"
REQUEST_WITHIN_S = 30.0


class ZenmlServer(Service):
    """ZenML's own server application under uvicorn, as its container image runs it."""

    name = "zenml"

    def command(self, box: Box) -> list[str]:
        """The application that ZenML's container image starts; one line per failed request is enough of a log."""
        application = "zenml.zen_server.zen_server_api:app"
        address = ("--host", HOST, "--port", str(box.port(self.name)))
        return [sys.executable, "-m", "uvicorn", application, *address, "--no-access-log"]

    def environment(self, box: Box) -> dict[str, str]:
        """Where its files lie, which its image would say, and what the compose file says."""
        state = box.home.state(self.name)
        return {
            "ZENML_CONFIG_PATH": str(state / "config"),
            "ZENML_LOCAL_STORES_PATH": str(state / "stores"),
            **compose.environment(COMPOSE, self.name, {"ZENML_URL": box.url(self.name), **_secrets(box)}),
        }

    def answers(self, box: Box) -> bool:
        """Whether the server says that it is healthy."""
        return http_answers(f"{box.url(self.name)}/health")

    def address(self, box: Box) -> str:
        """The URL of its API and of its dashboard."""
        return box.url(self.name)

    def prepare(self, box: Box) -> None:
        """Makes the administrator's password, and the keys that sign sessions and encrypt secrets."""
        super().prepare(box)
        for file in _secret_files(box).values():
            if not file.is_file():
                box.home.write(file, secrets.token_hex(32))

    def settle(self, box: Box) -> None:
        """Makes a service account and its API key over the server's own API, unless the kept key still opens it."""
        with httpx.Client(base_url=f"{box.url(self.name)}/api/v1", timeout=REQUEST_WITHIN_S, trust_env=False) as client:
            file = key_file(box)
            if file.is_file() and _key_opens(client, file.read_text().strip()):
                return
            box.home.write(file, _renew_key(client, password_file(box).read_text()) + "\n")


def key_file(box: Box) -> Path:
    """Where the API key of the service account is kept."""
    return box.home.state("zenml") / "key"


def password_file(box: Box) -> Path:
    """Where the password of `USER` is kept."""
    return box.home.state("zenml") / "password"


def _secret_files(box: Box) -> dict[str, Path]:
    """Where the box keeps what a person keeps in `infra/.env`."""
    state = box.home.state("zenml")
    return {
        "ZENML_ADMIN_PASSWORD": password_file(box),
        "ZENML_JWT_SECRET_KEY": state / "session-key",
        "ZENML_ENCRYPTION_KEY": state / "encryption-key",
    }


def _secrets(box: Box) -> dict[str, str]:
    return {name: file.read_text() for name, file in _secret_files(box).items()}


def _key_opens(client: httpx.Client, key: str) -> bool:
    """Raises httpx.HTTPError where the server tells neither: a key that may be in use is not to be replaced then."""
    answer = client.post("/login", data={"grant_type": "zenml-api-key", "password": key})
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        return False
    answer.raise_for_status()
    return True


def _renew_key(client: httpx.Client, password: str) -> str:
    """A fresh API key; one whose value was lost under the same name makes way for it."""
    answer = client.post("/login", data={"grant_type": "password", "username": USER, "password": password})
    client.headers["Authorization"] = f"Bearer {_json(answer)['access_token']}"
    accounts = _json(client.get("/service_accounts", params={"name": SERVICE_ACCOUNT}))["items"]
    new = {"name": SERVICE_ACCOUNT, "active": True}
    account = accounts[0] if accounts else _json(client.post("/service_accounts", json=new))
    keys = f"/service_accounts/{account['id']}/api_keys"
    for lost in _json(client.get(keys))["items"]:
        client.delete(f"{keys}/{lost['id']}").raise_for_status()
    key: str = _json(client.post(keys, json={"name": SERVICE_ACCOUNT}))["body"]["key"]
    return key


def _json(response: httpx.Response) -> Any:
    response.raise_for_status()
    return response.json()
