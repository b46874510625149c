"""Champion, endpoint, traffic, last runs, last report, where to look."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evergreen.core.deployment import EndpointStatus
    from evergreen.core.versions import ModelVersion
    from evergreen.core.window import Interval
    from orchestration.chain import Chain, VerdictLine
    from orchestration.firings import Schedule
    from orchestration.runs import RunSummary
    from orchestration.status import Covered, Status

MOST_STRETCHES = 5
"""Of gaps, or of what was added: the newest ones."""
NOT_KEPT = (
    "nothing that is known: trained without columns.arrived, or before coverage was kept; an incremental run takes "
    "every row for new"
)
UNREADABLE = "what it was trained on cannot be read"


def main(args: argparse.Namespace) -> None:
    """Prints the status as text, or as one JSON object."""
    from commands.project import open_served
    from commands.stop import model_arguments

    project = open_served(args.config, args.name)
    from orchestration.status import status_of

    status = status_of(project.model_name, project.host)
    print(status.model_dump_json() if args.json else _text(status, model_arguments(project)))


def _text(status: Status, arguments: str) -> str:
    """`arguments` are what a command is told to act on this model."""
    lines = [("model", status.model), *_version_lines(status), *_answer_lines(status, arguments), *_kept_out(status)]
    lines += covered_lines(status.champion, status.coverage, status.missing)
    endpoint = status.endpoint
    lines += endpoint_lines(endpoint)
    if status.lease:
        lines.append(("lease", str(status.lease)))
    if endpoint.outdated:
        lines.append(("code", f"{', '.join(endpoint.outdated)} run older code than this; the next run renews them"))
    lines.append(("schedule", _scheduled(status.schedule)))
    lines += [line for run in status.runs for line in _run_lines("run", run)]
    lines += chain_lines(status.chain)
    lines += _beside_lines("batch", "batch run", status.batch_schedule, status.batch_runs)
    lines += _beside_lines("monitoring", "watched", status.monitoring_schedule, status.monitoring_runs)
    for firing in status.lost_firings:
        fired = firing.created.strftime("%Y-%m-%d %H:%M") if firing.created else ""
        lines += [("firing", f"{firing.job}  failed  {fired}".rstrip()), ("", firing.reason)]
    if status.report_page:
        lines.append(("report", status.report_page))
    lines.append(("dashboard", status.dashboard or "zenml login --local"))
    if status.mlflow:
        is_server = status.mlflow.startswith(("http://", "https://"))
        lines.append(("mlflow", status.mlflow if is_server else f"mlflow ui --backend-store-uri {status.mlflow}"))
    return in_columns(lines)


def _version_lines(status: Status) -> Iterator[tuple[str, str]]:
    """Each alias with its version, and what stands against that, or was said of it."""
    for name in ("champion", "previous", "candidate"):
        version = getattr(status, name)
        if version is None:
            yield name, "none"
            continue
        metrics, mirrors = version_words(version)
        yield name, f"{version.version}  {metrics}  ({mirrors or 'no mirror'}; run {version.run})"
        if version.leader:
            yield "", version.leader
        if version.version in status.approvals:
            yield "", status.approvals[version.version].words


def _answer_lines(status: Status, arguments: str) -> list[tuple[str, str]]:
    """The commands that answer for the candidate, where it waits for a person."""
    asked = status.approvals.get(status.candidate.version) if status.candidate else None
    if status.candidate is None or asked is None or asked.standing != "waiting":
        return []
    from commands.approve import named_answers

    return named_answers(status.candidate.version, arguments)


def _kept_out(status: Status) -> list[tuple[str, str]]:
    """The newest version that a person let not through, unless it is candidate still."""
    candidate = status.candidate.version if status.candidate else None
    refused = [
        (version, asked)
        for version, asked in status.approvals.items()
        if asked.standing in ("rejected", "expired") and version != candidate
    ]
    return [("kept out", f"{version} {asked.words}") for version, asked in refused[-1:]]


def _beside_lines(
    name: str, run_name: str, schedule: Schedule | None, runs: Sequence[RunSummary]
) -> Iterator[tuple[str, str]]:
    """A pipeline beside training: its schedule and its runs, where it has either."""
    if schedule or runs:
        yield name, _scheduled(schedule, "no schedule")
    for run in runs:
        yield from _run_lines(run_name, run)


def in_columns(lines: Iterable[tuple[str, str]]) -> str:
    """Each name with its text, under each other."""
    return "\n".join(f"{name:<11} {text}".rstrip() for name, text in lines)


def _run_lines(name: str, run: RunSummary) -> Iterator[tuple[str, str]]:
    started = run.started.strftime("%Y-%m-%d %H:%M") if run.started else ""
    outcome = {"waiting": "asked a person"}.get(run.outcome or "", run.outcome)  # whatever the answer was since
    status = f"{run.status}, {outcome.replace('_', ' ')}" if outcome else run.status
    yield name, f"{run.name}  {status}  {run.stack or ''}  {started}  {run.url or ''}".rstrip()
    yield from (("", text) for text in _beside(run))


def _beside(run: RunSummary) -> Iterator[str]:
    """What there is to tell of a run beside its line."""
    yield from filter(None, (run.progress, run.predicted, run.verdict, run.reason))
    yield from (f"alert {words}" for words in run.alerts)
    yield from run.machines


def chain_lines(chain: Chain | None) -> list[tuple[str, str]]:
    """What requests said, the last training and what for, what was decided, and what the endpoint says since."""
    if chain is None:
        return []
    lines = []
    if chain.windows:
        lines.append(("verdicts", ", ".join(f"{_said(one)} {one.end:%Y-%m-%d %H:%M}" for one in chain.windows)))
    if training := chain.training:
        reasons = f", for {' and '.join(training.reasons)}" if training.reasons else ""
        lines.append(("training", f"{training.run} of {training.began:%Y-%m-%d %H:%M}{reasons}: {training.outcome}"))
    lines += [(name, text) for name, text in (("decision", chain.decision), ("rollout", chain.rollout)) if text]
    if since := chain.recovery:
        lines.append(("recovery", f"its newest window, to {since.end:%Y-%m-%d %H:%M}: {_said(since)}"))
    return lines


def _said(line: VerdictLine) -> str:
    return f"{line.says}, {' and '.join(line.below)} below" if line.below else line.says


def _scheduled(schedule: Schedule | None, none: str = "none") -> str:
    if schedule is None:
        return none
    if schedule.state is None:
        return f"{schedule.cron}  next not known: Vertex AI does not answer, or the active stack is not on it"
    upcoming = f"next {schedule.next_run:%Y-%m-%d %H:%M} UTC" if schedule.next_run else "fires no more"
    return f"{schedule.cron}  {schedule.state}, {upcoming}"


def covered_lines(
    version: ModelVersion | None, coverage: Covered | None, missing: str | None = None
) -> list[tuple[str, str]]:
    """The rows that a version was trained on, where there were none in between, and what the one before it lacks; and
    what an incremental run needs of it and cannot read.
    """
    if version is None:
        return []
    stops = [("missing", missing)] if missing else []
    if coverage is None:
        return [("covers", UNREADABLE if version.coverage else NOT_KEPT), *stops]
    facts = [f"{coverage.edge_rows:,} row{'s'[: coverage.edge_rows != 1]} at the edge"]
    if coverage.until:
        facts.insert(0, f"all that arrived before {coverage.until:%Y-%m-%d %H:%M} UTC")
    if times := coverage.intervals:
        facts.insert(0, f"{times[0].start:%Y-%m-%d %H:%M} to {times[-1].end:%Y-%m-%d %H:%M}")
    lines = [("covers", ", ".join(facts))]
    for name, stretches in ("gap", coverage.gaps), ("added", coverage.added):
        lines += [(name, stretch_words(stretch)) for stretch in stretches[-MOST_STRETCHES:]]
        if (more := len(stretches) - MOST_STRETCHES) > 0:
            lines.append(("", f"and {more:,} before, which --json lists"))
    return [*lines, *stops]


def stretch_words(stretch: Interval) -> str:
    """`2026-05-01 00:00 to 2026-05-08 23:59`."""
    return f"{stretch.start:%Y-%m-%d %H:%M} to {stretch.end:%Y-%m-%d %H:%M}"


def version_words(version: ModelVersion) -> tuple[str, str]:
    """Its metrics, and its numbers in the mirrors."""
    metrics = ", ".join(f"{metric} {value:.3f}" for metric, value in version.metrics.items())
    mirrors = ", ".join(
        f"{mirror} {number}" if "://" in number else f"{mirror} version {number}"
        for mirror, number in version.mirrors.items()
    )
    return metrics, mirrors


def endpoint_lines(endpoint: EndpointStatus) -> list[tuple[str, str]]:
    """Where it is asked, or that nothing answers and what to do; its page; the traffic by version, and who answers;
    what came of copies of requests while a version gets them.
    """
    traffic = ", ".join(f"{version} {percent} %" for version, percent in endpoint.traffic.items() if percent)
    address = endpoint.url or "not running; a version that goes live starts it"
    if endpoint.parked:
        address = "parked, nothing runs; run.py deploy brings it back, and so does a promotion"
        traffic += ", once it is back"
    elif traffic and not endpoint.ready:
        address = f"{endpoint.url or ''} does not answer, its processes ended or hang; a run starts them again".lstrip()
        traffic += ", once it answers again"
    page = [("page", f"{endpoint.page} to try it in a browser")] if endpoint.page else []
    ready = ", ".join(endpoint.ready) or "none"
    shadow = [("shadow", f"{endpoint.shadow.version}  {endpoint.shadow}")] if endpoint.shadow else []
    return [("endpoint", address), *page, ("traffic", traffic or "none"), ("ready", ready), *shadow]
