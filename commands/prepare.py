"""Makes ready what a configuration trains on, as its `extra.prepare` says; or fills it with the rows of any data set.

$ python run.py prepare --config pets_prod.yaml --runner local
from      gs://pets/raw/*.tfrec (8 tfrecord files, 31.2 MB)
to        gs://pets/prepared: 640 rows in 8 shards
"""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from typing import TYPE_CHECKING

from commands.timed_rows import fill
from evergreen.core.errors import InputError
from evergreen.preparation.settings import RUNNERS, Preparation, RunnerSettings

if TYPE_CHECKING:
    from evergreen.preparation.plan import Plan
    from evergreen.preparation.summary import Summary

_SHOWN = 20


def main(args: argparse.Namespace) -> None:
    """Prepares the rows, and says what a run would find."""
    asked = args.runner or args.workers or args.dry_run
    if args.origin is not None:
        if asked:
            raise InputError("--runner, --workers and --dry-run are for extra.prepare; leave them out, or --from")
        fill(args)
        return
    from commands.project import open_project
    from evergreen.core.members import source_of
    from evergreen.preparation.plan import plan_of

    project = open_project(args.config)
    if project.configuration.prepare is None:
        raise InputError(f"{args.config} has no extra.prepare; add it, or name the rows: --from SOURCE")
    if find_spec("apache_beam") is None:
        raise InputError(
            "extra.prepare needs Apache Beam, which comes with the packages for development; make install-dev"
        )
    preparation = chosen(project.configuration.prepare, args.runner, args.workers)
    plan = plan_of(preparation, project.task, project.source)
    print(f"from      {source_of(preparation.origin).identity(None).description}")
    if args.dry_run:
        _tell_plan(plan)
        return
    from evergreen.preparation.runners import run

    print(_told(run(plan), plan))
    print(f"next      python run.py --config {args.config}")


def chosen(preparation: Preparation, runner: str | None, workers: int | None) -> Preparation:
    """The preparation by the runner, and with the processes, that the command asks for.

    Raises:
        InputError: it lacks settings for them, or they are too many.
    """
    configured: RunnerSettings = preparation.runner
    if runner is not None and runner != configured.kind:
        settings = RUNNERS[runner]
        missing = [name for name, field in settings.model_fields.items() if field.is_required()]
        if missing:
            raise InputError(f"--runner {runner} needs its {', '.join(missing)}; set extra.prepare.runner")
        configured = settings(kind=runner)
    if workers is not None:
        configured = configured.with_processes(workers)
    return preparation.model_copy(update={"runner": configured})


def _tell_plan(plan: Plan) -> None:
    print(f"to        {plan.folder}, from {len(plan.parts())} parts that are worked on side by side")
    from evergreen.preparation.runners import runner_of

    print(f"runner    {runner_of(plan).preview(plan)}")


def _told(summary: Summary, plan: Plan) -> str:
    lines = [
        f"rows      {summary.intake().words()}",
        f"to        {plan.folder}: {summary.rows:,} rows in {len(summary.shards):,} shards",
    ]
    if summary.duplicates:
        lines.append(f"repeated  {summary.duplicates:,} rows left out")
    if summary.bad:
        lines.append(f"unusable  {summary.bad:,} rows left out, each told in {plan.folder}/_rejected.jsonl")
    for what, numbers in summary.counts.items():
        largest = sorted(numbers.items(), key=lambda item: -item[1])
        listed = ", ".join(f"{name} {number:,}" for name, number in largest[:_SHOWN])
        more = f" and {len(largest) - _SHOWN} more" if len(largest) > _SHOWN else ""
        lines.append(f"{what:<9} {listed}{more}")
    return "\n".join(lines)
