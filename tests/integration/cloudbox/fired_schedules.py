"""Fires a model's schedule after a refused replacement and after a restart of ZenML, and ends it during a run."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import google.auth
import httpx
from google.auth.transport.requests import AuthorizedSession
from google.cloud import aiplatform_v1
from zenml.client import Client
from zenml.config import DockerSettings
from zenml.utils import source_utils

from cloudbox import faults
from cloudbox.faults import Fault
from cloudbox.home import Home
from evergreen.core.errors import EvergreenError
from orchestration.schedules import delete_schedules, goes_on, schedules, set_schedule
from tests.integration.cloudbox.frozen import frozen
from tests.integration.cloudbox.scheduled_model import REGION

HOST = f"{REGION}-aiplatform.googleapis.com"
MODEL = "fired-news"
ENDS_WITHIN_S = 300.0
LOOK_EVERY_S = 0.5


def fire(schedule: str) -> str:
    """The pipeline job of a firing, as if its time had come."""
    credentials, _ = google.auth.default()
    session = AuthorizedSession(credentials)  # type: ignore[no-untyped-call]  # google-auth ships no types
    return str(session.post(f"https://{HOST}/box/{schedule}:fire").json()["name"])


def state(job: str) -> str:
    client = aiplatform_v1.PipelineServiceClient(client_options={"api_endpoint": HOST})
    return str(client.get_pipeline_job(name=job).state.name)


def ended(job: str) -> str:
    """The state in which a job ends."""
    deadline = time.monotonic() + ENDS_WITHIN_S
    while (now := state(job)) in {"PIPELINE_STATE_PENDING", "PIPELINE_STATE_RUNNING"} and time.monotonic() < deadline:
        time.sleep(LOOK_EVERY_S)
    return now


def token_of(schedule: str) -> str:
    client = aiplatform_v1.ScheduleServiceClient(client_options={"api_endpoint": HOST})
    return str(frozen(client.get_schedule(name=schedule))["environments"][0]["ZENML_STORE_API_TOKEN"])


def admits(token: str) -> bool:
    """Whether ZenML lets in who shows the token."""
    url = f"{os.environ['ZENML_STORE_URL']}/api/v1/current-user"
    return httpx.get(url, headers={"Authorization": f"Bearer {token}"}, trust_env=False).is_success


def notes() -> int:
    return len([schedule for schedule in Client().list_schedules(is_archived=False).items if MODEL in schedule.name])


def run(home: Home, folder: Path) -> dict[str, Any]:
    sys.path.insert(0, str(folder))
    source_utils.set_custom_source_root(str(folder))
    pipeline = importlib.import_module("two_steps").two_steps
    image = DockerSettings(parent_image="local/pipeline:1", skip_build=True)
    options: dict[str, Any] = {"settings": {"docker": image}}
    report: dict[str, Any] = {}

    kept = set_schedule(pipeline, options, MODEL, "0 3 * * *")
    faults.add(home, Fault(kind="error", target="CreateSchedule", code="INVALID_ARGUMENT", times=1))
    try:
        set_schedule(pipeline, options, MODEL, "0 5 * * *")
    except EvergreenError as error:
        report["refusal"] = str(error)
    report["kept"] = [schedule.cron for schedule in schedules(MODEL)]
    report["after_refusal"] = ended(fire(kept.resource))
    fired = Client().list_pipeline_runs(sort_by="desc:created", size=1, hydrate=True).items[0].schedule
    report["of_schedule"] = fired is not None and fired.name == kept.name  # by which a step knows that it is a firing

    subprocess.run([sys.executable, "-m", "cloudbox", "--home", str(home.path), "restart", "zenml"], check=True)
    token = token_of(kept.resource)
    job = fire(kept.resource)
    report["ended"] = delete_schedules(MODEL)
    report["during"] = {
        "schedules": [schedule.state for schedule in schedules(MODEL)],
        "goes_on": [job.endswith(ending) for ending in goes_on(MODEL)],
        "job": state(job),
    }
    report["after_restart_and_end"] = ended(job)
    report["admitted"] = admits(token)
    report["ended_again"] = delete_schedules(MODEL)
    report["gone"] = [len(schedules(MODEL)), len(goes_on(MODEL)), notes(), admits(token)]
    return report


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(run(Home(Path(sys.argv[1])), Path(sys.argv[2]))))
