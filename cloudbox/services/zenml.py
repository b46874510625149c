"""A ZenML server with its own configuration and SQLite database below `<home>/zenml`, its dashboard, and an API key.

The database is SQLite: one user on one machine. A person signs in to the dashboard as `admin`, with the password in
`<home>/zenml/password`; clients use the API key in `<home>/zenml/key`.
"""

from __future__ import annotations

import secrets
import sys
from pathlib import Path
from typing import Any

import httpx

from cloudbox.box import HOST, Box
from cloudbox.services.base import Service, http_answers

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
        """Activated with an administrator at the first start; sessions outlive a restart since their key is kept."""
        state = box.home.state(self.name)
        return {
            "ZENML_CONFIG_PATH": str(state / "config"),
            "ZENML_LOCAL_STORES_PATH": str(state / "stores"),
            "ZENML_SERVER": "true",
            "ZENML_SERVER_DEPLOYMENT_TYPE": "other",
            "ZENML_SERVER_AUTO_ACTIVATE": "true",
            "ZENML_SERVER_SERVER_URL": box.url(self.name),
            "ZENML_SERVER_DASHBOARD_URL": box.url(self.name),
            "ZENML_SERVER_DISPLAY_ANNOUNCEMENTS": "false",
            "ZENML_SERVER_DISPLAY_UPDATES": "false",
            "ZENML_SERVER_JWT_SECRET_KEY": _session_key_file(box).read_text(),
            "ZENML_DEFAULT_USER_NAME": USER,
            "ZENML_DEFAULT_USER_PASSWORD": password_file(box).read_text(),
            "ZENML_ANALYTICS_OPT_IN": "false",
        }

    def answers(self, box: Box) -> bool:
        """Whether the server says that it is healthy."""
        return http_answers(f"{box.url(self.name)}/health")

    def address(self, box: Box) -> str:
        """The URL of its API and of its dashboard."""
        return box.url(self.name)

    def prepare(self, box: Box) -> None:
        """Makes the administrator's password and the key that signs sessions."""
        super().prepare(box)
        for file in (password_file(box), _session_key_file(box)):
            if not file.is_file():
                box.home.write(file, secrets.token_hex(32))

    def settle(self, box: Box) -> None:
        """Makes a service account and its API key over the server's own API, unless the kept key still opens it."""
        with httpx.Client(base_url=f"{box.url(self.name)}/api/v1", timeout=REQUEST_WITHIN_S, trust_env=False) as client:
            file = key_file(box)
            if file.is_file() and _key_opens(client, file.read_text().strip()):
                return
            box.home.write(file, _new_key(client, password_file(box).read_text()) + "\n")


def key_file(box: Box) -> Path:
    """Where the API key of the service account is kept."""
    return box.home.state("zenml") / "key"


def password_file(box: Box) -> Path:
    """Where the password of `USER` is kept."""
    return box.home.state("zenml") / "password"


def _session_key_file(box: Box) -> Path:
    return box.home.state("zenml") / "session-key"


def _key_opens(client: httpx.Client, key: str) -> bool:
    return client.post("/login", data={"grant_type": "zenml-api-key", "password": key}).is_success


def _new_key(client: httpx.Client, password: str) -> str:
    """A fresh API key; one whose value was lost under the same name makes way for it."""
    answer = client.post("/login", data={"grant_type": "password", "username": USER, "password": password})
    client.headers["Authorization"] = f"Bearer {_json(answer)['access_token']}"
    found = _json(client.get("/service_accounts", params={"name": SERVICE_ACCOUNT}))["items"]
    account = (
        found[0] if found else _json(client.post("/service_accounts", json={"name": SERVICE_ACCOUNT, "active": True}))
    )
    keys = f"/service_accounts/{account['id']}/api_keys"
    for lost in _json(client.get(keys))["items"]:
        client.delete(f"{keys}/{lost['id']}").raise_for_status()
    key: str = _json(client.post(keys, json={"name": SERVICE_ACCOUNT}))["body"]["key"]
    return key


def _json(response: httpx.Response) -> Any:
    response.raise_for_status()
    return response.json()
