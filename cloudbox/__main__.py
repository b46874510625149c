"""The box's one command, `python -m cloudbox`: up, restart, down, status, env, logs, fault, setup, permissions."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cloudbox import faults, lifecycle
from cloudbox.box import BoxError, open_box, open_or_make_box
from cloudbox.environment import ensure_images, exports
from cloudbox.home import Home
from cloudbox.ledger.calls import listed
from cloudbox.ledger.grants import granted
from cloudbox.ledger.proof import Table, proof
from cloudbox.ledger.setup import setup_of
from cloudbox.services import SERVICES, zenml

FAULT_FIELDS = ("kind", "target", "code", "seconds", "times", "replicas")
DESCRIPTION = """Google Cloud in a box, on this machine, for unmodified Google clients.

  python -m cloudbox up
  eval "$(python -m cloudbox env)"
  python -m cloudbox down
"""


def main(arguments: list[str] | None = None) -> int:
    """0 when done, 1 with one clear message when not."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options) or 0)
    except BoxError as error:
        print(error, file=sys.stderr)
        return 1


def _up(options: argparse.Namespace) -> None:
    box = open_or_make_box(Home(options.home), options.project, options.region)
    images: dict[str, dict[str, Any]] = dict(options.image)
    for name, command in options.entrypoint:
        images[name] = {**images.get(name, {}), "command": command}
    ensure_images(box, images)
    lifecycle.up(box, options.services, lambda line: print(line, flush=True))
    if zenml.ZenmlServer.name in options.services:
        print(f"ZenML dashboard: user {zenml.USER}, password in {zenml.password_file(box)}")
    print(f'project {box.project}, region {box.region}; next: eval "$({_command(options)} env)"')


def _restart(options: argparse.Namespace) -> None:
    lifecycle.restart(open_box(Home(options.home)), options.service, lambda line: print(line, flush=True))


def _down(options: argparse.Namespace) -> None:
    stopped = lifecycle.down(Home(options.home))
    print(f"stopped {', '.join(stopped)}" if stopped else "nothing was running")


def _status(options: argparse.Namespace) -> None:
    status = lifecycle.status(open_box(Home(options.home)))
    if options.json:
        print(json.dumps(status))
        return
    print(f"{status['home']}: project {status['project']}, region {status['region']}")
    for name, service in status["services"].items():
        restarts = f", restarts: {service['restarts']}" if service["restarts"] else ""
        process = f"pid {service['pid']}" if service["pid"] else "no process"
        print(f"{name:9} {service['state']:16} {process}{restarts}  {service['address']}")
    if not status["supervised"] and any(service["pid"] for service in status["services"].values()):
        print(f"nothing starts a service again when it ends; {_command(options)} up")
    print(f"{status['refusals']} refusals (refusals.jsonl)")


def _env(options: argparse.Namespace) -> None:
    print(exports(open_box(Home(options.home))))


def _logs(options: argparse.Namespace) -> int:
    box = open_box(Home(options.home))
    names = [options.service] if options.service else [name for name in SERVICES if box.home.log(name).is_file()]
    follow = ["-f"] if options.follow else []
    return subprocess.call(["tail", "-n", str(options.lines), *follow, *(str(box.home.log(name)) for name in names)])  # noqa: S607 (the system's own tail)


def _fault(options: argparse.Namespace) -> None:
    home = open_box(Home(options.home)).home
    if options.action == "add":
        given = {name: value for name in FAULT_FIELDS if (value := getattr(options, name)) is not None}
        try:
            fault = faults.Fault(**given)
        except ValidationError as error:
            raise BoxError(
                "; ".join(problem["msg"].removeprefix("Value error, ") for problem in error.errors())
            ) from error
        faults.add(home, fault)
    elif options.action == "clear":
        faults.clear(home, options.kind)
    for rule in faults.listed(home):
        print(rule.model_dump_json(exclude_none=True))


def _setup(options: argparse.Namespace) -> None:
    box = open_box(Home(options.home))
    own = {"GOOGLE_CLOUD_PROJECT": box.project, "GOOGLE_PROJECT_NUMBER": str(box.project_number)}
    made = setup_of(options.guide.read_text(encoding="utf-8"), {**os.environ, **own})
    box.home.write(box.home.setup, made.model_dump_json(indent=1) + "\n")


def _permissions(options: argparse.Namespace) -> int:
    calls = listed(open_box(Home(options.home)).home, options.skip)
    outcome = proof(calls, granted(options.guide.read_text(encoding="utf-8"), os.environ), Table.read())
    for title, lines in (
        ("lacking", outcome.lacking),
        ("not known", outcome.unknown),
        ("granted and not used by these calls", outcome.unused),
        ("used, by a permission that is not proved", outcome.unproved),
    ):
        if lines:
            print(f"{title}:", *lines, sep="\n  ")
    verdict = "do not suffice" if outcome.lacking else "suffice"
    print(f"{len({call.method for call in calls})} methods called; the roles that {options.guide} grants {verdict}")
    return 1 if outcome.lacking or not calls else 0


def _command(options: argparse.Namespace) -> str:
    return "python -m cloudbox" + ("" if options.home == Path(".cloudbox") else f" --home {options.home}")


def _image(text: str) -> tuple[str, dict[str, str | None]]:
    """`IMAGE=/path/to/python` or `IMAGE=/path/to/python,/path/to/app`; an image's own name may hold no `=`."""
    name, separator, value = text.partition("=")
    python, _, code = value.partition(",")
    if not (name and separator and Path(python).is_file()):
        raise argparse.ArgumentTypeError(f"{text!r} is not IMAGE=PYTHON or IMAGE=PYTHON,CODE with an existing PYTHON")
    if code and not Path(code).is_dir():
        raise argparse.ArgumentTypeError(f"{code!r}, the code of image {name}, is not a folder")
    return name, {"python": str(Path(python).absolute()), "code": str(Path(code).absolute()) if code else None}


def _entrypoint(text: str) -> tuple[str, list[str]]:
    """`IMAGE=python -m server`: the command that stands for the image's ENTRYPOINT."""
    name, separator, command = text.partition("=")
    if not (name and separator and command):
        raise argparse.ArgumentTypeError(f"{text!r} is not IMAGE=COMMAND")
    return name, shlex.split(command)


def _service_names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in SERVICES]:
        raise argparse.ArgumentTypeError(f"no service {', '.join(unknown)} (there are: {', '.join(SERVICES)})")
    return names


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m cloudbox", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--home", type=Path, default=Path(".cloudbox"), help="everything it writes (default .cloudbox)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="start what does not run, and return when every service answers")
    up.add_argument("--project", help="the project that it simulates, chosen at the first start")
    up.add_argument("--region", help="the region that it simulates, chosen at the first start")
    up.add_argument("--image", type=_image, action="append", default=[], metavar="IMAGE=PYTHON[,CODE]")
    up.add_argument("--entrypoint", type=_entrypoint, action="append", default=[], metavar="IMAGE=COMMAND")
    up.add_argument("--services", type=_service_names, default=list(SERVICES), metavar="NAME,…", help="only these")
    up.set_defaults(run=_up)
    restart = commands.add_parser(
        "restart", help="end one service, as a restart of its machine would, and start it again"
    )
    restart.add_argument("service", choices=SERVICES)
    restart.set_defaults(run=_restart)
    commands.add_parser("down", help="stop everything; its state stays").set_defaults(run=_down)
    status = commands.add_parser("status", help="what runs, where, and how often it was started again")
    status.add_argument("--json", action="store_true")
    status.set_defaults(run=_status)
    commands.add_parser("env", help="export lines for a shell; they hold an API key").set_defaults(run=_env)
    _add_fault_parsers(commands.add_parser("fault", help="failures on demand: add, list, clear"))
    setup = commands.add_parser("setup", help="take for done what a guide makes in a project, for who asks after it")
    setup.add_argument("guide", type=Path, help="a Markdown file with `gcloud` lines; names are of the environment")
    setup.set_defaults(run=_setup)
    permissions = commands.add_parser(
        "permissions", help="whether the roles that a guide grants suffice for the calls so far"
    )
    permissions.add_argument("guide", type=Path, help="a Markdown file with `gcloud … add-iam-policy-binding` lines")
    permissions.add_argument("--skip", type=int, default=0, metavar="LINES", help="of calls.jsonl, from before")
    permissions.set_defaults(run=_permissions)
    logs = commands.add_parser("logs", help="the last lines of the logs")
    logs.add_argument("service", nargs="?", choices=[*SERVICES, "supervisor"])
    logs.add_argument("-n", "--lines", type=int, default=20)
    logs.add_argument("-f", "--follow", action="store_true")
    logs.set_defaults(run=_logs)
    return parser


def _add_fault_parsers(fault: argparse.ArgumentParser) -> None:
    fault.set_defaults(run=_fault)
    actions = fault.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = actions.add_parser(
        "add", help="put a rule in force", epilog=faults.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add.add_argument("kind", choices=faults.KINDS)
    add.add_argument("target", nargs="?", help="method, machine type, model or task; default: any")
    add.add_argument("--code", help="what a failing call answers (default UNAVAILABLE)")
    add.add_argument("--seconds", type=float)
    add.add_argument("--replicas", type=int, help="how many are up")
    add.add_argument("--times", type=int, help="how often it acts; default: until it is cleared")
    actions.add_parser("list", help="the rules in force, one JSON object a line")
    clear = actions.add_parser("clear", help="lift the rules")
    clear.add_argument("kind", nargs="?", choices=faults.KINDS)


if __name__ == "__main__":
    raise SystemExit(main())
