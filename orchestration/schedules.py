"""A model's schedule: one on Vertex AI Pipelines, named for the model, and ZenML's own note of it.

What a run does is frozen when it is scheduled (code, configuration, and a token that lets its tasks into ZenML); its
window is not: the step `identify` resolves it when it runs. The token is good as long as ZenML's note is active, so the
note goes last: once Vertex AI starts no run of the schedule any more, and none goes on.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from zenml.client import Client
from zenml.config.schedule import Schedule
from zenml.enums import StackComponentType
from zenml.pipelines.pipeline_definition import Pipeline

from evergreen.adapters.google.calls import Failure, failure_of
from evergreen.adapters.vertex.jobs import job_error
from evergreen.adapters.vertex.schedules import VertexSchedule, VertexSchedules
from evergreen.core.errors import EvergreenError, InputError
from orchestration.runs import BATCH, MONITORING
from orchestration.specifications import removing_specifications
from orchestration.vertex_runs import FLAVOR, jobs_by

SHOWN_WITHIN_S = 60.0
POLL_EVERY_S = 2.0
ID_BYTES = 4
_BESIDE = {BATCH: BATCH, MONITORING: f"{MONITORING}_of"}
"""What begins the names of schedules beside the model's own: a model may be called `monitoring-…`."""


def schedule_prefix(model: str) -> str:
    """What the names of a model's schedules begin with, in ZenML and on Vertex AI: an id follows each time."""
    return f"evergreen-{model}"


def schedule_beside(model: str, pipeline: str) -> str:
    """What the schedule of a model's batch predictions, or of its monitoring, is named for: no model, since names of
    models have no `_`.
    """
    return f"{_BESIDE[pipeline]}-{model}"


def is_schedule_of(model: str, name: str) -> bool:
    """Whether a schedule of this name is the model's: names of other models may begin with this model's name."""
    own = rf"{re.escape(schedule_prefix(model))}(-[0-9a-f]{{{2 * ID_BYTES}}})?"  # without an id: of an earlier version
    return re.fullmatch(own, name) is not None


def check_orchestrator(config: str) -> None:
    """Returns when the active stack's orchestrator keeps schedules.

    Raises:
        InputError: it does not; the message holds what to do instead.
    """
    stack = Client().active_stack_model
    flavor = stack.components[StackComponentType.ORCHESTRATOR][0].flavor_name
    if flavor == FLAVOR:
        return
    raise InputError(
        f"stack '{stack.name}' has orchestrator '{flavor}', which keeps no schedules (allowed: {FLAVOR}); set a stack "
        f"on Vertex AI (zenml stack set vertex), or let this machine's cron run\n"
        f"  python run.py --config {config} --scheduled"
    )


def set_schedule(pipeline: Pipeline, options: dict[str, Any], model: str, cron: str) -> VertexSchedule:
    """The model's new schedule; those that were before fire no more, once Vertex AI shows the new one.

    Where it fails, those before go on as they were, and can still sign in to ZenML.

    Raises:
        InputError: no permission.
        EvergreenError: Vertex AI does not answer, or does not show the new one; it says what is scheduled now.
    """
    vertex = vertex_schedules()
    before = _of(vertex, model)
    name = f"{schedule_prefix(model)}-{secrets.token_hex(ID_BYTES)}"  # of its own: so is its note, and its token
    try:
        with _translated(), removing_specifications():
            pipeline.with_options(**options, schedule=Schedule(name=name, cron_expression=cron))()
        made = _wait_until_listed(vertex, name)
        vertex.hold_to_one_run(made.resource)
    except EvergreenError as error:
        now = "what was scheduled before goes on" if before else "nothing is scheduled"
        left = _withdraw(vertex, name)
        raise type(error)(f"{error}; {now}{left}; correct it or try again") from error
    except BaseException:
        _withdraw(vertex, name)
        raise
    try:
        _end(vertex, before)
    except EvergreenError as error:
        raise EvergreenError(f"the new schedule is set, but not every one before it ended: {error}") from error
    return made


def schedules(model: str) -> list[VertexSchedule]:
    """The model's schedules as Vertex AI has them, newest first. Raises as `set_schedule` does.

    One, or none; and paused ones that were ended or replaced during a run, until `goes_on` has nothing of them.
    """
    return _of(vertex_schedules(), model)


def delete_schedules(model: str) -> int:
    """How many schedules of the model were ended: none fires any more. Raises as `set_schedule` does.

    One of which a run goes on is only paused, so that the run can sign in to ZenML until its end.
    """
    vertex = vertex_schedules()
    there = _of(vertex, model)
    _end(vertex, there)
    return len(there)


def goes_on(model: str) -> list[str]:
    """The runs of schedules that fire no more, by the ids of their pipeline jobs. Raises as `set_schedule` does."""
    vertex = vertex_schedules()
    ended = [schedule for schedule in _of(vertex, model) if not _fires(schedule)]
    return [job for schedule in ended for job in vertex.running(schedule.resource)]


def firings_under_way(model: str) -> list[str]:
    """The pipeline jobs of the model's schedules, those beside its own too, that have not ended, whether ZenML
    knows of them yet or not.

    None where the active stack keeps no schedules. Raises as `set_schedule` does.
    """
    if Client().active_stack_model.components[StackComponentType.ORCHESTRATOR][0].flavor_name != FLAVOR:
        return []
    vertex = vertex_schedules()
    names = (model, *(schedule_beside(model, pipeline) for pipeline in _BESIDE))
    own = [schedule for name in names for schedule in _of(vertex, name)]
    return [job for schedule in own for job in vertex.running(schedule.resource)]


def end_firing(job: str) -> str:
    """The state in which the pipeline job of a firing has ended, which is cancelled where it had not.

    Raises:
        EvergreenError: it was refused, or has not ended in time.
    """
    return vertex_schedules().jobs.cancel_pipeline(job).lower()


def person() -> str | None:
    """Who is signed in to a ZenML server, where that is no service account: a schedule's token acts for them."""
    user = Client().active_user
    return None if user.is_service_account else user.name


def _of(vertex: VertexSchedules, model: str) -> list[VertexSchedule]:
    """The model's own."""
    return [schedule for schedule in vertex.beginning(schedule_prefix(model)) if is_schedule_of(model, schedule.name)]


def _fires(schedule: VertexSchedule) -> bool:
    return schedule.state == "ACTIVE"


def _wait_until_listed(vertex: VertexSchedules, name: str) -> VertexSchedule:
    """The schedule that was just made, as soon as it is listed: the listing may lag behind the creation."""
    deadline = time.monotonic() + SHOWN_WITHIN_S
    while not (made := vertex.beginning(name)):
        if time.monotonic() >= deadline:
            raise EvergreenError(
                f"Vertex AI took schedule '{name}' but did not list it within {SHOWN_WITHIN_S:g} s "
                "(look with `run.py schedule --list`)"
            )
        time.sleep(POLL_EVERY_S)
    return made[0]


def _end(vertex: VertexSchedules, ended: Sequence[VertexSchedule]) -> None:
    """Pauses the schedules; of those that have no run under way, nothing stays: neither the token nor themselves."""
    for schedule in ended:
        if _fires(schedule):
            vertex.pause(schedule.resource)
        if not vertex.running(schedule.resource):
            _archive(schedule.name)
            vertex.delete(schedule.resource)


def _withdraw(vertex: VertexSchedules, name: str) -> str:
    """Takes back what a failed creation made; returns what may be left, as part of the error of the creation."""
    try:
        for schedule in vertex.beginning(name):
            vertex.delete(schedule.resource)
        _archive(name)
    except EvergreenError as error:
        return f", and '{name}' may be there beside it ({error})"
    return ""


def _archive(name: str) -> None:
    """Archives ZenML's note of the schedule, and with it the schedule's token."""
    client = Client()
    for schedule in client.list_schedules(name=name, size=1000).items:
        client.zen_store.delete_schedule(schedule.id, soft=True)


@contextmanager
def _translated() -> Iterator[None]:
    """Turns what the orchestrator raises when Vertex AI refuses into one line.

    ZenML's server is called in the same block: what fails on the way there is not Google's, and stays as it is.
    """
    what = "Vertex AI did not take the schedule"
    try:
        yield
    except Exception as error:
        failure = _failure_of_google(error)
        if failure is not None:
            raise job_error(what)(failure) from error
        if isinstance(error, RuntimeError):
            raise EvergreenError(f"{what}: {' '.join(str(error).split())}") from error
        raise


def _failure_of_google(error: Exception) -> Failure | None:
    """By Google's own error, which ZenML's orchestrator may have raised a RuntimeError over; None where there is none.

    A lost connection of `requests` may be to any server: Google's clients raise errors of their own over it.
    """
    behind = error.__context__ if isinstance(error, RuntimeError) else error
    is_google = isinstance(behind, Exception) and type(behind).__module__.startswith("google.")
    return failure_of(behind) if is_google and isinstance(behind, Exception) else None


def vertex_schedules() -> VertexSchedules:
    """Where the active stack's orchestrator puts its schedules, with its credentials."""
    orchestrator = Client().active_stack.orchestrator
    jobs = jobs_by(orchestrator)
    if jobs is None:
        raise InputError(f"orchestrator '{orchestrator.flavor}' keeps no schedules (allowed: {FLAVOR})")
    return VertexSchedules(jobs)
