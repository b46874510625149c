"""From a prediction back to the version, the run, the rows and the code."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from commands.status import covered_lines, in_columns, stretch_words, version_words

if TYPE_CHECKING:
    from orchestration.lineage import CodeLead, Lineage, Parent, RowsLead

Lines = Iterator[tuple[str, str]]
NOT_HERE = "gone, or of another stack's store"
FINGERPRINT = 12
"""Characters of a hash that a person reads; --json has all."""


def main(args: argparse.Namespace) -> None:
    """Prints all that leads on from a version as text, or as one JSON object."""
    from commands.project import open_served
    from orchestration.lineage import lineage_of

    project = open_served(args.config, args.name)
    lineage = lineage_of(project.model_name, project.host, sys.stdin.read() if args.asked == "-" else args.asked)
    print(lineage.model_dump_json() if args.json else _text(lineage))


def _text(lineage: Lineage) -> str:
    return in_columns(_lines(lineage))


def _lines(lineage: Lineage) -> Lines:
    yield from _version(lineage)
    yield from _run(lineage)
    yield from _rows(lineage.rows)
    yield from covered_lines(lineage.version, lineage.coverage)
    yield from _start(lineage)
    yield from _code(lineage.code)
    if decision := lineage.decision:
        against = f", judged against {decision.champion}" if decision.champion else ""
        yield "gate", f"{decision.verdict}{against}"
        yield from (("", f"{'passed' if reason.passed else 'failed'}: {reason.message}") for reason in decision.reasons)
    if lineage.approval:
        yield "approval", f"it {lineage.approval}"
    yield from _artifacts(lineage)
    yield from _deployed(lineage)
    yield from (("missing", sentence) for sentence in lineage.missing)


def _version(lineage: Lineage) -> Lines:
    marks = [*lineage.aliases, *(["withdrawn by a rollback"] if lineage.rolled_back else [])]
    metrics, mirrors = version_words(lineage.version)
    yield "model", lineage.model
    yield "version", f"{lineage.version.version}  {', '.join(marks)}"
    if lineage.trace_id:
        yield "trace", f"{lineage.trace_id}  answered by it"
    if metrics:
        yield "metrics", metrics
    if mirrors:
        yield "mirrors", mirrors


def _run(lineage: Lineage) -> Lines:
    run = lineage.run
    if run is None:
        yield "run", f"{lineage.version.run}  deleted"
        return
    started = run.started.strftime("%Y-%m-%d %H:%M") if run.started else ""
    yield "run", f"{run.name}  {run.status}  {run.stack or ''}  {started}  {run.url or ''}"
    yield "commit", run.commit or "not known"


def _rows(rows: RowsLead) -> Lines:
    if source := rows.source:
        yield "source", f"{source.description}  fingerprint {source.fingerprint[:FINGERPRINT]}"
        if window := source.window:
            what = "backfill" if rows.backfill else "window"
            yield what, f"{window.start:%Y-%m-%d %H:%M} to {window.end:%Y-%m-%d %H:%M} UTC, its end excluded"
    if rows.snapshot:
        yield "snapshot", f"the source as it was at {rows.snapshot}"
    elif rows.arrived_until:
        yield "part", f"what had arrived by {rows.arrived_until:%Y-%m-%d %H:%M:%S} UTC"
    if rows.chosen:
        yield "rows", rows.chosen
    if rows.intake:
        yield "" if rows.chosen else "rows", rows.intake.words()
    elif rows.rows is not None:
        yield "" if rows.chosen else "rows", f"{rows.rows:,} read"
    if rows.splits:
        yield "splits", ", ".join(f"{name} {count:,}{_replayed(rows, name)}" for name, count in rows.splits.items())
    removed = [f"{count:,} {reason.replace('_', ' ')}" for reason, count in rows.removed.items() if count]
    if removed:
        yield "", f"in none of them: {', '.join(removed)}"


def _replayed(rows: RowsLead, split: str) -> str:
    return f" ({rows.replayed[split]:,} read once more)" if rows.replayed.get(split) else ""


def _start(lineage: Lineage) -> Lines:
    for number, parent in enumerate(lineage.parents):
        yield "" if number else "start", _parent(parent)
    if lineage.oldest:
        pretrained = lineage.code.pretrained
        began = f"pretrained weights  fingerprint {pretrained[:FINGERPRINT]}" if pretrained else "new weights"
        yield ("", f"which began with {began}") if lineage.parents else ("start", began)
    elif lineage.parents:
        yield "", f"what that goes back to: ask for {lineage.parents[-1].version}"
    else:
        yield "start", "not known"


def _parent(parent: Parent) -> str:
    started = f"  {parent.started:%Y-%m-%d %H:%M}" if parent.started else ""
    rows = parent.chosen or (f"{parent.rows:,} rows" if parent.rows is not None else "rows not known")
    added = f"; added {', '.join(map(stretch_words, parent.added))}" if parent.added else ""
    return f"{parent.version}  {parent.run}{started}  {rows}{added}"


def _code(code: CodeLead) -> Lines:
    if code.steps:
        yield "code", ", ".join(f"{step} {fingerprint[:FINGERPRINT]}" for step, fingerprint in code.steps.items())
    yield "recipe", code.recipe[:FINGERPRINT]
    if code.task is not None:
        words = [f"{name} {value}" for name, value in code.task.items() if isinstance(value, str) and name != "kind"]
        yield "task", ", ".join([str(code.task.get("kind")), *words])
    if code.seed is not None:
        yield "seed", str(code.seed)


def _artifacts(lineage: Lineage) -> Lines:
    places = [(place.name, place.uri if place.stored else f"{place.uri}  {NOT_HERE}") for place in lineage.artifacts]
    if lineage.report_page:
        places.append(("page", lineage.report_page))
    yield from ((("", "artifacts")[not number], f"{name:<9} {uri}") for number, (name, uri) in enumerate(places))


def _deployed(lineage: Lineage) -> Lines:
    if lineage.traffic is not None:
        where = f" of {lineage.url}" if lineage.url else ", on an endpoint that does not answer"
        yield "deployed", f"{lineage.traffic} % of the traffic{where}{'' if lineage.traffic else '; it stands by'}"
    else:
        yield "deployed", "not now"
    if lineage.deployment:
        yield "", f"its run: {lineage.deployment.outcome.replace('_', ' ')}; {lineage.deployment.message}"
