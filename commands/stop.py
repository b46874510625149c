"""Ends a model's unfinished runs: their jobs, the rollout that they are at, and ZenML's word of them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from commands.console import quiet_zenml

if TYPE_CHECKING:
    from orchestration.stopping import Stop


def main(args: argparse.Namespace) -> None:
    """Stops the model's runs, or the one of a name; says what ended, and whether there was anything."""
    from commands.project import open_project
    from orchestration.stopping import stop_runs

    project = open_project(args.config, args.name)
    project.check_stack()
    with quiet_zenml(debug=args.debug):
        stop = stop_runs(project.model_name, project.host, args.run_name)
    print(stop_lines(project.model_name, stop))


def stop_lines(model: str, stop: Stop) -> str:
    """What was stopped, a line each."""
    lines = [f"run         {one.run}  {one.status}  ({one.ended})" for one in stop.runs]
    if stop.put_back:
        lines.append(f"endpoint    {stop.put_back}")
    return "\n".join(lines) or f"nothing to stop: no run of model '{model}' is under way, and no rollout unfinished"
