"""Runs the pipeline of a configuration on the active stack."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from commands.approve import answer_lines
from commands.console import quiet_zenml
from commands.costs import cost_lines
from commands.outcome import empty_folder, write_outcome
from commands.project import Project, open_project
from commands.readiness import check_ready, check_secrets, task_needs
from commands.rules import rule_lines
from commands.started import stopped_with_this_command
from commands.watching import run_pipeline
from evergreen.core.artifacts import ResolvedWindow
from evergreen.core.errors import BusyError, InputError
from evergreen.core.members import host_of, publisher_of
from evergreen.core.versions import Alias, ModelVersion
from orchestration.configuration import pipeline_of

if TYPE_CHECKING:
    from orchestration.freshness import RowsToRead


def main(args: argparse.Namespace) -> int:
    """Runs the pipeline and says what came of it; with --dry-run only prints the plan, once it was checked."""
    pipeline = pipeline_of(args.config)
    if pipeline == "batch_prediction":
        from commands.batch_runs import run_batch

        return run_batch(args)
    if pipeline == "monitoring":
        from commands.monitor import run_monitoring

        return run_monitoring(args)
    project = open_project(args.config, args.name, args.window, scheduled=args.scheduled)
    project.check_stack()
    use_cache = not args.no_cache
    if args.dry_run:
        check_ready(project, lambda: _plan(project, use_cache=use_cache))
        return 0
    check_ready(project)
    check_secrets(project)
    if args.outcome is not None:
        empty_folder(args.outcome)
    from orchestration.runs import run_failure, run_name

    name = run_name(project.configuration.document, args.run_name)
    try:
        with quiet_zenml(debug=args.debug), stopped_with_this_command(project, name, detach=args.detach):
            return _run(project, name, use_cache=use_cache, told_in=args.outcome)
    except RuntimeError as error:  # all that an orchestrator elsewhere says of a step that failed
        raise run_failure(project.model_name, name, error) from error


def _run(project: Project, name: str, *, use_cache: bool, told_in: Path | None) -> int:
    from commands.stop import again
    from evergreen.pages.terminal import publication_lines, terminal_summary
    from orchestration.endpoints import state_directory
    from orchestration.locks import run_lock
    from orchestration.requests import keep_request
    from orchestration.runs import machines_refused, outcome_of
    from orchestration.specifications import removing_specifications

    stop = again(project, None)
    with ExitStack() as held:
        try:
            held.enter_context(run_lock(state_directory(), project.model_name, name, stop))
        except BusyError as error:
            if not project.scheduled:
                raise
            print(f"nothing is trained by this firing: {error}")
            return 0
        held.enter_context(removing_specifications())
        run = run_pipeline(project, name, use_cache=use_cache)
    if run is None:
        print(f"nothing waits for the run; see: python run.py status --config {project.configuration.path}")
        return 0
    outcome = outcome_of(run.id)
    if told_in is not None:
        write_outcome(told_in, outcome)
    page, request = outcome.report_page, keep_request(project.model_name, outcome.deployment)
    report, decision, deployment = outcome.report, outcome.decision, outcome.deployment
    print(terminal_summary(report, decision, deployment, page=page, request_file=request, intake=outcome.intake))
    for words in outcome.alerts:
        print(f"alert       {words}")
    for sentence in machines_refused(run):
        print(f"machines    {sentence}")
    if outcome.publication is not None:
        print(publication_lines(outcome.publication))
    if deployment.outcome in {"waiting", "registered"}:
        print("\n".join(answer_lines(project, decision.version)))
    if outcome.deployment.outcome == "rolled_back":
        print(f"error: {outcome.deployment.message}", file=sys.stderr)
        return 1
    return 0


def _plan(project: Project, *, use_cache: bool) -> str:
    """What a run would do, after the source and the task's own needs (an encoder, say) were found.

    Raises:
        InputError: the source or what the task needs cannot be found.
        EvergreenError: a run would have nothing to train on and nothing to repeat.
    """
    from orchestration.record import ZenmlRecord

    needs = task_needs(project)
    champion = ZenmlRecord(project.model_name).read().named(Alias.CHAMPION)
    preparation, read = _preparation_lines(project), _rows_to_read(project, champion)
    rows, source = _rows_and_source(project, champion, read)
    cache = "steps whose inputs did not change are answered from cache" if use_cache else "every step runs"
    return "\n".join(
        [
            f"plan        {project.configuration.path} on stack '{project.active_stack}'",
            f"model       {project.model_name}",
            f"{'window' if _has_window(project) else 'rows':<11} {rows}",
            *preparation,
            f"source      {source}",
            f"task        {project.task.kind}: {needs}",
            f"steps       {' → '.join(project.steps)}",
            *_image_lines(project),
            *rule_lines(project),
            *_approval_lines(project),
            *([f"publish     {publisher_of(project.publish).plan()}"] if project.publish else []),
            f"cache       {cache}",
            *cost_lines(project, read),
            "no step was run; rows and labels are checked by a run",
        ]
    )


def _has_window(project: Project) -> bool:
    """Whether rows are chosen by their time; else all are read, or those that are new."""
    return project.window is not None or project.backfill is not None


def _image_lines(project: Project) -> list[str]:
    """Which serving image the new model will need; none where its server needs none."""
    needs = host_of(project.host).needs()
    if needs is None:
        return []
    if needs.fleet.machine.accelerator_type:
        return [f"serves      {needs.image}: torch, on a GPU"]
    if needs.onnx_image is None:
        return [f"serves      {needs.image}: whichever engine the evaluation chooses"]
    return [
        f"serves      {needs.onnx_image} where the evaluation chooses a graph",
        f"            {needs.image} where torch is to answer",
    ]


def _approval_lines(project: Project) -> list[str]:
    """What keeps a new version from going live by itself; none where it does."""
    given = project.configuration.parameters
    asked = f"a person is asked before a version goes live, within {given.approval.expires}" if given.approval else None
    alone = None if given.deploy else "a new version is registered, and the endpoint left alone"
    return [f"approval    {words}" for words in (asked, alone) if words]


def _preparation_lines(project: Project) -> list[str]:
    """What the first step would do with the raw data that are there now."""
    if project.prepare is None:
        return []
    from evergreen.preparation.run import work_of
    from orchestration.preparation import plan_for

    work = work_of(plan_for(project.prepare, project.task, project.source))
    where = project.prepare.runner.machines if work.new else "nothing runs, and nothing is written"
    return [f"prepare     {work.raw.description}", f"            {work.words}; {where}"]


def _rows_to_read(project: Project, champion: ModelVersion | None) -> RowsToRead | None:
    """What the steps would read now; None where the first step has yet to prepare it.

    Raises:
        InputError: it could not be read, and no first step prepares it.
    """
    from orchestration.freshness import rows_to_read

    try:
        read = rows_to_read(project.source, champion, project.refresh, project.window, project.backfill)
        return read.for_task(project.task)
    except InputError:
        if project.prepare is None:
            raise
        return None


def _rows_and_source(project: Project, champion: ModelVersion | None, read: RowsToRead | None) -> tuple[str, str]:
    """Which rows the steps would read now and what they would do with them, and where those are."""
    if read is None:
        return "what is prepared", "nothing was prepared yet: the first step does"
    from orchestration.fingerprint import code_fingerprints
    from orchestration.nights import Recipe, night_of

    identity, given = read.identity, project.configuration.parameters
    rows = "unknown number of" if identity.rows is None else f"{identity.rows:,}"
    codes = code_fingerprints(project.source, project.task)
    recipe = Recipe(project.source, project.task, given.split, given.seed, codes)
    night = night_of(project.model_name, champion, read, recipe, project.refresh, scheduled=project.scheduled)
    period = _period(identity.window) if identity.window else None if read.words else "all rows"
    return (
        "; ".join(filter(None, (period, night.words))),
        f"{identity.description}: {rows} rows, fingerprint {identity.fingerprint[:12]}",
    )


def _period(window: ResolvedWindow) -> str:
    return f"{window.start:%Y-%m-%d %H:%M} to {window.end:%Y-%m-%d %H:%M} UTC"
