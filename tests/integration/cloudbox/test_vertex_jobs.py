"""Jobs of Vertex AI that are cancelled: their end is waited for, and what has ended is left as it is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from cloudbox.box import Box
from tests.own_zenml import ROOT

SCRIPT = """
import json, sys, time
from google.cloud import aiplatform_v1 as v1
from kfp import compiler, dsl
from evergreen.adapters.vertex.clients import MissingError
from evergreen.adapters.vertex.jobs import VertexJobs

project, region, path = sys.argv[1:]
parent, address = f"projects/{project}/locations/{region}", {"api_endpoint": f"{region}-aiplatform.googleapis.com"}
jobs = VertexJobs(project, region)

@dsl.container_component
def wait():
    return dsl.ContainerSpec(image="steps", command=["sleep"], args=["600"])

@dsl.pipeline(name="waits")
def waits():
    wait()

compiler.Compiler().compile(waits, path)
spec = json.load(open(path))
pipelines, custom = v1.PipelineServiceClient(client_options=address), v1.JobServiceClient(client_options=address)
job = {"pipeline_spec": spec, "runtime_config": {"gcs_output_directory": "gs://bucket/root"}}
pipelines.create_pipeline_job(parent=parent, pipeline_job=job, pipeline_job_id="waits-1")
pool = {"machine_spec": {"machine_type": "n1-standard-4"}, "replica_count": 1,
        "container_spec": {"image_uri": "steps", "command": ["sleep", "600"]}}
for name in ("run-1-train", "run-2-train"):
    job = {"display_name": name, "job_spec": {"worker_pool_specs": [pool]}}
    custom.create_custom_job(parent=parent, custom_job=job)
told = {"pipeline": [jobs.cancel_pipeline("waits-1"), jobs.cancel_pipeline("waits-1")]}
told["custom"] = [len(jobs.cancel_custom(["run-1-train", "run-1-split"])), len(jobs.cancel_custom(["run-1-train"]))]
told["states"] = {job.display_name: job.state.name for job in custom.list_custom_jobs(parent=parent)}
try:
    jobs.cancel_pipeline("never-was")
except MissingError as error:
    told["missing"] = str(error)
jobs.cancel_custom(["run-2-train"])
print(json.dumps(told))
"""


def test_a_cancelled_job_has_ended_and_only_those_that_are_named_are_cancelled(box: Box, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, box.project, box.region, str(tmp_path / "waits.json")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["pipeline"] == ["CANCELLED", "CANCELLED"]
    assert report["custom"] == [1, 0]
    assert report["states"]["run-1-train"] == "JOB_STATE_CANCELLED"
    assert report["states"]["run-2-train"] in {"JOB_STATE_PENDING", "JOB_STATE_RUNNING"}
    assert report["states"]["wait"] == "JOB_STATE_CANCELLED"
    assert "never-was" in report["missing"]
