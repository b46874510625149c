"""Stops and deletes a model's endpoint; versions, reports, runs, schedules, servers and buckets stay."""

from __future__ import annotations

import argparse


def main(args: argparse.Namespace) -> None:
    """Stops the model's endpoint and forgets its state."""
    from commands.project import open_project
    from orchestration.deployment import tear_down

    project = open_project(args.config, args.name)
    project.check_stack()
    tear_down(project.model_name, project.host)
    print(f"no endpoint of model '{project.model_name}' runs any more")
    print("versions and reports are kept; the next run brings a champion back, a scheduled one too")
    print("schedules, servers and buckets stay: `schedule --delete` removes the schedule, docs/production.md the rest")
