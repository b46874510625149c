"""Runs a configuration again and again on the orchestrator's own schedule."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from commands.console import quiet_zenml
from evergreen.core.errors import InputError
from orchestration.configuration import pipeline_of

if TYPE_CHECKING:
    from commands.project import Windowed
    from evergreen.adapters.vertex.schedules import VertexSchedule

_SHOWN_FIRINGS = 3


def main(args: argparse.Namespace) -> None:
    """Creates or replaces, lists or deletes the model's schedule."""
    from commands.project import open_any

    _check_pipeline(args)
    project = open_any(args.config, args.name)
    project.check_stack()
    from orchestration.schedules import check_orchestrator, delete_schedules, goes_on, schedules

    check_orchestrator(args.config)
    if args.cron:
        with quiet_zenml(debug=args.debug):
            _set(project, args)
    elif args.delete:
        ended = delete_schedules(project.schedule_name)
        print(f"schedule of model '{project.model_name}' ended" if ended else f"model '{project.model_name}' had none")
        _say_what_goes_on(goes_on(project.schedule_name))
    else:
        active = schedules(project.schedule_name)
        print("\n".join(map(_line, active)) or f"model '{project.model_name}' has no schedule")


def _check_pipeline(args: argparse.Namespace) -> None:
    """Raises InputError: the configuration is not of the pipeline that --pipeline names."""
    configured = pipeline_of(args.config)
    if args.pipeline not in (None, configured):
        raise InputError(
            f"--pipeline {args.pipeline}: {args.config} configures {configured}; give one of {args.pipeline}"
        )


def _say_what_goes_on(runs: Sequence[str]) -> None:
    if runs:
        print(
            f"still under way: {', '.join(runs)}; its schedule fires no more, and stays paused so that the run can "
            "sign in to ZenML: give this command again once it has ended"
        )


def _set(project: Windowed, args: argparse.Namespace) -> None:
    from orchestration.cron import firings
    from orchestration.runs import marked
    from orchestration.schedules import goes_on, person, set_schedule

    if project.backfill:
        raise InputError(
            "parameters.backfill reads the same rows at every firing, and a schedule is for what is new; remove it, or "
            "run it once by hand"
        )
    upcoming = firings(args.cron, datetime.now(UTC), _SHOWN_FIRINGS)  # a wrong line is told before anything is done
    _check_machines(project)
    _check_ready(project)
    if name := person():
        print(
            f"warning: ZenML knows you as '{name}': whoever may read Vertex AI's schedules finds a token there that "
            "acts as you; sign in as a service account made for the schedule (docs/production.md, Every night)",
            file=sys.stderr,
        )
    options = project.configuration.options(accelerators=project.accelerators)
    options.pop("schedule", None)
    marks = marked(options, project.model_name, configuration=project.configuration.path)
    made = set_schedule(project.pipeline, marks, project.schedule_name, args.cron)
    print(_line(made))
    for moment in upcoming:
        print(f"{moment:%Y-%m-%d %H:%M} UTC  {project.reads_at(moment)}")
    print(f"end it with: python run.py schedule --config {args.config} --delete")
    _say_what_goes_on(goes_on(project.schedule_name))


def _check_ready(project: Windowed) -> None:
    """Returns when a firing could do its work now. Raises InputError or EvergreenError: what is in the way."""
    from commands.batch_runs import check_batch
    from commands.monitor import check_monitoring
    from commands.readiness import check_ready

    checks: dict[str, Callable[[Any], object]] = {
        "training": check_ready,
        "batch_prediction": check_batch,
        "monitoring": check_monitoring,
    }
    checks[project.pipeline.name](project)


def _check_machines(project: Windowed) -> None:
    """Returns when each step that has several machines tries them by itself.

    Raises:
        InputError: one does not: what a task runs on is frozen with the schedule.
    """
    from orchestration.machine_lists import runs_on_operator

    configuration = project.configuration
    for step, machines in configuration.machines.items():
        if len(machines) > 1 and not runs_on_operator(configuration.document, step):
            raise InputError(
                f"extra.machines.{step} lists {len(machines)} machines, and a schedule cannot change that of a task; "
                f"set steps.{step}.step_operator: true, which tries them within each firing, or leave one machine"
            )


def _line(schedule: VertexSchedule) -> str:
    upcoming = f"next {schedule.next_run:%Y-%m-%d %H:%M} UTC" if schedule.next_run else "no further run"
    return f"{schedule.cron}  {schedule.state.lower()}, {upcoming}  ({schedule.resource})"
