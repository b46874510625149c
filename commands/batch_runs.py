"""Runs of batch prediction: what `run`, `schedule` and `doctor` do with a configuration of that pipeline."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from commands.alone import run_alone
from commands.costs import run_cost_lines
from commands.project import BatchProject, open_batch
from evergreen.core.counted import counted
from evergreen.core.errors import InputError
from evergreen.core.members import source_of

if TYPE_CHECKING:
    from evergreen.core.batch import BatchReport
    from evergreen.core.versions import ModelVersion


def run_batch(args: argparse.Namespace) -> int:
    """Runs the pipeline and says what was predicted; with --dry-run only prints the plan."""
    if args.outcome is not None:
        raise InputError("--outcome tells challenger against champion, and batch prediction has none; leave it out")
    project = open_batch(args.config, args.name, args.window, scheduled=args.scheduled)
    project.check_stack()
    champion = check_batch(project)
    if args.dry_run:
        print(_plan(project, champion))
        return 0
    from orchestration.runs import batch_report_of

    run = run_alone(project, args)
    if run is not None:
        print("\n".join(report_lines(batch_report_of(run.id))))
    return 0


def check_batch(project: BatchProject) -> ModelVersion:
    """The champion, once the rows and the output were looked for; nothing has been done by then.

    Raises:
        InputError: rows cannot be predicted, or the output cannot be written, or not by this runner.
        EvergreenError: there is no champion, or what holds the rows does not answer.
    """
    from evergreen.batch.plan import dialect_of
    from evergreen.batch.settings import store_of
    from orchestration.batch import champion_beside, runner_of

    store = store_of(project.output).of_rows(dialect_of(project.source), typed=False)
    rows = partial(source_of(project.source).table, project.rows_window, project.keep)
    champion = champion_beside(project.model_name, rows, store.check)
    runner_of(project.runner).check(project.model_name, champion.version, store)
    return champion


def report_lines(report: BatchReport) -> Sequence[str]:
    """What was predicted, as a person reads it."""
    return [
        f"rows        {report.done}",
        *(f"            {counted(count, 'row')}: {reason}" for reason, count in report.reasons.items()),
        f"version     {report.version} of {report.model}, by {report.engine} in {report.runner}",
        f"output      {report.output}",
        *([f"            {report.note}"] if report.note else ()),
    ]


def _plan(project: BatchProject, champion: ModelVersion) -> str:
    window = project.rows_window
    period = f"{window.start:%Y-%m-%d %H:%M} to {window.end:%Y-%m-%d %H:%M} UTC" if window else "all rows"
    return "\n".join(
        [
            f"plan        {project.configuration.path} on stack '{project.active_stack}'",
            f"model       {project.model_name}, version {champion.version}",
            f"window      {period}",
            f"source      {' '.join(project.source.read_from.values())}",
            f"output      {' '.join(map(str, project.output.model_dump(include={'kind', 'path', 'table'}).values()))}",
            f"runner      {project.runner.machines}",
            f"steps       {' → '.join(project.steps)}",
            *run_cost_lines(project),
            "no step was run, and no row was read",
        ]
    )
