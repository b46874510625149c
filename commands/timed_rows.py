"""Fills what a configuration trains on with the rows of a data set, their times spread over the last days."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from evergreen.core.errors import InputError

if TYPE_CHECKING:
    from commands.project import Project
    from evergreen.core.preparation import Prepared
    from evergreen.data.prepare import Plan

_SHOWN_LABELS = 20


def fill(args: argparse.Namespace) -> None:
    """Prepares and stores the rows of `--from`, and says what a run would find."""
    from commands.project import open_project
    from evergreen.core.members import source_of
    from evergreen.data.prepare import prepare
    from orchestration.origins import named_source

    project = open_project(args.config)
    destination = source_of(project.source).destination(windowed=project.window is not None)
    origin = source_of(named_source(args.origin, args.columns, args.label_names))
    plan = _plan(args, project)
    with TemporaryDirectory(prefix="evergreen-prepare-") as folder:
        dataset = origin.read(None, Path(folder) / "rows")
        prepared = prepare(dataset, plan, Path(folder) / "prepared.parquet")
        stored = destination.store(prepared, append=args.append)
    print(f"from      {dataset.manifest.source.description}")
    if dataset.manifest.intake is not None:
        print(f"read      {dataset.manifest.intake.words()}")
    print(f"to        {stored}")
    print(_summary(prepared, plan))
    print(f"next      python run.py --config {args.config}")


def _plan(args: argparse.Namespace, project: Project) -> Plan:
    from evergreen.data.prepare import Plan, Times, target_columns

    return Plan(
        times=Times(end=_moment(args.end), days=args.days, seed=args.seed),
        columns=target_columns(project.source.mapping),
        labels=project.task.classes or None,
        window=project.window.resolve() if project.window else None,
        share=args.share,
    )


def _moment(text: str) -> datetime:
    """The time in UTC; `now` is cut down to the minute, so that it can be typed again."""
    if text == "now":
        return datetime.now(UTC).replace(second=0, microsecond=0)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"--end {text!r} is no time; write now, or ISO 8601 such as 2024-05-31T12:00:00Z") from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _summary(prepared: Prepared, plan: Plan) -> str:
    labels = prepared.labels.most_common()
    listed = ", ".join(f"{label} {rows:,}" for label, rows in labels[:_SHOWN_LABELS])
    more = f" and {len(labels) - _SHOWN_LABELS} more" if len(labels) > _SHOWN_LABELS else ""
    lines = [
        f"rows      {prepared.rows:,}",
        *([f"labels    {listed}{more}"] if labels else []),
        f"times     {prepared.first:%Y-%m-%d %H:%M} to {prepared.last:%Y-%m-%d %H:%M} UTC "
        f"(again: --end {plan.times.end:%Y-%m-%dT%H:%MZ} --days {plan.times.days:g} --seed {plan.times.seed})",
    ]
    if plan.window:
        start, end = plan.window.start, plan.window.end
        period = f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"
        hint = "" if prepared.in_window else "; give other --days or another --end"
        lines.append(f"window    {period}: a run now would train on {prepared.in_window:,} of these rows{hint}")
    return "\n".join(lines)
