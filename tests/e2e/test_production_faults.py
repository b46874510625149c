"""What may happen to a run on Vertex AI: whole pipelines in one box, each on what the last left.

They run `configs/prod.yaml` with a secret, a short canary, and a gate that only keeps out what is far worse.

`make emulated-test` runs the first three, `make faults` all.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.production import Production, last_midnight, production_in
from tests.own_zenml import ROOT
from tests.waiting import wait_until

pytestmark = [pytest.mark.emulated, pytest.mark.timeout(1500)]

END = last_midnight()
"""When the rows of all runs arrive: midnight may pass while they run."""
SECRET = "hf_mQ7xT2vKd9Rz4LpW8cYb3NsJ"
REPEATED = (
    "ListEndpoints",
    "CreateEndpoint",
    "ListModels",
    "UploadModel",
    "DeployModel",
    "GetOperation",
    "UpdateEndpoint",
)


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    folder = tmp_path_factory.mktemp("faults")
    document = yaml.safe_load((ROOT / "configs" / "prod.yaml").read_text(encoding="utf-8"))
    document["secrets"] = ["hub"]
    document["parameters"]["task"]["token_env"] = "HUB_TOKEN"
    document["parameters"]["refresh"] |= {"min_new_rows": 1, "replay_share": 1}  # few as they are, beside all others
    document["parameters"]["gate"] |= {"margin": {"accuracy": 0.3}, "baselines": "report"}
    document["parameters"]["rollout"] = {"shares": [10], "hold_s": 2}
    config = folder / "prod.yaml"
    config.write_text(yaml.safe_dump(document), encoding="utf-8")
    with production_in(folder / "box", str(config)) as led:
        yield led


def on_lists(production: Production) -> Production:
    """The same commands, of whose steps one tries its machines itself, and another has the run submitted again."""
    document = yaml.safe_load(Path(production.config).read_text(encoding="utf-8"))
    document["steps"] = {"train": {"step_operator": True}}
    gpu = {"accelerator_type": "NVIDIA_TESLA_T4", "accelerator_count": 1}
    document["extra"]["machines"] = {
        "fetch": [{"machine_type": "c2-standard-4"}, {"machine_type": "n1-highmem-2"}],
        "train": [{"machine_type": "n1-standard-8", "spot": True, **gpu}, {"machine_type": "n1-highmem-4"}],
    }
    config = Path(production.config).with_name("lists.yaml")
    config.write_text(yaml.safe_dump(document), encoding="utf-8")
    return replace(production, config=str(config))


def test_transient_faults_and_missing_machines_are_overcome_and_the_run_keeps_its_secrets(
    production: Production,
) -> None:
    production.prepare(0.4, END)
    plant = f"from zenml.client import Client; Client().create_secret('hub', values={{'HUB_TOKEN': '{SECRET}'}})"
    production.python("-c", plant)
    for method in REPEATED:
        production.fault("error", method, code="UNAVAILABLE", times=2)
    production.fault("quota", "c2-standard-4,spot")
    run = on_lists(production).run_pipeline()
    assert production.spared() == []
    status = production.status()
    assert status["endpoint"]["traffic"] == {status["champion"]["version"]: 100}
    fetched, spot, instead = status["last_run"]["machines"]
    assert fetched.startswith("fetch: c2-standard-4: no machine was to be had: The following quota metrics exceed")
    assert spot.startswith("train: n1-standard-8 + 1 NVIDIA_TESLA_T4, spot: no machine was to be had: ")
    assert instead == "train: n1-highmem-4: had instead"
    for sentence in (fetched, spot, instead):
        assert f"machines    {sentence}\n" in run.stdout
    assert re.search(r"^fetch +failed .*\nfetch .*; once more from cache, on n1-highmem-2$", run.stdout, re.MULTILINE)
    assert run.stdout.count("https://console.cloud.google.com/vertex-ai/locations/us-central1/pipelines/runs/") == 2
    assert re.search(r"^train +started on n1-standard-8 \+ 1 NVIDIA_TESLA_T4$", run.stdout, re.MULTILINE)
    assert re.search(r"^train +n1-highmem-4: had instead$", run.stdout, re.MULTILINE)
    assert re.search(r"^train +training: \d+ of \d+ rows", run.stdout, re.MULTILINE)
    assert re.search(r"^train +done in \d+ s$", run.stdout, re.MULTILINE)
    assert SECRET not in run.stdout + run.stderr
    assert production.files_holding(status["champion"]["version"]) != []  # the search looks where such things are
    for secret in (SECRET, production.environment["MLFLOW_TRACKING_PASSWORD"]):
        assert production.files_holding(secret) == []
    assert list((production.home / "client").glob("vertex/*")) != []  # where ZenML compiles, and a token would stay
    assert list((production.home / "client").rglob("pipelines/*.json")) == []


def test_a_container_that_is_never_ready_is_told_in_one_line_and_leaves_the_champion(production: Production) -> None:
    before = production.status()
    production.prepare(0.6, END)
    production.fault("never-ready", "news", seconds=5)
    assert_fails(production, "never became ready")
    assert_unchanged(production, before)


def test_the_run_goes_on_without_its_command_and_heals_what_failed_before(production: Production) -> None:
    before = production.status()
    with production.started() as command:
        wait_until(lambda: production.status()["last_run"]["status"] == "running", timeout_s=120)
        command.send_signal(signal.SIGKILL)
    wait_until(lambda: production.status()["last_run"]["status"] != "running", timeout_s=600)
    after = production.status()
    assert after["last_run"]["status"] == "completed"
    assert after["last_run"]["outcome"] == "live"
    assert after["previous"]["version"] == before["champion"]["version"]
    assert after["endpoint"]["traffic"][after["champion"]["version"]] == 100


@pytest.mark.faults
def test_a_machine_type_without_quota_is_named_and_leaves_the_champion(production: Production) -> None:
    before = production.status()
    production.prepare(0.75, END)
    production.fault("quota", "n1-standard-4")
    assert_fails(production, "quota")
    assert_unchanged(production, before)


@pytest.mark.faults
def test_a_deploy_task_that_is_killed_leaves_an_endpoint_that_the_next_run_sets_right(production: Production) -> None:
    before = production.status()
    production.fault("slow", "UpdateEndpoint", seconds=10, times=1)  # the new version stands by, without traffic yet
    with production.task_killed(lambda: not production.faults()):
        assert_fails(production, "deploy")
    assert sum(production.status()["endpoint"]["traffic"].values()) == 100
    production.run_pipeline()
    after = production.status()
    assert after["champion"]["version"] != before["champion"]["version"]
    assert set(after["endpoint"]["traffic"]) == {after["champion"]["version"], before["champion"]["version"]}


@pytest.mark.faults
def test_a_train_task_that_is_killed_is_resumed_by_the_next_run(production: Production) -> None:
    production.prepare(0.9, END)
    assert not production.keeps_a_checkpoint()
    with production.task_killed(production.keeps_a_checkpoint):
        assert_fails(production, "train")
    killed = rows_seen(production)
    production.run_pipeline()
    resumed = rows_seen(production)
    assert killed[0] < resumed[0] < resumed[-1]
    assert resumed[-1] > killed[-1]


@pytest.mark.faults
def test_a_run_goes_on_while_zenml_is_restarted_between_its_steps_and_in_its_canary(production: Production) -> None:
    production.prepare(1.0, END)
    before = production.status()
    production.fault("slow", "UpdateEndpoint", seconds=30, times=1)  # the canary's share, which is the first
    with production.started() as command:
        wait_until(lambda: production.status()["last_run"]["name"] != before["last_run"]["name"], timeout_s=300)
        production.restart("zenml")
        wait_until(lambda: not production.faults(), timeout_s=900)
        production.restart("zenml")
        assert command.wait(timeout=600) == 0
    after = production.status()
    assert after["last_run"]["status"] == "completed"
    assert after["champion"]["version"] != before["champion"]["version"]
    assert after["endpoint"]["traffic"][after["champion"]["version"]] == 100


@pytest.mark.faults
def test_a_schedule_fires_after_zenml_was_restarted(production: Production) -> None:
    before = production.status()["last_run"]["name"]
    made = production.command("schedule", "--cron", "0 3 1 1 *").stdout
    production.restart("zenml")
    production.fire(made.splitlines()[0].rpartition("(")[2].rstrip(")"))
    wait_until(lambda: production.status()["last_run"]["name"] != before, timeout_s=300)
    wait_until(lambda: production.status()["last_run"]["status"] != "running", timeout_s=900)
    assert production.status()["last_run"]["status"] == "completed"
    production.command("schedule", "--delete")
    assert "has no schedule" in production.command("schedule", "--list").stdout


def rows_seen(production: Production) -> list[int]:
    """The counts that the newest training logged."""
    logs = sorted(production.home.glob("vertex/containers/job-*/log"), key=lambda log: log.stat().st_mtime)
    counts = [re.findall(r"training: (\d+) of", log.read_text(encoding="utf-8")) for log in logs]
    return [int(count) for count in [one for one in counts if one][-1]]


def assert_fails(production: Production, said: str) -> None:
    """The run ends with exit code 1 and one line that says why."""
    run = production.run_pipeline(check=False)
    assert run.returncode == 1, run.stdout + run.stderr
    (line,) = [one for one in run.stderr.splitlines() if one.startswith("error:")]
    assert said in line
    assert "Traceback" not in run.stdout + run.stderr


def assert_unchanged(production: Production, before: dict[str, Any]) -> None:
    """Champion and endpoint are as before, with nothing deployed beside, once the fault is gone."""
    assert before["champion"] is not None
    production.spared()
    after = production.status()
    assert after["champion"] == before["champion"]
    assert after["endpoint"] == before["endpoint"]
