"""Ends a model's unfinished runs: their jobs, the rollout that they are at, and ZenML's word of them."""

from __future__ import annotations

import argparse
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from commands.console import quiet_zenml
from commands.termination import Terminated
from evergreen.core.errors import EvergreenError

if TYPE_CHECKING:
    from commands.project import Configured, ServedModel
    from orchestration.stopping import Stop


def main(args: argparse.Namespace) -> None:
    """Stops the model's runs, or the one of a name; says what ended, and whether there was anything.

    Raises:
        EvergreenError: something could not be ended; all else was.
    """
    from commands.project import open_served

    project = open_served(args.config, args.name)
    project.check_stack()
    with quiet_zenml(debug=args.debug):
        stop = stopped(project, args.run_name)
    if stop.runs or stop.put_back or not stop.left:
        print(stop_lines(project.model_name, stop, args.run_name))
    if stop.left:
        raise EvergreenError(left_over(stop, again(project, args.run_name)))


def stopped(project: Configured | ServedModel, name: str | None) -> Stop:
    """What was stopped; says on stderr what is left when this is cut off, and how to end that."""
    from orchestration.stopping import stop_runs, unfinished_business

    try:
        return stop_runs(project.model_name, project.host, name)
    except (KeyboardInterrupt, Terminated):
        line, left = again(project, name), "what is left is not known"
        print(f"the stop was cut off; finish it with\n  {line}", file=sys.stderr, flush=True)
        with suppress(Exception):  # it was to end at once: what does not answer now is not waited for
            left = ", ".join(unfinished_business(project.model_name, project.host, name)) or "nothing is left"
        print(f"left        {left}", file=sys.stderr, flush=True)
        raise


def again(project: Configured | ServedModel, name: str | None) -> str:
    """The line that ends what is left."""
    run = f" --run-name {name}" if name else ""
    return f"python run.py stop {model_arguments(project)}{run}"


def model_arguments(project: Configured | ServedModel) -> str:
    """What a command is told to act on this model."""
    from orchestration import command_lines
    from orchestration.mistakes import shown

    return command_lines.model_arguments(shown(project.configuration.path), project.model_name)


def left_over(stop: Stop, line: str) -> str:
    """What could not be ended, and the line that tries it once more."""
    return f"not all has ended: {'; '.join(stop.left)}; try again with\n  {line}"


def stop_lines(model: str, stop: Stop, name: str | None = None) -> str:
    """What was stopped, a line each."""
    lines = [f"run         {stopped.run}  {stopped.status}  ({stopped.ended})" for stopped in stop.runs]
    if stop.put_back:
        lines.append(f"endpoint    {stop.put_back}")
    named = f" as '{name}'" if name else ""
    nothing = f"nothing to stop: no run of model '{model}' is under way{named}, and no rollout of it unfinished"
    return "\n".join(lines) or nothing
