"""ZenML's own server, started with the environment that `infra/compose.yaml` gives it: what production has."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from cloudbox import compose
from cloudbox.box import BoxError
from cloudbox.services.base import http_answers
from evergreen.runtime.processes import free_port
from tests.own_zenml import ROOT
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e

FILE = ROOT / "infra" / "compose.yaml"
APPLICATION = "zenml.zen_server.zen_server_api:app"
SECRET = "hf_jW3tVb8nQz5RmKx2YpLc7DsT"


@dataclass(frozen=True)
class Server:
    """A machine that runs the server of the compose file, again and again with the same `.env`."""

    folder: Path
    port: int
    values: dict[str, str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def running(self) -> Iterator[httpx.Client]:
        """The server until the block ends, and a client of its API."""
        environment = {
            **{name: os.environ[name] for name in ("PATH", "VIRTUAL_ENV") if name in os.environ},
            "HOME": str(self.folder),
            "ZENML_CONFIG_PATH": str(self.folder / "config"),
            "ZENML_LOCAL_STORES_PATH": str(self.folder / "stores"),
            **compose.environment(FILE, "zenml", {"ZENML_URL": self.url, **self.values}),
        }
        command = [sys.executable, "-m", "uvicorn", APPLICATION, "--host", "127.0.0.1", "--port", str(self.port)]
        with (
            (self.folder / "log").open("a") as log,
            subprocess.Popen(command, env=environment, cwd=self.folder, stdout=log, stderr=log) as process,
        ):
            try:
                wait_until(lambda: process.poll() is not None or http_answers(f"{self.url}/health"), timeout_s=150)
                with httpx.Client(base_url=f"{self.url}/api/v1", trust_env=False, timeout=30) as client:
                    client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # a task keeps none
                    yield client
            finally:
                process.terminate()

    def snapshot(self) -> bytes:
        """All that a snapshot of the volume holds."""
        return b"".join(file.read_bytes() for file in (self.folder / "stores").rglob("*") if file.is_file())


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What `infra/secrets.sh` makes on a machine."""
    folder = tmp_path_factory.mktemp("machine")
    script = folder / "secrets.sh"
    script.write_bytes((ROOT / "infra" / "secrets.sh").read_bytes())
    subprocess.run(["sh", str(script)], check=True, cwd="/", capture_output=True)  # noqa: S607 (the system's own)
    file = folder / ".env"
    assert file.stat().st_mode & 0o777 == 0o600
    once = file.read_text(encoding="utf-8")
    subprocess.run(["sh", str(script)], check=True, cwd="/", capture_output=True)  # noqa: S607 (the system's own)
    assert file.read_text(encoding="utf-8") == once
    return dict(line.split("=", 1) for line in once.splitlines())


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory, generated: dict[str, str]) -> dict[str, Any]:
    """What the server answered, before it was started again and after."""
    server = Server(tmp_path_factory.mktemp("server"), free_port(), generated)
    answers: dict[str, Any] = {"url": server.url}
    with server.running() as client:
        answers["info"] = _json(client.get("/info"))
        stranger = {"admin_username": "stranger", "admin_password": "guess"}
        answers["activation"] = client.put("/activate", json=stranger).status_code
        admin = _signed_in(client, "admin", generated.get("ZENML_ADMIN_PASSWORD", ""))
        secret = {"name": "hub", "type": "generic", "values": {"HUB_TOKEN": SECRET}, "private": False}
        answers["secret"] = _json(client.post("/secrets", json=secret, headers=admin))["id"]
        account = _json(client.post("/service_accounts", json={"name": "schedule", "active": True}, headers=admin))
        made = client.post(f"/service_accounts/{account['id']}/api_keys", json={"name": "schedule"}, headers=admin)
        token = _schedule_token(client, _json(made)["body"]["key"])
        answers["before"] = _who(client, token)
    answers["snapshot"] = server.snapshot()
    with server.running() as client:
        answers["after"] = _who(client, token)
        admin = _signed_in(client, "admin", generated.get("ZENML_ADMIN_PASSWORD", ""))
        answers["secret_after"] = _json(client.get(f"/secrets/{answers['secret']}", headers=admin))["body"]["values"]
        deactivated = client.put(f"/service_accounts/{account['id']}", json={"active": False}, headers=admin)
        deactivated.raise_for_status()
        answers["deactivated"] = _who(client, token)
    return answers


def _schedule_token(client: httpx.Client, key: str) -> str:
    """A token as ZenML's Vertex orchestrator puts it into the specification of a schedule."""
    login = client.post("/login", data={"grant_type": "zenml-api-key", "password": key})
    mine = {"Authorization": f"Bearer {_json(login)['access_token']}"}
    project = _json(client.get("/projects", headers=mine))["items"][0]["id"]
    pipeline = _json(client.post("/pipelines", json={"name": "training", "project": project}, headers=mine))["id"]
    schedule = {
        "name": "evergreen-news-0a1b2c3d",
        "cron_expression": "0 3 * * *",
        "active": True,
        "pipeline_id": pipeline,
        "orchestrator_id": None,
        "project": project,
    }
    made = _json(client.post("/schedules", json=schedule, headers=mine))["id"]
    token = client.get("/api_token", params={"token_type": "workload", "schedule_id": made}, headers=mine)
    return str(_json(token))


def _signed_in(client: httpx.Client, user: str, password: str) -> dict[str, str]:
    token = _json(client.post("/login", data={"username": user, "password": password}))["access_token"]
    return {"Authorization": f"Bearer {token}"}


def _who(client: httpx.Client, token: str) -> str | int:
    """Whom the server takes the bearer for, or with which status it refuses it."""
    answer = client.get("/current-user", headers={"Authorization": f"Bearer {token}"})
    return str(answer.json()["name"]) if answer.is_success else answer.status_code


def _json(response: httpx.Response) -> Any:
    assert response.is_success, f"{response.request.url}: {response.status_code} {response.text[:300]}"
    return response.json()


def test_the_token_of_a_schedule_outlives_a_restart_of_the_server(answers: dict[str, Any]) -> None:
    assert (answers["before"], answers["after"]) == ("schedule", "schedule")


def test_the_token_of_a_schedule_ends_with_its_service_account(answers: dict[str, Any]) -> None:
    assert answers["deactivated"] == 401


def test_the_administrator_is_there_before_any_visitor(answers: dict[str, Any]) -> None:
    assert answers["info"]["active"] is True
    assert answers["activation"] >= 400


def test_secrets_lie_encrypted_in_the_database_and_are_read_after_a_restart(
    answers: dict[str, Any], generated: dict[str, str]
) -> None:
    assert b"evergreen-news-0a1b2c3d" in answers["snapshot"]  # the search looks where such things are
    assert [name for name, key in generated.items() if key.encode() in answers["snapshot"]] == []
    written = [base64.b64encode(b" " * shift + SECRET.encode())[4:-4] for shift in range(3)]  # as it may be encoded
    assert [secret for secret in (SECRET.encode(), *written) if secret in answers["snapshot"]] == []
    assert answers["secret_after"]["HUB_TOKEN"] == SECRET


def test_the_server_knows_its_public_address(answers: dict[str, Any]) -> None:
    assert (answers["info"]["server_url"], answers["info"]["dashboard_url"]) == (answers["url"], answers["url"])


@pytest.mark.usefixtures("zenml_home")
def test_every_setting_of_the_server_is_one_that_zenml_knows() -> None:
    from zenml.config.server_config import ServerConfiguration

    names = yaml.safe_load(FILE.read_text(encoding="utf-8"))["services"]["zenml"]["environment"]
    settings = {name.removeprefix("ZENML_SERVER_").lower() for name in names if name.startswith("ZENML_SERVER_")}
    assert settings
    assert settings - ServerConfiguration.model_fields.keys() == set()


@pytest.mark.parametrize("missing", ["ZENML_ADMIN_PASSWORD", "ZENML_JWT_SECRET_KEY", "ZENML_ENCRYPTION_KEY"])
def test_a_server_without_one_of_its_keys_is_not_started(missing: str, generated: dict[str, str]) -> None:
    values = {name: value for name, value in generated.items() if name != missing}
    with pytest.raises(BoxError, match=rf"{missing} is missing \(run sh infra/secrets.sh once\)"):
        compose.environment(FILE, "zenml", values)
