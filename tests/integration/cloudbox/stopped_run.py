"""A run on ZenML's Vertex orchestrator that is at its rollout, and its end: `python -m … register|start|stop|state`.

`start NAME` watches the run, as a delivery does. Its one step takes the model's lease, notes a rollout, starts a
custom job as a step operator would, and goes on for minutes. `stop` says what was stopped, `state` what is left.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from google.cloud import aiplatform_v1
from zenml import pipeline, step
from zenml.client import Client
from zenml.config import DockerSettings
from zenml.utils.run_utils import refresh_run_status
from zenml.utils.source_utils import set_custom_source_root

from commands.console import report_errors
from commands.started import stopped_with_this_command
from commands.stop import stop_lines
from commands.termination import sigterm_raises
from commands.watching import run_pipeline
from evergreen.adapters.vertex.settings import VertexHostSettings
from evergreen.core.deployment import EndpointStatus
from evergreen.core.lease import Rollout
from orchestration.configuration import Configuration
from orchestration.endpoints import lease_of
from orchestration.locks import model_lease
from orchestration.stopping import stop_runs
from tests.integration.cloudbox.scheduled_model import BUCKET, PARENT, PROJECT, REGION, register_stack
from tests.running_box import REPOSITORY

MODEL = "stopped-news"
HOST = VertexHostSettings(project=PROJECT, region=REGION, staging=f"gs://{BUCKET}/models", image="serving:test")
ADDRESS = {"api_endpoint": f"{REGION}-aiplatform.googleapis.com"}


@step
def roll(run: str) -> None:
    nothing = EndpointStatus(url=None, traffic={}, ready=())
    with model_lease(lease_of(MODEL, HOST), MODEL, run, 0) as claim:
        container = {"image_uri": "any:1", "command": ["sleep", "600"]}
        job = {
            "display_name": f"{run}-roll",
            "job_spec": {
                "worker_pool_specs": [
                    {
                        "machine_spec": {"machine_type": "n1-standard-4"},
                        "replica_count": 1,
                        "container_spec": container,
                    }
                ]
            },
        }
        aiplatform_v1.JobServiceClient(client_options=ADDRESS).create_custom_job(
            request={"parent": PARENT, "custom_job": job}
        )
        claim.note(Rollout(run=run, version="b2", champion=None, before=nothing))
        time.sleep(600)


@pipeline(enable_cache=False, settings={"docker": DockerSettings(parent_image="local/pipeline:1", skip_build=True)})
def training(run: str) -> None:
    roll(run)


def start(name: str) -> int:
    """Runs the pipeline of this module in the place of the training pipeline, as `run` does."""
    document = {"parameters": {"run": name}, "extra": {}}
    project: Any = SimpleNamespace(
        model_name=MODEL,
        host=HOST,
        active_stack="boxed",
        pipeline=training,
        is_on_vertex=True,
        scheduled=False,
        steps=["roll"],
        accelerators_in=lambda _: {},
        configuration=Configuration(Path("stopped.yaml"), ("boxed",), SimpleNamespace(), document),
    )
    set_custom_source_root(str(REPOSITORY))
    with (
        report_errors(debug=False) as outcome,
        sigterm_raises(),
        stopped_with_this_command(project, name, detach=False),
    ):
        run_pipeline(project, name, use_cache=True)
    return outcome.code


def state(name: str) -> dict[str, Any]:
    """What Vertex AI, ZenML and the bucket say of the run now; ZenML asks Vertex AI again."""
    pipelines = aiplatform_v1.PipelineServiceClient(client_options=ADDRESS).list_pipeline_jobs(parent=PARENT)
    jobs = aiplatform_v1.JobServiceClient(client_options=ADDRESS).list_custom_jobs(parent=PARENT)
    runs = Client().list_pipeline_runs(name=name).items
    lease = lease_of(MODEL, HOST).read()
    return {
        "pipelines": sorted(pipeline_job.state.name for pipeline_job in pipelines),
        "jobs": {f"{job.display_name} {job.name.rpartition('/')[2]}": job.state.name for job in jobs},
        "zenml": [str(refresh_run_status(Client().get_pipeline_run(run.id)).status) for run in runs],
        "steps": sorted(str(step.status) for run in runs for step in Client().get_pipeline_run(run.id).steps.values()),
        "holder": lease.holder.run if lease.holder else None,
        "rollout": lease.lease.rollout.run if lease.lease.rollout else None,
    }


if __name__ == "__main__":
    word, *rest = sys.argv[1:]
    if word == "register":
        register_stack()
    elif word == "start":
        sys.exit(start(*rest))
    elif word == "stop":
        sys.stdout.write(stop_lines(MODEL, stop_runs(MODEL, HOST, *rest)) + "\n")
    else:
        sys.stdout.write("\n" + json.dumps(state(*rest)) + "\n")
