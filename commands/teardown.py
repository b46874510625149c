"""Ends a model's schedule, then stops and deletes its endpoint; versions, reports, runs, servers and buckets stay."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from evergreen.core.errors import InputError

if TYPE_CHECKING:
    from commands.project import ServedModel


def main(args: argparse.Namespace) -> None:
    """Ends the schedule, which would bring the endpoint back, stops the endpoint and forgets its state; says of each
    whether there was one.

    Raises:
        InputError: a run is under way, which would bring the endpoint back as well.
    """
    from commands.project import open_served

    project = open_served(args.config, args.name)
    project.check_stack()
    from orchestration.deployment import tear_down
    from orchestration.runs import runs_here
    from orchestration.schedules import delete_schedules

    model = project.model_name
    _check_idle(project)
    here = runs_here()
    scheduled = 0 if here else delete_schedules(model)
    if scheduled:
        print(f"the schedule of model '{model}' ended")
        _check_idle(project)  # of a run that it began meanwhile; from here on it begins none
    ended = tear_down(model, project.host)
    print(
        f"the endpoint of model '{model}': {ended}" if ended else f"model '{model}' has no endpoint, none was stopped"
    )
    print("versions and reports are kept; the next run brings a champion back")
    if not here:
        print("servers (by the hour), buckets and images (by size) stay and cost money: docs/production.md ends them")


def _check_idle(project: ServedModel) -> None:
    """Returns when no run of the model is under way."""
    from commands.stop import again
    from orchestration.stopping import under_way

    if runs := under_way(project.model_name):
        raise InputError(
            f"still under way: {', '.join(runs)}, which may bring the endpoint back; nothing of it was deleted. "
            f"Stop all runs of the model, then tear it down\n  {again(project, None)}"
        )
