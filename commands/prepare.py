"""Makes ready what a configuration trains on, as its `prepare` says; or fills it with the rows of any data set.

$ python run.py prepare --config pets_prod.yaml --runner local
from      gs://pets/raw/*.tfrec (8 tfrecord files, 31.2 MB)
to        gs://pets/prepared: 640 rows in 8 shards; 1 of 8 parts prepared (local)
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from commands.garbage_collection import usual_garbage_collection
from commands.timed_rows import fill
from evergreen.core.errors import InputError
from evergreen.preparation.settings import RUNNERS, Preparation, RunnerSettings

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
        _print_plan(plan, work_of(plan))
        return
    with usual_garbage_collection():
        report, summary = prepare(plan)
    print(_lines(report, summary))
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
            raise InputError(f"--runner {runner} needs its {', '.join(missing)}; set parameters.prepare.runner")
        configured = settings(kind=runner)
    if workers is not None:
        configured = configured.with_processes(workers)
    return preparation.model_copy(update={"runner": configured})


def _print_plan(plan: Plan, work: Work) -> None:
    print(f"from      {work.raw.description}")
    print(f"to        {plan.folder}: {work.words}")
    if not work.new:
        print("runner    none is needed")
        return
    from evergreen.preparation.run import check_beam

    check_beam(work)
    from evergreen.preparation.runners import beam_job, runner_of

    print(f"runner    {plan.preparation.runner.machines}")
    if job := runner_of(plan).preview(beam_job(plan, list(work.new), work.known)):
        print(f"job       {job}\nnothing was sent")


def _lines(report: PreparationReport, summary: Summary) -> str:
    lines = [
        f"from      {report.origin}",
        f"rows      {report.intake.words()}",
        f"to        {report.folder}: {summary.rows:,} rows in {report.shards:,} shards; {report.done}",
    ]
    if summary.bad:
        lines.append(f"unusable  {summary.bad:,} rows, listed in {report.folder}/_rejected-*.jsonl")
    for what, numbers in report.counts.items():
        largest = sorted(numbers.items(), key=lambda item: -item[1])
        listed = ", ".join(f"{name} {number:,}" for name, number in largest[:_SHOWN])
        more = f" and {len(largest) - _SHOWN} more" if len(largest) > _SHOWN else ""
        lines.append(f"{what:<9} {listed}{more}")
    return "\n".join(lines)
