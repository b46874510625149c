"""A version that waits is let through: what is said of it is recorded, and a run of its own brings it live."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from shlex import quote
from typing import TYPE_CHECKING

from commands.console import quiet_zenml
from commands.project import Configured, open_project
from commands.readiness import check_secrets
from evergreen.core.errors import InputError

if TYPE_CHECKING:
    from evergreen.core.approval import Answer


def main(args: argparse.Namespace) -> int:
    """Approves the version and delivers it; of the champion nothing is left to do."""
    check_why(args, "the report looks right")
    from commands.deliveries import deliver

    project = open_project(args.config, args.name)
    project.check_stack()
    project.check_host()
    check_secrets(project)
    from orchestration.approval import check_approval
    from orchestration.runs import DELIVERY, run_failure, run_name

    if not check_approval(project.model_name, args.version):
        print(f"version {args.version} is the champion already")
        return 0
    name = run_name({}, None, DELIVERY)
    try:
        with quiet_zenml(debug=args.debug):
            delivered = deliver(project, name, args.version, answer_of(args, approved=True), detach=args.detach)
    except RuntimeError as error:  # all that an orchestrator elsewhere says of a step that failed
        raise run_failure(project.model_name, name, error) from error
    if delivered is not None and delivered.outcome in {"live", "kept"} and delivered.version == args.version:
        return 0
    if delivered is not None:
        print(f"error: {delivered.message}", file=sys.stderr)
    return 0 if delivered is None else 1


def check_why(args: argparse.Namespace, example: str) -> None:
    """Raises InputError where no reason is given."""
    if args.why is None:
        name = f" --name {quote(args.name)}" if args.name else ""
        acts_on = f"{quote(args.version)} --config {quote(args.config)}{name}"
        line = f'python run.py {args.command} {acts_on} --why "{example}"'
        raise InputError(
            f"--why is missing: who reads the version's record, or `status`, should see why it was answered so; for "
            f"example: {line}"
        )


def answer_of(args: argparse.Namespace, *, approved: bool) -> Answer:
    """What the person who gives this command says of the version.

    A ZenML server knows its users; on this machine's own ZenML all are one, and are told apart by user and host.
    """
    from zenml.client import Client

    from evergreen.core.approval import Answer
    from evergreen.runtime.hold import owner
    from stacks.server import remote_store

    by = Client().active_user.name if remote_store() else owner()
    return Answer(approved=approved, by=by, at=datetime.now(UTC).replace(microsecond=0), why=args.why)


def answer_lines(project: Configured, version: str) -> list[str]:
    """The commands that answer for a version that waits."""
    from commands.stop import model_arguments

    return [f"{name:<11} {command}" for name, command in named_answers(version, model_arguments(project))]


def named_answers(version: str, arguments: str) -> list[tuple[str, str]]:
    """The same with what each does; `arguments` are what a command is told to act on the model."""
    from orchestration.command_lines import answer_commands

    return list(zip(("approve", "or"), answer_commands(version, arguments), strict=True))
