"""ZenML's record of the champion and MLflow's models: neither takes the other's disk, and the record is backed up."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.dockerfile import ROOT

GUIDE = (ROOT / "docs" / "production.md").read_text("utf-8")


def mlflow() -> dict[str, Any]:
    service: dict[str, Any] = yaml.safe_load((ROOT / "infra" / "compose.yaml").read_text("utf-8"))["services"]["mlflow"]
    return service


def locked(package: str) -> str:
    (version,) = re.findall(rf"^{package}==(.+)$", (ROOT / "requirements.lock").read_text("utf-8"), re.MULTILINE)
    return str(version)


def commands() -> list[str]:
    """The lines of the guide, continued lines joined."""
    return GUIDE.replace("\\\n", " ").splitlines()


def test_models_go_where_the_guide_says_and_that_is_a_bucket() -> None:
    (destination,) = [argument for argument in mlflow()["command"] if argument.startswith("--artifacts-destination=")]
    (variable,) = re.findall(r"\$\{(\w+):-/mlflow/artifacts\}", destination)
    assert re.findall(rf"^{variable}=(\S+)", GUIDE, re.MULTILINE) == ["gs://$GOOGLE_CLOUD_PROJECT-evergreen-mlflow"]
    assert "export EVERGREEN_BUCKET=gs://$GOOGLE_CLOUD_PROJECT-evergreen\n" in GUIDE
    assert "gcloud storage buckets create $EVERGREEN_BUCKET-mlflow" in GUIDE


def test_the_machine_runs_as_an_account_that_may_write_the_models_bucket_and_no_other() -> None:
    account = "evergreen-servers@$GOOGLE_CLOUD_PROJECT.iam.gserviceaccount.com"
    (machine,) = [line for line in commands() if "gcloud compute instances create evergreen-servers" in line]
    assert f"--service-account {account}" in machine
    grants = [line for line in commands() if f"--member serviceAccount:{account}" in line]
    (bucket,) = [re.findall(r"buckets add-iam-policy-binding (\S+)", line)[0] for line in grants if "storage" in line]
    assert bucket == "$EVERGREEN_BUCKET-mlflow"
    roles = {role for line in grants for role in re.findall(r"--role roles/(\S+)", line)}
    assert roles == {"storage.objectUser", "monitoring.metricWriter"}


def test_the_keys_lie_on_no_disk_of_which_snapshots_are_taken() -> None:
    (snapshots,) = re.findall(r"^gcloud compute disks add-resource-policies (\S+) ", GUIDE, re.MULTILINE)
    (machine,) = [line for line in commands() if "gcloud compute instances create evergreen-servers" in line]
    device = re.findall(rf"--disk name={snapshots},device-name=(\S+?),", machine)  # not the one that it boots from
    mounted = re.findall(r"/dev/disk/by-id/google-(\S+) (\S+) ext4", GUIDE)
    assert mounted == [(*device, "/var/lib/docker/volumes")]
    assert GUIDE.index("sudo mount /var/lib/docker/volumes\n") < GUIDE.index("install --yes docker.io")
    services = yaml.safe_load((ROOT / "infra" / "compose.yaml").read_text("utf-8"))["services"]
    kept = [volume for name in ("zenml", "mlflow") for volume in services[name]["volumes"]]
    assert kept
    assert all(re.match(r"\w+:/", volume) for volume in kept)  # docker's own, none of the folder that has `.env`
    assert "gcloud compute scp infra evergreen-servers: " in GUIDE  # into the home of whoever logs in


def test_the_server_can_reach_a_bucket_and_is_of_the_clients_version() -> None:
    build = mlflow()["build"]["dockerfile_inline"]
    assert f"FROM ghcr.io/mlflow/mlflow:v{locked('mlflow')}\n" in build
    assert f"google-cloud-storage=={locked('google-cloud-storage')}\n" in build


def test_the_disk_speaks_up_before_it_is_full() -> None:
    policy = json.loads((ROOT / "infra" / "disk-alert.json").read_text("utf-8"))
    (condition,) = policy["conditions"]
    threshold = condition["conditionThreshold"]
    assert "agent.googleapis.com/disk/percent_used" in threshold["filter"]
    assert (threshold["comparison"], threshold["thresholdValue"]) == ("COMPARISON_GT", 80)
    assert "--policy-from-file infra/disk-alert.json" in GUIDE


def test_the_backup_of_the_guide_holds_what_was_written_while_the_server_goes_on(tmp_path: Path) -> None:
    (program,) = re.findall(r'python -c "(import sqlite3; .*?)"; }', GUIDE)
    with sqlite3.connect(tmp_path / "zenml.db") as written:
        written.execute("PRAGMA journal_mode=WAL")
        written.execute("CREATE TABLE champion (version TEXT)")
        written.execute("INSERT INTO champion VALUES ('3fa41c02be17')")
        written.commit()
        code = program.replace("$2", str(tmp_path)).replace("$3", "zenml.db")
        subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
    assert sqlite3.connect(tmp_path / "backup.db").execute("SELECT version FROM champion").fetchall() == [
        ("3fa41c02be17",)
    ]
