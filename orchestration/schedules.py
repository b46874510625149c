"""A model's schedule: one on Vertex AI Pipelines, named for the model, and ZenML's own note of it.

What a run does is frozen when it is scheduled (code, configuration); its window is not: the step `identify` resolves it
when it runs.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from zenml.client import Client
from zenml.config.schedule import Schedule
from zenml.enums import StackComponentType
from zenml.pipelines.pipeline_definition import Pipeline

from evergreen.adapters.vertex.schedules import VertexSchedule, VertexSchedules
from evergreen.core.errors import EvergreenError, InputError

FLAVOR = "vertex"
SHOWN_WITHIN_S = 60.0
LOOK_EVERY_S = 2.0


def schedule_name(model: str) -> str:
    """The name of a model's schedule, in ZenML and on Vertex AI."""
    return f"evergreen-{model}"


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
        f"on Vertex AI (zenml stack set vertex), or let this machine's cron run\n  python run.py --config {config}"
    )


def set_schedule(pipeline: Pipeline, options: dict[str, Any], model: str, cron: str) -> VertexSchedule:
    """The model's one schedule: a new one, and once Vertex AI shows it, the end of those that were before.

    Raises:
        InputError: no permission.
        EvergreenError: Vertex AI does not answer, or does not show the new one; it says what is scheduled now.
    """
    name, vertex = schedule_name(model), vertex_schedules()
    before = [one.resource for one in vertex.named(name)]
    _forget(name)  # ZenML gives a name once
    try:
        with _told():
            pipeline.with_options(**options, schedule=Schedule(name=name, cron_expression=cron))()
    except EvergreenError as error:
        raise EvergreenError(f"{error}; {_left(vertex, name, before)}; correct it or try again") from error
    except BaseException:
        _left(vertex, name, before)
        raise
    made = _shown(vertex, name, before)
    _replace(vertex, made, before)
    return made


def schedules(model: str) -> list[VertexSchedule]:
    """The model's schedules as Vertex AI has them: one, or none. Raises as `set_schedule` does."""
    return vertex_schedules().named(schedule_name(model))


def delete_schedules(model: str) -> int:
    """How many schedules of the model were ended. Raises as `set_schedule` does."""
    name, vertex = schedule_name(model), vertex_schedules()
    found = vertex.named(name)
    for one in found:
        vertex.delete(one.resource)
    _forget(name)
    return len(found)


def _new(vertex: VertexSchedules, name: str, before: Sequence[str]) -> VertexSchedule | None:
    return next((one for one in vertex.named(name) if one.resource not in before), None)


def _shown(vertex: VertexSchedules, name: str, before: Sequence[str]) -> VertexSchedule:
    """The schedule that was just made, as soon as it is listed: the listing may lag behind the creation."""
    deadline = time.monotonic() + SHOWN_WITHIN_S
    while (made := _new(vertex, name, before)) is None:
        if time.monotonic() >= deadline:
            goes_on = f"the {len(before)} before go on" if before else "there was none before"
            raise EvergreenError(
                f"Vertex AI took schedule '{name}' but did not list it within {SHOWN_WITHIN_S:g} s ({goes_on}); "
                "look with `run.py schedule --list` and, unless the new one alone is there, set the schedule again"
            )
        time.sleep(LOOK_EVERY_S)
    return made


def _replace(vertex: VertexSchedules, made: VertexSchedule, before: Sequence[str]) -> None:
    """Limits the new one before it may meet a run of the old ones, and ends those."""
    vertex.hold_to_one_run(made.resource)
    for resource in before:
        vertex.delete(resource)


def _left(vertex: VertexSchedules, name: str, before: Sequence[str]) -> str:
    """What is scheduled after a creation that failed, once those before were ended if it left a new one.

    The error of the creation is the one to tell: what goes wrong here is only told with it.
    """
    try:
        made = _new(vertex, name, before)
        if made is None:
            return "what was scheduled before goes on"
        _replace(vertex, made, before)
    except EvergreenError as error:
        return f"schedules '{name}' may be there twice ({error})"
    return "the new schedule is there all the same, and the old one ended"


def _forget(name: str) -> None:
    """Archives ZenML's note of the schedule; the orchestrator's own is left to the caller."""
    client = Client()
    for one in client.list_schedules(name=name, size=1000).items:
        client.zen_store.delete_schedule(one.id, soft=True)


@contextmanager
def _told() -> Iterator[None]:
    """Turns what the orchestrator raises when Vertex AI refuses into one line."""
    from google.api_core.exceptions import GoogleAPIError

    try:
        yield
    except (RuntimeError, GoogleAPIError) as error:
        reason = " ".join(str(error).split())
        raise EvergreenError(f"Vertex AI did not take the schedule: {reason}") from error


def vertex_schedules() -> VertexSchedules:
    """Where the active stack's orchestrator puts its schedules, with its credentials."""
    from zenml.integrations.gcp.orchestrators import VertexOrchestrator

    orchestrator = Client().active_stack.orchestrator
    if not isinstance(orchestrator, VertexOrchestrator):
        raise InputError(f"orchestrator '{orchestrator.flavor}' keeps no schedules (allowed: {FLAVOR})")
    credentials, project = orchestrator._get_authentication()  # as it signs in itself: service connectors too
    return VertexSchedules(orchestrator.config.project or project, orchestrator.config.location, credentials)
