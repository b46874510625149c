"""The ZenML and MLflow servers of a box, asked by their real clients."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from cloudbox import environment
from cloudbox.services import zenml
from tests.running_box import RunningBox, running_box

pytestmark = pytest.mark.emulated


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBox]:
    """Started by a person who is logged in elsewhere: none of her settings may reach the servers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZENML_STORE_URL", "https://zenml.example.com")
        patch.setenv("ZENML_CONFIG_PATH", str(tmp_path_factory.mktemp("elsewhere")))
        patch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example.com")
        with running_box(tmp_path_factory.mktemp("box") / "home", "gateway", "mlflow", "zenml") as box:
            yield box


def person(box: RunningBox, tmp_path: Path) -> dict[str, str]:
    """The environment of a person who evaluated what `env` printed."""
    own = {"ZENML_CONFIG_PATH": str(tmp_path), "ZENML_ANALYTICS_OPT_IN": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **environment.client(box.box), **own}


def run(box: RunningBox, tmp_path: Path, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command], env=person(box, tmp_path), cwd=tmp_path, check=True, capture_output=True, text=True
    )
    return done.stdout


def test_the_zenml_client_works_with_the_api_key(box: RunningBox, tmp_path: Path) -> None:
    script = (
        "from zenml.client import Client; client = Client(); "
        "print(client.zen_store.type, client.active_user.name, client.list_stacks().items[0].name)"
    )
    assert run(box, tmp_path, "-c", script).splitlines()[-1] == "rest cloudbox default"


def test_a_login_has_no_end_and_outlives_that_another_command_writes_its_own(box: RunningBox, tmp_path: Path) -> None:
    script = """
import os, pathlib
from zenml.client import Client
store = Client().zen_store
pathlib.Path(os.environ["ZENML_CONFIG_PATH"], "credentials.yaml").write_text("")  # as it is while it is written
store.authenticate(force=True)
print(store._api_token.expires_at)
"""
    assert run(box, tmp_path, "-c", script).splitlines()[-1] == "None"


def test_a_person_signs_in_to_the_dashboard_with_the_kept_password(box: RunningBox) -> None:
    form = {"username": zenml.USER, "password": zenml.password_file(box.box).read_text()}
    url = box.box.url("zenml")
    assert httpx.post(f"{url}/api/v1/login", data=form, trust_env=False).is_success
    assert httpx.post(f"{url}/api/v1/login", data={**form, "password": "guess"}, trust_env=False).status_code == 401
    assert "<html" in httpx.get(url, trust_env=False).text


def test_a_lost_api_key_is_replaced_and_a_kept_one_left_alone(box: RunningBox, tmp_path: Path) -> None:
    file = zenml.key_file(box.box)
    lost = file.read_text()
    box.up()
    assert file.read_text() == lost
    file.unlink()
    box.up()
    assert file.read_text() != lost
    login = {"grant_type": "zenml-api-key", "password": lost.strip()}
    assert not httpx.post(f"{box.box.url('zenml')}/api/v1/login", data=login, trust_env=False).is_success


def test_mlflow_keeps_metrics_and_artifacts_below_the_home(box: RunningBox, tmp_path: Path) -> None:
    script = """
import mlflow
mlflow.set_experiment("news")
with mlflow.start_run() as run:
    mlflow.log_metric("accuracy", 0.5)
    mlflow.log_text("hello", "note.txt")
print(mlflow.get_run(run.info.run_id).data.metrics["accuracy"])
print(mlflow.artifacts.load_text(run.info.artifact_uri + "/note.txt"))
"""
    assert run(box, tmp_path, "-c", script).splitlines()[-2:] == ["0.5", "hello"]
    assert [path.read_text() for path in (box.home / "mlflow" / "artifacts").rglob("note.txt")] == ["hello"]


def test_no_secret_is_seen_by_other_users_of_the_machine(box: RunningBox) -> None:
    own = [box.home / "zenml" / name for name in ("session-key", "encryption-key")]
    files = [zenml.key_file(box.box), zenml.password_file(box.box), *own]
    secrets = [file.read_text().strip() for file in files]
    assert [file.stat().st_mode & 0o777 for file in files] == [0o600] * 4
    seen = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    seen += [log.read_text() for log in (box.home / "logs").iterdir()]
    seen.append(box.command("status").stdout + box.up().stdout)
    assert all(secret and not any(secret in text for text in seen) for secret in secrets)


def test_the_servers_reach_for_nothing_outside(box: RunningBox) -> None:
    assert box.status()["refusals"] == 0
