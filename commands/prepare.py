"""Makes ready what a configuration trains on, as its `prepare` says; or fills it with the rows of any data set.

$ python run.py prepare --config pets_prod.yaml --runner local
from      gs://pets/raw/*.tfrec (8 tfrecord files, 31.2 MB)
to        gs://pets/prepared: 640 rows in 8 shards; 1 of 8 parts prepared (local)
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from commands.timed_rows import fill
from evergreen.core.errors import InputError
from evergreen.preparation import MOST_WORKERS, LocalRunner, Preparation

if TYPE_CHECKING:
    from evergreen.core.preparation import PreparationReport
    from evergreen.preparation.plan import Plan
    from evergreen.preparation.run import Work
    from evergreen.preparation.summary import Summary

_SHOWN = 20


def main(args: argparse.Namespace) -> None:
    """Prepares the rows, and says what a run would find."""
    asked = args.runner or args.workers or args.dry_run
    if args.origin is not None:
        if asked:
            raise InputError("--runner, --workers and --dry-run are for parameters.prepare; leave them out, or --from")
        fill(args)
        return
    from commands.project import open_project
    from evergreen.preparation.run import prepare, work_of
    from orchestration.preparation import plan_for

    project = open_project(args.config)
    if project.prepare is None:
        raise InputError(f"{args.config} has no parameters.prepare; add it, or name the rows: --from SOURCE")
    plan = plan_for(chosen(project.prepare, args.runner, args.workers), project.task, project.source)
    if args.dry_run:
        _tell_plan(plan, work_of(plan))
        return
    report, summary = prepare(plan)
    print(_told(report, summary))
    print(f"next      python run.py --config {args.config}")


def chosen(preparation: Preparation, runner: str | None, workers: int | None) -> Preparation:
    """The preparation by the runner, and with the processes, that the command asks for.

    Raises:
        InputError: it lacks settings for them, or they are too many.
    """
    configured = preparation.runner
    if runner == "dataflow" and isinstance(configured, LocalRunner):
        raise InputError("--runner dataflow needs its project, region, temp and image; set parameters.prepare.runner")
    if runner == "local" and not isinstance(configured, LocalRunner):
        configured = LocalRunner()
    if workers is not None:
        if not isinstance(configured, LocalRunner):
            raise InputError("--workers are processes of this machine; add --runner local, or set runner.max_workers")
        if workers > MOST_WORKERS:
            raise InputError(f"--workers is {workers:,} (allowed: 1 to {MOST_WORKERS}); take about one a processor")
        configured = LocalRunner(workers=workers)
    return preparation.model_copy(update={"runner": configured})


def _tell_plan(plan: Plan, work: Work) -> None:
    print(f"from      {work.raw.description}")
    print(f"to        {plan.folder}: {work.words}, side by side")
    runner = plan.preparation.runner
    if isinstance(runner, LocalRunner):
        print(f"runner    local, {runner.workers or 'one a processor'} as number of processes")
        return
    if not work.new:
        print(f"runner    Dataflow in {runner.region} would get no job")
        return
    from evergreen.preparation.run import check_beam

    check_beam(work)
    from evergreen.preparation.runners import compiled

    print(
        f"runner    Dataflow in {runner.region}, up to {runner.max_workers} x {runner.machine_type}; nothing was sent:"
    )
    print(json.dumps(compiled(plan, list(work.new), work.known), indent=2))


def _told(report: PreparationReport, summary: Summary) -> str:
    lines = [
        f"from      {report.origin}",
        f"rows      {report.intake.words()}",
        f"to        {report.folder}: {summary.rows:,} rows in {report.shards:,} shards; {report.done}",
    ]
    if summary.duplicates:
        lines.append(f"repeated  {summary.duplicates:,} rows left out")
    if summary.bad:
        lines.append(f"unusable  {summary.bad:,} rows left out, each told in {report.folder}/_rejected-*.jsonl")
    for what, numbers in report.counts.items():
        largest = sorted(numbers.items(), key=lambda item: -item[1])
        listed = ", ".join(f"{name} {number:,}" for name, number in largest[:_SHOWN])
        more = f" and {len(largest) - _SHOWN} more" if len(largest) > _SHOWN else ""
        lines.append(f"{what:<9} {listed}{more}")
    return "\n".join(lines)
