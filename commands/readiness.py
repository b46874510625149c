"""What has to hold before a configuration is run, now or by a schedule."""

from __future__ import annotations

from collections.abc import Callable

from commands.costs import check_budget
from commands.project import Project


def check_ready(project: Project, plan: Callable[[], str] | None = None) -> None:
    """Returns when the endpoint is live or could be opened and the budget holds; nothing has been done by then.

    `plan` is printed in between: whoever is over budget sees what costs how much.

    Raises:
        InputError: what is in the way.
    """
    project.check_host()
    if plan is not None:
        print(plan())
    check_budget(project)
