"""What has to hold before a configuration is run, now or by a schedule."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from commands.alerts import unheard_alerts
from commands.cloud.wheels import refuse_wheels
from commands.costs import check_budget
from commands.project import Project
from commands.variables import listed_secrets
from evergreen.core.errors import InputError
from evergreen.core.members import check_behaviours, trainable


def check_ready(project: Project, plan: Callable[[], str] | None = None) -> None:
    """Returns when the endpoint is live or could be opened, what each step needs of the task can be loaded, torch runs
    on the accelerators that are asked for, and the budget holds; nothing has been done by then.

    `plan` is printed in between: whoever is over budget sees what costs how much.

    Raises:
        InputError: what is in the way.
    """
    check_behaviours(project.task)
    project.check_host()
    check_accelerators(project)
    for note in filter(None, (unused_settings(project), *unheard_alerts(project))):
        print(f"note: {note}", file=sys.stderr)
    if plan is not None:
        print(plan())
    check_budget(project)


def check_accelerators(project: Project) -> None:
    """Returns when torch runs on the accelerators that are asked for: those of images, and those of this machine where
    it runs the steps.

    Raises:
        InputError: it does not.
    """
    from evergreen.tasks.accelerators import unusable

    refuse_wheels(project)
    if project.orchestrator != "local":
        return
    for step, asked in project.accelerators.items():
        if problem := unusable(asked):
            raise InputError(
                f"step {step}: {problem}; stack '{project.active_stack}' runs steps on this machine: take the "
                "accelerator out of the step's settings, or set a stack whose machines have it (zenml stack set …)"
            )


def unused_settings(project: Project) -> str | None:
    """A sentence for settings that nothing reads where steps run on this machine; None where there are none."""
    if project.orchestrator != "local":
        return None
    document = project.configuration.document
    levels = {
        "": document,
        **{f"steps.{name}.": options or {} for name, options in (document.get("steps") or {}).items()},
    }
    unused = [
        f"{place}settings.docker" for place, options in levels.items() if "docker" in (options.get("settings") or {})
    ]
    if not unused:
        return None
    verb = "is" if len(unused) == 1 else "are"
    return (
        f"{', '.join(unused)} {verb} not used: stack '{project.active_stack}' runs steps in this process, without "
        "containers; remove it, or set a stack whose steps run in containers (zenml stack set …)"
    )


def check_secrets(project: Project) -> None:
    """Returns when ZenML has the secrets that the configuration lists, and tokens to publish with can be had at all.

    Better told now than after the training. No value is looked at.

    Raises:
        InputError: naming the secret, or the variable.
    """
    from zenml.client import Client

    listed = listed_secrets(project)
    for name in listed:
        try:
            Client().get_secret(name)
        except KeyError as error:
            raise InputError(
                f"ZenML has no secret '{name}', which `secrets:` lists; zenml secret create {name} --NAME=…"
            ) from error
    if project.publish is None or project.publish.dry_run or listed:
        return
    if absent := [name for name in project.publish.variables.values() if name not in os.environ]:
        raise InputError(
            f"environment variable {', '.join(absent)} is not set, which parameters.publish names; export it, or list "
            "the ZenML secret that holds it under `secrets:`"
        )


def task_needs(project: Project) -> str:
    """What the task needs, after it was found; the Hub is not asked where its token is only in the steps' secrets.

    Raises:
        InputError: it cannot be found.
    """
    absent = [name for name in project.task.variables.values() if not os.environ.get(name)]
    if absent and (listed := listed_secrets(project)):
        return (
            f"its encoder was not looked for: {', '.join(absent)} is not set here; steps have it from "
            f"{', '.join(listed)}"
        )
    return trainable(project.task).check()
