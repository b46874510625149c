"""One case of `cases`: a configuration with its data, tried as `run` would, and held against what is expected of it.

cases/quotes/config.yaml    parameters: {source: {kind: files, path: "${CASES}/quotes/rows.tsv", …}, …}
cases/quotes/expect.yaml    accept: [{exit: 0, read: 48}, {exit: 2, message: quot}]
"""

from __future__ import annotations

import re
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from pydantic import AfterValidator, Field

from commands.capture import captured, warnings_kept
from commands.console import report_errors
from commands.garbage_collection import usual_garbage_collection
from evergreen.core.artifacts import Dataset
from evergreen.core.base import Frozen
from evergreen.core.bounded_yaml import safe_dump
from evergreen.core.errors import EvergreenError
from evergreen.core.members import host_of, trainable

CONFIG, EXPECTED = "config.yaml", "expect.yaml"
MAX_MODEL_NAME = 63
FOLDER_VARIABLE, APART_VARIABLE = "CASES", "EVERGREEN_CASE_APART"
KEPT_OF_ZENML = ("ZENML_LOGGING_", "ZENML_ANALYTICS_")


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from error
    return text


def _settable(variables: dict[str, str]) -> dict[str, str]:
    for name, value in variables.items():
        if not name or "=" in name or "\0" in name + value:
            raise ValueError(f"{name!r} cannot be set for a process; a name has no '=', and neither has a NUL")
        if name in {FOLDER_VARIABLE, APART_VARIABLE} or is_set_here(name):
            raise ValueError(f"{name} is set for each case by `cases` itself; leave it out")
    return variables


def is_set_here(name: str) -> bool:
    """Whether a variable is ZenML's, and not one of those that a person may set for cases."""
    return name.startswith("ZENML_") and not name.startswith(KEPT_OF_ZENML)


class Alternative(Frozen):
    """One way in which a case may end: what is given has to hold; `message` is a pattern of what was said."""

    exit: int | None = None
    read: int | None = None
    message: Annotated[str, AfterValidator(_pattern)] | None = None

    def holds(self, result: Result) -> bool:
        """Whether the case ended so."""
        return (
            self.exit in (None, result.exit)
            and self.read in (None, result.read)
            and (self.message is None or re.search(self.message, result.message) is not None)
        )


class Expectation(Frozen):
    """What is expected of a case: any of `accept`, with `environment` set while it is tried."""

    accept: Annotated[tuple[Alternative, ...], Field(min_length=1)]
    environment: Annotated[dict[str, str], AfterValidator(_settable)] = {}


def _printable(text: str) -> str:
    """The text with halves of characters escaped, which neither a terminal nor JSON takes: names of files hold them."""
    return text.encode("utf-8", "backslashreplace").decode()


Printable = Annotated[str, AfterValidator(_printable)]


class Result(Frozen):
    """What came of a case: a line of the command's output.

    `exit` is what `run` would have exited with. The counts are null where nothing was read, `accepted` is null where
    nothing is expected.
    """

    case: Printable
    exit: int
    seen: int | None = None
    read: int | None = None
    left_out: dict[str, int] = {}
    message: Printable = ""
    accepted: bool | None = None


@dataclass(frozen=True)
class Options:
    """How cases are tried; `taken` are the models' names that cases before have had."""

    train: bool = False
    debug: bool = False
    taken: set[str] = field(default_factory=set)


@dataclass
class Trial:
    """A case that is being tried: what it has said so far, and the rows that it has read."""

    config: Path
    dataset: Dataset | None = None
    said: list[str] = field(default_factory=list)


def attempt(case: str, config: Path, expected: Expectation | None, options: Options) -> Result:
    """What comes of a case in this process.

    What is printed meanwhile is kept from the terminal, and standard input is empty.
    """
    with TemporaryDirectory(prefix="evergreen-case-") as scratch:
        trial, printed = Trial(config), Path(scratch) / "printed.txt"
        with captured(printed), warnings_kept(trial.said), report_errors(debug=options.debug) as outcome:
            _try(trial, Path(scratch), options)
        if options.debug:
            print(printed.read_text(encoding="utf-8", errors="replace"), file=sys.stderr)
    intake = trial.dataset.manifest.intake if trial.dataset else None
    messages = [outcome.message, intake.words() if intake and intake.left_out else "", *trial.said]
    counts = intake.model_dump(exclude={"examples"}) if intake else {}
    result = Result(case=case, exit=outcome.code, message="; ".join(filter(None, messages)), **counts)
    if expected is None:
        return result
    return result.model_copy(update={"accepted": any(alternative.holds(result) for alternative in expected.accept)})


def _try(trial: Trial, scratch: Path, options: Options) -> None:
    """Check, fetch, validate, split, and the run itself.

    Raises:
        Exception: as the command `run` would.
    """
    from commands.project import open_project
    from commands.readiness import check_accelerators, unused_settings
    from orchestration.freshness import rows_to_read
    from steps.fetch import fetch
    from steps.split import split
    from steps.validate import validate

    project = open_project(str(trial.config))
    given = project.configuration.parameters
    check_accelerators(project)
    if note := unused_settings(project):
        trial.said.append(note)
    trainable(given.task).check()
    with usual_garbage_collection():
        rows = rows_to_read(given.source, None, given.refresh, given.window, given.backfill)  # no case has a champion
        trial.dataset, _ = fetch.entrypoint(given.source, rows.identity, rows.part, code="")
        _, set_aside, class_counts = validate.entrypoint(given.task, trial.dataset, code="")
        split.entrypoint(trial.dataset, given.split, set_aside, class_counts, rows.part, code="")
    if options.train:
        name = _take_free_name(given.model_name, options.taken)
        config = _with_room(trial.config, host_of(given.host).room(), scratch)
        with _torn_down(config, name, trial.said):
            trial.said.append(_run(config, name, scratch / "outcome"))


def _run(config: Path, name: str, outcome: Path) -> str:
    """What became of the run of a configuration.

    Raises:
        Exception: as the command `run` would.
    """
    from commands import run
    from commands.outcome import JSON, Judgement
    from commands.parser import parse

    options = ["--config", str(config), "--name", name]
    code = run.main(parse(["run", *options, "--outcome", str(outcome)]))
    judged = Judgement.model_validate_json((outcome / JSON).read_text(encoding="utf-8"))
    if code:
        raise EvergreenError(f"the run ended with exit code {code}, its endpoint {judged.deployment}")
    metric = judged.metrics[judged.lead].value
    reasons = [] if judged.accepted else [reason.message for reason in judged.reasons if not reason.passed]
    return f"endpoint {judged.deployment}, {judged.lead} {metric:.3f}{': ' if reasons else ''}{'; '.join(reasons)}"


@contextmanager
def _torn_down(config: Path, name: str, said: list[str]) -> Iterator[None]:
    """Stops the model's endpoint after the block. What the block raises stays the error; beside it is said what
    kept the endpoint from being stopped.
    """
    from commands import teardown

    options = Namespace(config=str(config), name=name)
    try:
        yield
    except BaseException:
        try:
            teardown.main(options)
        except Exception as error:
            said.append(f"its endpoint was not stopped: {error}")
        raise
    teardown.main(options)


def _take_free_name(name: str, taken: set[str]) -> str:
    """The model's name, with a number where another case had it: no case meets the champion of another."""
    free, number = name, 1
    while free in taken:
        number += 1
        free = f"{name[: MAX_MODEL_NAME - len(str(number)) - 1]}-{number}"
    taken.add(free)
    return free


def _with_room(config: Path, changes: Mapping[str, object], scratch: Path) -> Path:
    """The configuration, or, where its host has to change, a copy with these fields of it changed."""
    if not changes:
        return config
    from orchestration.document import read

    written = read(config).written
    written["parameters"]["host"] |= changes
    copy = scratch / CONFIG
    copy.write_text(safe_dump(written), encoding="utf-8")
    return copy
