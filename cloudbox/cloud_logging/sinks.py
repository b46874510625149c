"""ConfigServiceV2: the log sinks of the project, of those that move entries into a dataset of BigQuery.

`gcloud logging sinks create NAME bigquery.googleapis.com/projects/P/datasets/D --use-partitioned-tables --log-filter F`
"""

from __future__ import annotations

import re
from typing import Any

from google.cloud.logging_v2 import types
from google.protobuf import empty_pb2

from cloudbox.cloud_logging.entries import Entry, value_at
from cloudbox.errors import already_exists, invalid, not_found
from cloudbox.rest import Route
from cloudbox.rpc import Method
from cloudbox.vertex.filters import Predicate, matcher
from cloudbox.vertex.listing import page
from cloudbox.vertex.masks import apply_mask
from cloudbox.vertex.store import Store, now

SERVICE = "/google.logging.v2.ConfigServiceV2"
DESTINATION = re.compile(r"bigquery\.googleapis\.com/projects/([^/]+)/datasets/(\w+)")
LOG_ID = re.compile(r'log_id\(("[^"]*")\)')
_NAME = re.compile(r"[\w.-]{1,100}")
_UPDATABLE = ("destination", "filter", "description", "disabled", "bigquery_options", "include_children")


class Sinks:
    """The sinks, kept in the service's store under `projects/P/sinks/NAME`."""

    def __init__(self, store: Store, project: str, project_number: int) -> None:
        self._store = store
        self._project = project
        self._writer = f"serviceAccount:service-{project_number}@gcp-sa-logging.iam.gserviceaccount.com"

    def methods(self) -> dict[str, Method]:
        """The methods by path."""
        methods = {
            "CreateSink": Method(self.create, types.CreateSinkRequest),
            "GetSink": Method(lambda request: self._get(request.sink_name), types.GetSinkRequest),
            "ListSinks": Method(self.list_sinks, types.ListSinksRequest),
            "UpdateSink": Method(self.update, types.UpdateSinkRequest),
            "DeleteSink": Method(self.delete, types.DeleteSinkRequest),
        }
        return {f"{SERVICE}/{name}": method for name, method in methods.items()}

    def create(self, request: Any) -> Any:
        """CreateSink."""
        sink, key = request.sink, f"{request.parent}/sinks/{request.sink.name}"
        if not _NAME.fullmatch(sink.name):
            raise invalid(f"Invalid sink name `{sink.name}`: letters, digits, `_`, `-` and `.`, at most 100.")
        _check(sink)
        sink.writer_identity = self._writer
        sink.create_time = sink.update_time = now()
        sink.bigquery_options.uses_timestamp_column_partitioning = sink.bigquery_options.use_partitioned_tables
        with self._store.lock:
            if self._store.find(types.LogSink, key):
                raise already_exists("Sink", key)
            self._store.put(sink, key)
        return sink

    def list_sinks(self, request: Any) -> Any:
        """ListSinks."""
        sinks, token = page(self.all(), request)
        return types.ListSinksResponse(sinks=sinks, next_page_token=token)

    def update(self, request: Any) -> Any:
        """UpdateSink: what the mask names; without one destination and filter, as Google does."""
        with self._store.lock:
            sink = self._get(request.sink_name)
            paths = list(request.update_mask.paths) or ["destination", "filter", "include_children"]
            apply_mask(sink, request.sink, paths, _UPDATABLE)
            _check(sink)
            sink.update_time = now()
            self._store.put(sink, request.sink_name)
        return sink

    def delete(self, request: Any) -> Any:
        """DeleteSink."""
        with self._store.lock:
            self._get(request.sink_name)
            self._store.delete(request.sink_name)
        return empty_pb2.Empty()

    def all(self) -> list[Any]:
        """Every sink, oldest first."""
        return list(self._store.listed(types.LogSink))

    def _get(self, name: str) -> Any:
        sink = self._store.find(types.LogSink, name)
        if sink is None:
            raise not_found("Sink", name)
        return sink


def _check(sink: Any) -> None:
    if not DESTINATION.fullmatch(sink.destination):
        raise invalid(
            f"Invalid destination `{sink.destination}`; the box moves entries to "
            "bigquery.googleapis.com/projects/PROJECT/datasets/DATASET alone."
        )
    if not sink.bigquery_options.use_partitioned_tables:
        raise invalid("The box has no tables of single days; set bigquery_options.use_partitioned_tables.")
    predicate_of(sink.filter)


def predicate_of(text: str) -> Predicate:
    """Whether an entry passes a filter. Raises ApiError(INVALID_ARGUMENT) for one that is not understood."""

    def passes(entry: Entry) -> bool:
        return matches(entry)

    matches = matcher(LOG_ID.sub(r"log_id=\1", text), value_at)
    return passes


def routes() -> list[Route]:
    """The addresses of the methods in REST, as gcloud asks them."""
    parent, sink = r"/v2/(?P<parent>projects/[^/]+)/sinks", r"/v2/(?P<sink_name>projects/[^/]+/sinks/[^/]+)"
    return [
        Route("POST", re.compile(parent), f"{SERVICE}/CreateSink", "sink"),
        Route("GET", re.compile(parent), f"{SERVICE}/ListSinks"),
        Route("GET", re.compile(sink), f"{SERVICE}/GetSink"),
        Route("PUT", re.compile(sink), f"{SERVICE}/UpdateSink", "sink"),
        Route("PATCH", re.compile(sink), f"{SERVICE}/UpdateSink", "sink"),
        Route("DELETE", re.compile(sink), f"{SERVICE}/DeleteSink"),
    ]
