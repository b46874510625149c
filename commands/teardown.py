"""Ends a model's schedules, then stops and deletes its endpoint; versions, reports, runs, servers and buckets stay.

By a configuration of batch prediction or of monitoring it ends the schedule of that alone.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from evergreen.core.errors import InputError
from orchestration.configuration import pipeline_of

if TYPE_CHECKING:
    from commands.project import ServedModel


BESIDE = {"batch_prediction": "batch prediction", "monitoring": "monitoring"}
"""Pipelines with schedules of their own, in words."""


def main(args: argparse.Namespace) -> None:
    """Ends the schedules, of which the model's own would bring the endpoint back, stops the endpoint and forgets its
    state; says of each whether there was one.

    Raises:
        InputError: a run is under way, which would bring the endpoint back as well.
    """
    from commands.project import open_served

    project = open_served(args.config, args.name)
    project.check_stack()
    from orchestration.deployment import tear_down
    from orchestration.runs import runs_here

    model, here = project.model_name, runs_here()
    pipeline = pipeline_of(args.config)
    if pipeline in BESIDE:
        if here or not _end_beside(model, pipeline):
            print(f"{BESIDE[pipeline]} of model '{model}' has no schedule here, none was ended")
        print("its endpoint stays; teardown with the model's own configuration stops it")
        return
    _check_idle(project)
    if not here:
        _end_schedules(project)
    ended = tear_down(model, project.host)
    print(
        f"the endpoint of model '{model}': {ended}" if ended else f"model '{model}' has no endpoint, none was stopped"
    )
    print("versions and reports are kept; the next run starts an endpoint again once a version may be live")
    if not here:
        print("servers (by the hour), buckets and images (by size) stay and cost money: docs/production.md ends them")


def _end_schedules(project: ServedModel) -> None:
    from orchestration.schedules import delete_schedules

    if delete_schedules(project.model_name):
        print(f"the schedule of model '{project.model_name}' ended")
        _check_idle(project)  # of a run that it began meanwhile; from here on it begins none
    for pipeline in BESIDE:
        _end_beside(project.model_name, pipeline)


def _end_beside(model: str, pipeline: str) -> bool:
    """Whether the pipeline had a schedule beside the model's own, which has ended."""
    from orchestration.schedules import delete_schedules, schedule_beside

    ended = bool(delete_schedules(schedule_beside(model, pipeline)))
    if ended:
        print(f"the schedule of {BESIDE[pipeline]} of model '{model}' ended")
    return ended


def _check_idle(project: ServedModel) -> None:
    """Returns when no run of the model is under way."""
    from commands.stop import again
    from orchestration.stopping import under_way

    if runs := under_way(project.model_name):
        raise InputError(
            f"still under way: {', '.join(runs)}, which may bring the endpoint back; nothing of it was deleted. "
            f"Stop all runs of the model, then tear it down\n  {again(project, None)}"
        )
