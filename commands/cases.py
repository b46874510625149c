"""Tries every configuration below a folder, in one process and a ZenML of its own, and says how each ends.

case    exit  seen  read  left_out  message                                               accepted
quotes  2                           rows.tsv, line 5: a quote is opened and never closed  yes
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import ValidationError

from commands.capture import captured
from commands.case import (
    APART_VARIABLE,
    CONFIG,
    EXPECTED,
    FOLDER_VARIABLE,
    Expectation,
    Options,
    Result,
    attempt,
    is_set_here,
)
from commands.console import INTERRUPTED
from commands.termination import TERMINATED, Terminated
from evergreen.core.errors import InputError

ROOT = Path(__file__).parents[1]


def main(args: argparse.Namespace) -> int:
    """0 when every case ended as is expected of it, 1 when one did not.

    Raises:
        InputError: there is no such case, or what is expected of a case cannot be read; none was tried.
    """
    folder = args.folder.resolve()
    cases = {name: (config, _expectation(config)) for name, config in _configurations(folder, args.case).items()}
    is_apart = os.environ.pop(APART_VARIABLE, None) is not None  # its variables are set, and no other is started
    apart = {} if is_apart else {name: _missing(expected) for name, (_, expected) in cases.items()}
    if not args.json:
        print("\t".join(Result.model_fields), flush=True)
    options, accepted = Options(train=args.train, debug=args.debug), True
    with _own_zenml(train=args.train):
        os.environ[FOLDER_VARIABLE] = str(folder)
        for name, (config, expected) in cases.items():
            missing = apart.get(name)
            result = _run_apart(args, name, missing) if missing else attempt(name, config, expected, options)
            print(result.model_dump_json() if args.json else _line(result), flush=True)
            if result.exit in {INTERRUPTED, TERMINATED}:
                return result.exit
            accepted = accepted and result.accepted is not False
    return 0 if accepted else 1


def _configurations(folder: Path, only: str | None) -> dict[str, Path]:
    """Configurations by case: the path of its folder below the given one, which is `.` where that itself is a case."""
    configs = {config.parent.relative_to(folder).as_posix(): config for config in sorted(folder.rglob(CONFIG))}
    if not configs:
        raise InputError(f"no {CONFIG} below {folder}; each case is a folder with one")
    if only is None:
        return configs
    if only not in configs:
        raise InputError(f"no case '{only}' below {folder} (has: {', '.join(configs)})")
    return {only: configs[only]}


def _expectation(config: Path) -> Expectation | None:
    """What is expected of a case; None where nothing is."""
    path = config.with_name(EXPECTED)
    if not path.exists():
        return None
    from orchestration.document import read
    from orchestration.schema import check

    document = read(path)
    expected, mistakes = check(Expectation, document, ())
    if mistakes or document.mistakes or expected is None:
        raise document.error(mistakes)
    return Expectation.model_validate(expected)


def _missing(expected: Expectation | None) -> dict[str, str]:
    """The variables of a case's environment that this process lacks, or has with another value."""
    wanted = expected.environment if expected else {}
    return {name: value for name, value in wanted.items() if os.environ.get(name) != value}


def _run_apart(args: argparse.Namespace, name: str, variables: Mapping[str, str]) -> Result:
    """What comes of a case with variables of its own: in a process that has them from its start, as libraries read
    theirs once.
    """
    options = ["--case", name, "--json", *(["--train"] * args.train), *(["--debug"] * args.debug)]
    command = [sys.executable, str(ROOT / "run.py"), "cases", str(args.folder), *options]
    errors = None if args.debug else subprocess.PIPE
    with subprocess.Popen(
        command,
        env={**os.environ, **variables, APART_VARIABLE: "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        errors="replace",
    ) as child:
        try:
            printed, complaints = child.communicate()
        except Terminated:  # which, unlike Ctrl-C at a terminal, came to this process alone
            child.terminate()
            raise
    ended = Result(case=name, exit=child.returncode, message=(complaints or "nothing was said").strip(), accepted=False)
    return _printed(printed) or ended


def _printed(text: str) -> Result | None:
    """The last result among the lines of a process, which may have died while, or after, it printed it."""
    for line in reversed(text.split("\n")):
        if line.startswith("{"):
            with suppress(ValidationError):
                return Result.model_validate_json(line)
    return None


@contextmanager
def _own_zenml(*, train: bool) -> Iterator[None]:
    """ZenML with a database and an active stack of its own, forgotten afterwards; it was not imported before.

    A ZenML repository around the working directory would keep the stack as its own.
    """
    for name in filter(is_set_here, list(os.environ)):
        del os.environ[name]
    os.environ.setdefault("ZENML_ANALYTICS_OPT_IN", "false")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    with TemporaryDirectory(prefix="evergreen-zenml-", ignore_cleanup_errors=True) as home:
        os.environ["ZENML_CONFIG_PATH"] = os.environ["ZENML_REPOSITORY_PATH"] = home
        if train:
            _apply_stack(Path(home) / "stack.txt")
        yield


def _apply_stack(log: Path) -> None:
    from stacks.apply import apply
    from stacks.declaration import declaration

    with captured(log):  # ZenML names each table that it makes
        list(apply("local", declaration("local")))


def _line(result: Result) -> str:
    """The fields of a result, one tabulator between two."""
    fields = result.model_dump()
    left_out = ", ".join(f"{reason}: {rows}" for reason, rows in result.left_out.items())
    accepted = {None: "", True: "yes", False: "NO"}[result.accepted]
    shown = {**fields, "left_out": left_out, "accepted": accepted}
    return "\t".join("" if value is None else " ".join(str(value).split()) for value in shown.values())
