"""A run that this command has started, and what becomes of it when the command ends early."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from commands.interruption import announcing
from commands.project import Configured
from commands.termination import Terminated
from evergreen.core.errors import InputError


@contextmanager
def stopped_with_this_command(project: Configured, name: str, *, detach: bool) -> Iterator[None]:
    """Ends the run as well when Ctrl-C or SIGTERM ends this command; with `detach` it goes on, where it runs elsewhere.

    Raises:
        InputError: to detach from a run of this very process.
    """
    from commands.stop import again, left_over, stop_lines, stopped
    from orchestration.runs import runs_here
    from orchestration.stopping import announce_stop

    if detach and runs_here():
        raise InputError(f"--detach: stack '{project.active_stack}' runs in this command itself; leave it out")
    if detach:
        try:
            yield
        except (KeyboardInterrupt, Terminated):
            print(f"run {name} goes on; end it with\n  {again(project, name)}", file=sys.stderr)
            raise
        return
    try:
        with announcing(lambda: announce_stop(project.model_name, name)):
            yield
    except (KeyboardInterrupt, Terminated):
        print(f"stopping run {name} …", file=sys.stderr)
        stop = stopped(project, name)
        anything = stop.runs or stop.put_back or stop.left  # its process, this one, may have ended it already
        print(stop_lines(project.model_name, stop, name) if anything else f"run {name} has ended", file=sys.stderr)
        if stop.left:
            print(f"error: {left_over(stop, again(project, name))}", file=sys.stderr)
        raise
