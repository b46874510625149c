"""Looks at the requests of a window: whether the world moved away from what the champion was trained on.

verdict     drifted: tokens, predictions; 2,000 rows of 1,950 requests
window      2026-05-03 09:30 to 2026-05-04 09:30 UTC
moved       tokens moved by 0.80 spreads (0.70 to 0.90): …
alert       'requests to version 3fa41c02be17 moved': sent by webhook
page        /home/me/…/page.html
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from commands.alerts import unheard_alerts
from commands.alone import run_alone
from commands.costs import run_cost_lines
from commands.project import MonitoringProject, open_monitoring
from commands.rules import OF_MONITORING, alert_words
from commands.status import in_columns
from evergreen.core.counted import counted
from evergreen.core.verdict import Verdict

if TYPE_CHECKING:
    from evergreen.core.artifacts import ResolvedWindow
    from evergreen.core.metric import Metric
    from evergreen.core.versions import ModelVersion

Lines = Iterator[tuple[str, str]]


class Monitored(Verdict):
    """What `--json` prints: a verdict, and what became of each alert of the run that made it, in words."""

    alerts: tuple[str, ...] = ()


def main(args: argparse.Namespace) -> None:
    """Runs the pipeline and says what the window tells; --json prints the verdict as one JSON object."""
    run_monitoring(args, as_json=args.json)


def run_monitoring(args: argparse.Namespace, *, as_json: bool = False) -> int:
    """0 once there is a verdict, whatever it says; with --dry-run only prints the plan.

    Raises:
        InputError: the configuration is of another pipeline, requests are not logged, or labels cannot be read.
        EvergreenError: there is no champion.
    """
    project = open_monitoring(args.config, args.name, args.window, scheduled=args.scheduled)
    project.check_stack()
    champion = check_monitoring(project)
    for note in unheard_alerts(project):
        print(f"note: {note}", file=sys.stderr)
    if args.dry_run:
        print(in_columns(_plan(project, champion)))
        return 0
    from orchestration.runs import verdict_of

    run = run_alone(project, args)
    if run is not None:
        verdict, alerts, page = verdict_of(run.id)
        monitored = Monitored(**dict(verdict), alerts=alerts)
        print(monitored.model_dump_json() if as_json else in_columns(verdict_lines(verdict, alerts, page)))
    return 0


def check_monitoring(project: MonitoringProject) -> ModelVersion:
    """The champion whose requests are looked at, once all that a run needs was found. Raises as `run_monitoring`."""
    from orchestration.monitoring import Watching, check_watching

    given = project
    return check_watching(Watching(given.model_name, given.host, given.drift, given.labels, given.quality))


def verdict_lines(verdict: Verdict, alerts: Sequence[str], page: str) -> Lines:
    """What a person reads of it."""
    yield "verdict", verdict.words
    yield "version", f"{verdict.version} of {verdict.model}"
    yield "window", _period(verdict.window)
    yield from (("moved", one.message) for one in verdict.alarms)
    if verdict.legend:
        yield "", verdict.legend
    for name, metric in verdict.quality.items():
        below = ", certainly below its floor" if name in verdict.below else ""
        yield name, f"{_interval(metric)}{below}"
    if labels := verdict.labels:
        left_out = {
            "repeated": labels.duplicate,
            "contradicting": labels.contradicting,
            "misspelt": labels.misspelt,
            "of a time to come": labels.future,
            "of requests after the window": labels.newer,
            "of no request in the log": labels.unknown,
        }
        told = "".join(f", {count:,} {why}" for why, count in left_out.items() if count)
        yield "labels", f"{labels.used:,}, {labels.late:,} of earlier requests{told}"
    yield from (("", note) for note in verdict.notes)
    yield from (("alert", words) for words in alerts)
    yield "page", page


def _interval(metric: Metric) -> str:
    return f"{metric.value:.3f} ({metric.low:.3f} to {metric.high:.3f})"


def _period(window: ResolvedWindow) -> str:
    return f"{window.start:%Y-%m-%d %H:%M} to {window.end:%Y-%m-%d %H:%M} UTC"


def _plan(project: MonitoringProject, champion: ModelVersion) -> Lines:
    rules, quality = project.drift, project.quality
    compared = "what it was evaluated on" if champion.reference else "nothing: an earlier release trained it"
    yield "plan", f"{project.configuration.path} on stack '{project.active_stack}'"
    yield "model", f"{project.model_name}, version {champion.version}, compared with {compared}"
    yield "window", _period(project.rows_window)
    moved = f"by {rules.min_shift:g} spreads, or {rules.min_share_shift:.0%} of the answers"
    yield "drift", f"from {counted(rules.min_rows, 'row')} on, below a level of {rules.level:g}, {moved}"
    if project.labels is not None:
        floors = ", ".join(f"{name} {floor:g}" for name, floor in quality.floors.items()) or "none"
        yield "labels", f"{' '.join(project.labels.read_from.values())}; floors: {floors}"
    yield "alerts", alert_words(project.alerts, OF_MONITORING)
    yield "steps", " → ".join(project.steps)
    yield from ((line[:12].strip(), line[12:]) for line in run_cost_lines(project))
    yield "", "no step was run, and no request was read"
