"""Which machine each step of a configuration runs on, and how long the steps took when they ran last.

steps: {train: {step_operator: true, settings: {step_operator: {machine_type: n1-standard-8, …}}}}
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from evergreen.core.cloud import Machine
from evergreen.tasks.accelerators import UNSPECIFIED
from orchestration.costs import Task, attached_to, load_prices
from orchestration.run_settings import Components, settings_of

if TYPE_CHECKING:
    from zenml.models import PipelineRunResponse

PIPELINE_DEFAULT = "e2-standard-4"
"""What Vertex AI Pipelines gives a task that asks for nothing."""
CUSTOM_JOB_DEFAULT = "n1-standard-4"
"""What ZenML asks for where a custom job's machine is not said."""
DEFAULT_SECONDS = 600.0
"""What a step is taken for that has no run to be measured by; the plan says so."""
START_SECONDS = 60.0
"""What a task is taken for that starts, and finds its answer in the cache or nothing to do."""
LOOKS = ("prepare", "identify")
"""Steps that look for what is new in every run."""
BY_ROWS = ("fetch", "validate", "split", "train", "evaluate")
"""Steps that take their time with rows."""
WAITS = " waits"
RUNS_LOOKED_AT = 5
RESOURCES = ("cpu_count", "gpu_count", "memory")


def machine_of(document: Mapping[str, Any], step: str, components: Components | None = None) -> Machine | str:
    """The machine of a step, by the run configuration and the stack; a sentence where Vertex AI chooses it."""
    options = (document.get("steps") or {}).get(step) or {}
    resources = settings_of(document, options, "resources")
    if options.get("step_operator"):
        return _custom_job(settings_of(document, options, "step_operator", components), resources.get("gpu_count"))
    if job := settings_of(document, options, "orchestrator", components).get("custom_job_parameters"):
        return _custom_job(job)
    if asked := [f"{name} {resources[name]}" for name in RESOURCES if resources.get(name)]:
        return f"step {step} asks for resources ({', '.join(asked)}): Vertex AI chooses the machine"
    return Machine(PIPELINE_DEFAULT)


def waiting_machine_of(document: Mapping[str, Any], step: str, components: Components | None = None) -> Machine | None:
    """The machine of the pipeline's own task, which waits while a step operator runs the step; None: no operator does.

    It asks for no resources then: those are the operator's.
    """
    options = (document.get("steps") or {}).get(step) or {}
    if not options.get("step_operator"):
        return None
    job = settings_of(document, options, "orchestrator", components).get("custom_job_parameters")
    return _custom_job(job) if job else Machine(PIPELINE_DEFAULT)


def accelerators_of(
    document: Mapping[str, Any], steps: Iterable[str], components: Components | None = None
) -> dict[str, str]:
    """What the steps ask for that ask for accelerators: {"train": "1 NVIDIA_TESLA_T4"}.

    Of a step whose operator tries several machines it is what the first one has, also where that is none and only
    another one has some: the operator tells the step what it runs on instead.
    """
    shapes = load_prices().machines
    accelerators: dict[str, str] = {}
    for step in steps:
        options = (document.get("steps") or {}).get(step) or {}
        if tried := [accelerators_on(candidate) for candidate in _tried_by_operator(document, options, components)]:
            if any(asked != UNSPECIFIED for asked in tried):
                accelerators[step] = tried[0]
            continue
        machine = machine_of(document, step, components)
        attached = attached_to(machine, shapes.get(machine.machine_type)) if isinstance(machine, Machine) else {}
        orchestrator = (
            {} if options.get("step_operator") else settings_of(document, options, "orchestrator", components)
        )
        gpus = settings_of(document, options, "resources").get("gpu_count") or orchestrator.get("gpu_limit")
        _, node = orchestrator.get("node_selector_constraint") or ("", "GPU")
        for kind, count in attached.items() or ([(node, gpus)] if gpus else []):
            accelerators[step] = f"{count} {kind}"
    return accelerators


def accelerators_on(machine: Machine) -> str:
    """What a step on the machine is told that it has: `1 NVIDIA_TESLA_T4`, or that it has none."""
    attached = attached_to(machine, load_prices().machines.get(machine.machine_type))
    return next((f"{count} {kind}" for kind, count in attached.items()), UNSPECIFIED)


def tasks_of(
    document: Mapping[str, Any],
    steps: Iterable[str],
    measured: Mapping[str, float],
    components: Components | None = None,
    lists: Mapping[str, Sequence[Machine]] | None = None,
) -> list[Task]:
    """The steps with their machines and times, and tasks that wait.

    `measured` are seconds by step, of earlier runs; `lists` are the machines of steps that are tried on several.
    """
    return list(_tasks(document, steps, measured, components, lists or {}))


def _tasks(
    document: Mapping[str, Any],
    steps: Iterable[str],
    measured: Mapping[str, float],
    components: Components | None,
    lists: Mapping[str, Sequence[Machine]],
) -> Iterator[Task]:
    for step in steps:
        seconds, known = measured.get(step, DEFAULT_SECONDS), step in measured
        machine, instead = machine_of(document, step, components), tuple[Machine, ...]()
        if step in lists:
            machine, *others = lists[step]
            instead = tuple(others)
        yield Task(step, machine, seconds, known, instead)
        if waiting := waiting_machine_of(document, step, components):
            yield Task(f"{step}{WAITS}", waiting, seconds, known)


def quiet_tasks(tasks: Sequence[Task]) -> list[Task]:
    """The tasks of a run that trains nothing: each starts and ends, and no step operator runs a step."""
    operated = {task.step.removesuffix(WAITS) for task in tasks if task.step.endswith(WAITS)}
    return [
        task if task.step in LOOKS else replace(task, seconds=START_SECONDS)
        for task in tasks
        if task.step not in operated
    ]


def tasks_for_rows(tasks: Sequence[Task], share: float) -> list[Task]:
    """The tasks with so many times the rows that they were measured with; none is quicker than to start."""
    return [
        replace(task, seconds=max(task.seconds * share, START_SECONDS))
        if task.step.removesuffix(WAITS) in BY_ROWS
        else task
        for task in tasks
    ]


def measured_seconds(model: str, stack: str) -> dict[str, float]:
    """Seconds by step, of the newest completed run on the stack that did not answer the step from cache."""
    from zenml.enums import ExecutionStatus

    seconds: dict[str, float] = {}
    for run in _completed_runs(model, stack):
        for name, step in run.steps.items():
            if step.status == ExecutionStatus.COMPLETED and step.start_time and step.end_time:
                seconds.setdefault(name, (step.end_time - step.start_time).total_seconds())
    return seconds


def measured_rows(model: str, stack: str) -> int | None:
    """The rows of the newest completed run on the stack that trained; None where none did."""
    from zenml.enums import ExecutionStatus

    for run in _completed_runs(model, stack):
        steps = run.steps
        if "fetch" in steps and "train" in steps and steps["train"].status == ExecutionStatus.COMPLETED:
            rows = steps["fetch"].outputs["dataset"][0].run_metadata.get("rows")
            return int(rows) if isinstance(rows, int) else None
    return None


def _completed_runs(model: str, stack: str) -> list[PipelineRunResponse]:
    """The newest, newest first."""
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
    return list(runs.items)


def _tried_by_operator(
    document: Mapping[str, Any], options: Mapping[str, Any], components: Components | None
) -> list[Machine]:
    """The list that the step's operator works through; empty where it has one machine, or none runs the step."""
    settings = settings_of(document, options, "step_operator", components) if options.get("step_operator") else {}
    return [_custom_job(machine) for machine in settings.get("machines") or ()]


def _custom_job(settings: Mapping[str, Any], gpus: int | None = None) -> Machine:
    kind = settings.get("accelerator_type")
    return Machine(
        settings.get("machine_type") or CUSTOM_JOB_DEFAULT,
        kind,
        (gpus or settings.get("accelerator_count") or 0) if kind else 0,
    )
