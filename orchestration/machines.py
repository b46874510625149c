"""Which machine each step of a configuration runs on, and how long the steps took when they ran last.

steps: {train: {step_operator: true, settings: {step_operator: {machine_type: n1-standard-8, …}}}}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from orchestration.costs import Machine, Task
from orchestration.run_settings import settings_of

PIPELINE_DEFAULT = "e2-standard-4"
"""What Vertex AI Pipelines gives a task that asks for nothing."""
CUSTOM_JOB_DEFAULT = "n1-standard-4"
"""What ZenML asks for where a custom job's machine is not said."""
DEFAULT_SECONDS = 600.0
"""What a step is taken for that has no run to be measured by; the plan says so."""
RUNS_LOOKED_AT = 5
RESOURCES = ("cpu_count", "gpu_count", "memory")


def machine_of(document: Mapping[str, Any], step: str) -> Machine | str:
    """The machine of a step, by the run configuration; a sentence where Vertex AI chooses it by resources."""
    options = (document.get("steps") or {}).get(step) or {}
    if options.get("step_operator"):
        return _custom_job(settings_of(document, options, "step_operator"))
    orchestrator = settings_of(document, options, "orchestrator")
    if job := orchestrator.get("custom_job_parameters"):
        return _custom_job(job)
    resources = settings_of(document, options, "resources")
    if asked := [f"{name} {resources[name]}" for name in RESOURCES if resources.get(name)]:
        return f"step {step} asks for resources ({', '.join(asked)}): Vertex AI chooses the machine"
    return Machine(PIPELINE_DEFAULT)


def tasks_of(document: Mapping[str, Any], steps: Iterable[str], measured: Mapping[str, float]) -> list[Task]:
    """The steps with their machines and times; `measured` are seconds by step, of earlier runs."""
    return [
        Task(step, machine_of(document, step), measured.get(step, DEFAULT_SECONDS), step in measured) for step in steps
    ]


def measured_seconds(model: str, stack: str) -> dict[str, float]:
    """Seconds by step, of the newest completed run on the stack that did not answer the step from cache."""
    from zenml.client import Client
    from zenml.enums import ExecutionStatus

    from orchestration.runs import model_tag

    client = Client()
    runs = client.list_pipeline_runs(
        tags=model_tag(model),
        status=ExecutionStatus.COMPLETED,
        stack_id=client.get_stack(stack).id,
        sort_by="desc:created",
        size=RUNS_LOOKED_AT,
        hydrate=True,
    )
    seconds: dict[str, float] = {}
    for run in runs.items:
        for name, step in run.steps.items():
            if step.status == ExecutionStatus.COMPLETED and step.start_time and step.end_time:
                seconds.setdefault(name, (step.end_time - step.start_time).total_seconds())
    return seconds


def _custom_job(settings: Mapping[str, Any]) -> Machine:
    return Machine(
        settings.get("machine_type") or CUSTOM_JOB_DEFAULT,
        settings.get("accelerator_type"),
        settings.get("accelerator_count") or 0,
    )
