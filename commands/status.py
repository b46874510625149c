"""Champion, endpoint, traffic, last runs, last report, where to look."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestration.status import Status


def main(args: argparse.Namespace) -> None:
    """Prints the status as text, or as one JSON object."""
    from commands.project import open_served

    project = open_served(args.config, args.name)
    from orchestration.status import status_of

    status = status_of(project.model_name, project.host)
    print(status.model_dump_json() if args.json else _text(status))


def _text(status: Status) -> str:
    lines = [("model", status.model)]
    for name in ("champion", "previous", "candidate"):
        version = getattr(status, name)
        if version is None:
            lines.append((name, "none"))
            continue
        metrics = ", ".join(f"{metric} {value:.3f}" for metric, value in version.metrics.items())
        mirrors = ", ".join(
            f"{mirror} {number}" if "://" in number else f"{mirror} version {number}"
            for mirror, number in version.mirrors.items()
        )
        lines.append((name, f"{version.version}  {metrics}  ({mirrors or 'no mirror'}; run {version.run})"))
        if version.leader:
            lines.append(("", version.leader))
    endpoint = status.endpoint
    traffic = ", ".join(f"{version} {percent} %" for version, percent in endpoint.traffic.items() if percent)
    lines.append(("endpoint", endpoint.url or "not running; a run starts it"))
    lines.append(("traffic", traffic or "none"))
    lines.append(("ready", ", ".join(endpoint.ready) or "none"))
    if status.lease:
        lines.append(("lease", str(status.lease)))
    if endpoint.outdated:
        lines.append(("code", f"{', '.join(endpoint.outdated)} run older code than this; the next run renews them"))
    for run in status.runs:
        started = run.started.strftime("%Y-%m-%d %H:%M") if run.started else ""
        status_shown = f"{run.status}, {run.outcome.replace('_', ' ')}" if run.outcome else run.status
        lines.append(("run", f"{run.name}  {status_shown}  {run.stack or ''}  {started}  {run.url or ''}".rstrip()))
        lines += [("", text) for text in (run.progress, run.reason) if text]
        lines += [("", sentence) for sentence in run.machines]
    for firing in status.lost_firings:
        fired = firing.created.strftime("%Y-%m-%d %H:%M") if firing.created else ""
        lines += [("firing", f"{firing.job}  failed  {fired}".rstrip()), ("", firing.reason)]
    if status.report_page:
        lines.append(("report", status.report_page))
    lines.append(("dashboard", status.dashboard or "zenml login --local"))
    if status.mlflow:
        is_server = status.mlflow.startswith(("http://", "https://"))
        lines.append(("mlflow", status.mlflow if is_server else f"mlflow ui --backend-store-uri {status.mlflow}"))
    return "\n".join(f"{name:<11} {text}" for name, text in lines)
