"""Tasks of a pipeline that die before their code runs, as Google's clients see them in the box."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from google.cloud import aiplatform_v1 as v1

from cloudbox import faults
from cloudbox.box import Box
from evergreen.adapters.vertex.jobs import Cause, PipelineJob, VertexJobs
from orchestration.vertex_runs import Death, deaths
from orchestration.watch import StepNote, Watch, follow

REGION = "us-central1"


def submitted(box: Box, **commands: Sequence[str]) -> tuple[VertexJobs, str]:
    """A pipeline job with a task for each command, one after the other, on its way.

    What follows `--payload` are arguments, as Google's component for custom jobs has them.
    """
    executors: dict[str, Any] = {}
    for name, command in commands.items():
        cut = command.index("--payload") if "--payload" in command else len(command)
        executors[name] = {"container": {"image": "steps", "command": list(command[:cut]), "args": list(command[cut:])}}
    components = {f"comp-{name}": {"executorLabel": name} for name in commands}
    tasks: dict[str, Any] = {}
    for before, name in zip([None, *commands], commands, strict=False):
        after = {"dependentTasks": [before]} if before else {}
        tasks[name] = {"componentRef": {"name": f"comp-{name}"}, "taskInfo": {"name": name}, **after}
    spec: Mapping[str, Any] = {
        "pipelineInfo": {"name": "dead-tasks"},
        "root": {"dag": {"tasks": tasks}},
        "components": components,
        "deploymentSpec": {"executors": executors},
        "schemaVersion": "2.1.0",
    }
    address = {"api_endpoint": f"{REGION}-aiplatform.googleapis.com"}
    made = v1.PipelineServiceClient(client_options=address).create_pipeline_job(
        parent=f"projects/{box.project}/locations/{REGION}",
        pipeline_job=v1.PipelineJob(pipeline_spec=spec, runtime_config={"gcs_output_directory": "gs://bucket/root"}),
    )
    return VertexJobs(box.project, REGION), made.name.rpartition("/")[2]


def on_spot(name: str, *command: str) -> list[str]:
    """The command of a task that runs it as a custom job on a Spot machine, by Google's component."""
    pool = {
        "machine_spec": {"machine_type": "n1-highmem-2", "accelerator_type": ""},
        "replica_count": 1,
        "container_spec": {"image_uri": "steps", "command": list(command), "env": []},
    }
    spec = {"worker_pool_specs": [pool], "scheduling": {"strategy": "SPOT", "max_wait_duration": "86400s"}}
    payload = json.dumps({"display_name": name, "job_spec": spec, "labels": {}})
    launcher = ["python3", "-u", "-m", "google_cloud_pipeline_components.container.v1.custom_job.launcher"]
    return [*launcher, "--payload", payload]


def followed(jobs: VertexJobs, job_id: str) -> tuple[PipelineJob, list[str]]:
    """The job at its end, and what was told until then."""
    lines: list[str] = []
    watch = Watch(["first", "second"], {"first": "e2-standard-4"}, lines.append)
    done = dict.fromkeys(["first", "second"], StepNote(status="completed"))
    return follow(jobs, job_id, watch, lambda _: done, lambda _: None), lines


@pytest.mark.parametrize(
    ("fault", "cause", "words"),
    [
        (faults.Fault(kind="driver", target="second"), Cause.PLATFORM, "Internal error occurred while the driver"),
        (faults.Fault(kind="image", target="second"), Cause.IMAGE, "Failed to pull image steps"),
        (faults.Fault(kind="quota", target="e2-standard-4", times=2), Cause.CAPACITY, "exceed quota limits"),
        (faults.Fault(kind="stockout", target="e2-standard-4"), Cause.CAPACITY, "Resources are insufficient in region"),
    ],
    ids=lambda value: value.kind if isinstance(value, faults.Fault) else None,
)
def test_what_kept_a_task_from_its_code_is_told_in_googles_words(
    box: Box, fault: faults.Fault, cause: Cause, words: str
) -> None:
    faults.add(box.home, fault)
    try:
        jobs, job_id = submitted(box, second=["true"])
        job, lines = followed(jobs, job_id)
    finally:
        faults.clear(box.home)
    assert job.state == "FAILED"
    (death,) = deaths(jobs, job)
    assert (death.task, death.cause, death.began) == ("second", cause, False)
    assert death.words.startswith(f"{cause}: ")
    assert words in death.words
    assert "AiPlatformException" not in death.words
    assert death.lacked_a_machine is (cause is Cause.CAPACITY)
    assert lines[-1].startswith("second      failed ")


def test_a_preempted_machine_is_named_as_such(box: Box) -> None:
    faults.add(box.home, faults.Fault(kind="preempt", target="first", seconds=0.2))
    try:
        jobs, job_id = submitted(box, first=on_spot("first", "sleep", "60"))
        job, _ = followed(jobs, job_id)
    finally:
        faults.clear(box.home)
    expected = "its Spot machine was taken back (preempted): The replica workerpool0-0 failed with a STOCKOUT error."
    assert deaths(jobs, job) == [Death(task="first", cause=Cause.PREEMPTED, words=expected, began=True)]


def test_a_run_is_told_step_by_step_through_an_outage_and_its_own_failure_is_no_death(box: Box) -> None:
    jobs, job_id = submitted(box, first=["sleep", "0.5"], second=["false"])
    faults.add(box.home, faults.Fault(kind="error", target="GetPipelineJob", code="UNAVAILABLE", times=2))
    job, lines = followed(jobs, job_id)
    assert faults.listed(box.home) == []
    assert deaths(jobs, job) == []
    reasons = [line.split(" in ")[0].split(" after ")[0] for line in lines if not line.startswith(" ")]
    assert reasons == [
        "first       started on e2-standard-4",
        "first       done",
        "second      started on a machine that Vertex AI chooses",
        "second      failed",
    ]
    assert [line.split()[2:4] for line in lines if line.startswith(" ")] == [["not", "answering"], ["answers", "again"]]


def test_a_task_that_describes_a_custom_job_is_that_job_on_its_machine(box: Box) -> None:
    jobs, job_id = submitted(box, second=on_spot("second", "true"))
    job, _ = followed(jobs, job_id)
    assert job.state == "SUCCEEDED", job.error
    address = {"api_endpoint": f"{REGION}-aiplatform.googleapis.com"}
    ran = v1.JobServiceClient(client_options=address).get_custom_job(name=job.tasks[0].job).job_spec
    assert ran.worker_pool_specs[0].machine_spec.machine_type == "n1-highmem-2"
    assert ran.scheduling.strategy == v1.Scheduling.Strategy.SPOT

    faults.add(box.home, faults.Fault(kind="quota", target="spot", times=1))
    jobs, job_id = submitted(box, second=on_spot("second", "true"))
    job, _ = followed(jobs, job_id)
    assert [(death.task, death.lacked_a_machine) for death in deaths(jobs, job)] == [("second", True)]
