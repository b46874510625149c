"""Ends a model's schedule, then stops and deletes its endpoint; versions, reports, runs, servers and buckets stay."""

from __future__ import annotations

import argparse


def main(args: argparse.Namespace) -> None:
    """Ends the schedule, which would bring the endpoint back, stops the endpoint and forgets its state."""
    from commands.project import open_served
    from orchestration.deployment import tear_down
    from orchestration.runs import runs_here
    from orchestration.schedules import delete_schedules

    project = open_served(args.config, args.name)
    project.check_stack()
    model = project.model_name
    ended = 0 if runs_here() else delete_schedules(model)
    tear_down(model, project.host)
    print(f"no endpoint of model '{model}' runs any more" + (", and its schedule ended" if ended else ""))
    print("versions and reports are kept; the next run brings a champion back")
    print("servers (by the hour), buckets and images (by their size) stay and cost money: docs/production.md ends them")
