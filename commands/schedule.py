"""Runs a configuration again and again on the orchestrator's own schedule."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from commands.console import quiet_zenml
from evergreen.core.errors import InputError

if TYPE_CHECKING:
    from commands.project import BatchProject, Configured, Project
    from evergreen.adapters.vertex.schedules import VertexSchedule

_SHOWN_FIRINGS = 3


def main(args: argparse.Namespace) -> None:
    """Creates or replaces, lists or deletes the model's schedule."""
    from commands.project import is_batch, open_batch, open_project

    project = (open_batch if is_batch(args.config) else open_project)(args.config, args.name)
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


def _say_what_goes_on(runs: Sequence[str]) -> None:
    if runs:
        print(
            f"still under way: {', '.join(runs)}; its schedule fires no more, and stays paused so that the run can "
            "sign in to ZenML: give this command again once it has ended"
        )


def _set(project: Project | BatchProject, args: argparse.Namespace) -> None:
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
    made = set_schedule(project.pipeline, marked(options, project.model_name), project.schedule_name, args.cron)
    print(_line(made))
    for moment in upcoming:
        print(f"{moment:%Y-%m-%d %H:%M} UTC  {_rows(project, moment)}")
    print(f"end it with: python run.py schedule --config {args.config} --delete")
    _say_what_goes_on(goes_on(project.schedule_name))


def _check_ready(project: Project | BatchProject) -> None:
    """Returns when a firing could do its work now. Raises InputError or EvergreenError: what is in the way."""
    from commands.project import BatchProject

    if isinstance(project, BatchProject):
        from commands.batch_runs import check_batch

        check_batch(project)
        return
    from commands.readiness import check_ready

    check_ready(project)


def _rows(project: Project | BatchProject, moment: datetime) -> str:
    """Which rows a firing at that moment reads, in words."""
    from commands.project import BatchProject

    if project.window is None:
        if isinstance(project, BatchProject):
            return "all rows"
        return "new rows" if project.refresh.policy(None) == "incremental" else "all rows"
    window = project.window.resolve(moment)
    return f"rows of {window.start:%Y-%m-%d %H:%M} to {window.end:%Y-%m-%d %H:%M}"


def _check_machines(project: Configured) -> None:
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
