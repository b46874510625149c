"""Whether what containers print of requests gets into BigQuery: a dataset, a log sink, and its right to write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from commands.cloud.google import Google, in_path
from commands.cloud.needs import Needs
from commands.machine import Finding
from evergreen.core.cloud import LogNeeds

WRITERS = ("WRITER", "OWNER", "roles/bigquery.dataEditor", "roles/bigquery.dataOwner")
"""What BigQuery calls its roles on a dataset that may write; the first two are older names."""


def check_sinks(google: Google, needs: Needs) -> Iterator[Finding]:
    """What is missing between a request and its row; nothing where no request is noted."""
    log = needs.request_log
    if log is None:
        return
    home, _, dataset = log.dataset.partition(".")
    held = google.find("bigquery", f"bigquery/v2/projects/{home}/datasets/{dataset}")
    if held is None:
        make = f"bq --location={log.location} mk --dataset {home}:{dataset}"
        yield Finding("request log", False, f"there is no dataset {home}:{dataset}", make)
        return
    sink = google.find("logging", f"v2/projects/{google.project}/sinks/{in_path(log.sink)}")
    problem = "there is no log sink" if sink is None else _difference(sink, log)
    if sink is None or problem:
        verb = "create" if sink is None else "update"
        yield Finding(
            "request log", False, f"{problem}: {log.sink} moves requests to {home}:{dataset}", _line(log, verb, google)
        )
        return
    writer = str(sink["writerIdentity"]).removeprefix("serviceAccount:")
    may_write = any(
        entry.get("userByEmail") == writer and entry.get("role") in WRITERS for entry in held.get("access", ())
    )
    words = "may write" if may_write else "may not write"
    grant = f'GRANT `roles/bigquery.dataEditor` ON SCHEMA `{home}`.{dataset} TO "serviceAccount:{writer}"'
    fix = f"bq --location={held.get('location', log.location)} query --nouse_legacy_sql '{grant}'"
    yield Finding("request log", may_write, f"{log.sink}, as {writer}, {words} {home}:{dataset}", fix)


def _difference(sink: Mapping[str, Any], log: LogNeeds) -> str:
    """What of the sink is other than it should be, in words; nothing where all is well."""
    if sink.get("destination") != destination(log):
        return f"the sink moves entries to {sink.get('destination')}"
    if " ".join(str(sink.get("filter", "")).split()) != log.filter:
        return "the sink has another filter"
    if not sink.get("bigqueryOptions", {}).get("usePartitionedTables"):
        return "the sink makes a table a day"
    return "the sink is disabled" if sink.get("disabled") else ""


def destination(log: LogNeeds) -> str:
    """The dataset, as Cloud Logging names it."""
    project, _, dataset = log.dataset.partition(".")
    return f"bigquery.googleapis.com/projects/{project}/datasets/{dataset}"


def _line(log: LogNeeds, verb: str, google: Google) -> str:
    options = f"--use-partitioned-tables --log-filter '{log.filter}' --project {google.project}"
    return f"gcloud logging sinks {verb} {log.sink} {destination(log)} {options}"
