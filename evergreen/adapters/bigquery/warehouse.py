"""What the source asks of BigQuery: metadata, dry runs, a query's answer as Arrow; transient errors are retried."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from evergreen.adapters.bigquery.failures import transient_retry, translated, unseen
from evergreen.adapters.bigquery.query import Query
from evergreen.adapters.bigquery.settings import TableId
from evergreen.adapters.bigquery.streams import read_streams
from evergreen.adapters.google.calls import Kind, passing_over
from evergreen.core.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

_LISTED = 20
_CHANNEL = (
    ("grpc.max_receive_message_length", -1),
    # Left to itself, gRPC lets a fast server run tens of megabytes ahead of the reader, on every stream.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 1 << 20),
)


@dataclass(frozen=True)
class Estimate:
    """What a query would take: bytes that it reads, the tables behind it, and the columns that it gives."""

    bytes: int
    tables: tuple[TableId, ...]
    columns: tuple[str, ...]


@dataclass(frozen=True)
class TableState:
    """A table's metadata: equal `mark`s promise equal rows.

    `partitions` is the unit of its partitions and the column that they are made by: None where ingestion makes them.
    `filtered`: queries must choose some of them.
    The etag is not part of the mark: it moves with labels, the description and the expiration, too.
    """

    rows: int
    bytes: int
    modified: str
    mark: tuple[str, ...]
    kinds: Mapping[str, str]
    partitions: tuple[str, str | None] | None = None
    filtered: bool = False


@dataclass(frozen=True)
class BigQueryWarehouse:
    """BigQuery in a project and location; `deadline_s` bounds how long transient errors are retried."""

    project: str
    location: str
    labels: Mapping[str, str]
    deadline_s: float

    def state(self, table: TableId) -> TableState:
        """The table's metadata. Raises InputError naming the tables that there are."""
        with translated(f"table '{table}'", lambda: self._tables_beside(table)):
            return self._state(table)

    def state_behind(self, table: TableId) -> TableState | None:
        """The same of a table that a view or a query reads; None where BigQuery does not show it.

        So it is with what an authorized view reads, and with the names of wildcard tables and INFORMATION_SCHEMA.
        """
        with translated(f"table '{table}'"), unseen():
            return self._state(table)
        return None

    def _state(self, table: TableId) -> TableState:
        metadata = self._client.get_table(str(table), retry=self._retry)
        modified = metadata.modified.isoformat() if metadata.modified else ""
        buffer = metadata.streaming_buffer
        waiting = f"{buffer.estimated_rows} {buffer.oldest_entry_time}" if buffer else ""
        kinds = {field.name: field.field_type for field in metadata.schema}
        schema = json.dumps([field.to_api_repr() for field in metadata.schema], sort_keys=True)
        mark = (str(table), modified, str(metadata.num_rows), str(metadata.num_bytes), schema, waiting)
        partitioning = metadata.time_partitioning
        partitions = (partitioning.type_, partitioning.field) if partitioning else None
        return TableState(
            rows=metadata.num_rows or 0,
            bytes=metadata.num_bytes or 0,
            modified=modified,
            mark=mark,
            kinds=kinds,
            partitions=partitions,
            filtered=bool(metadata.require_partition_filter),
        )

    def estimate(self, query: Query, what: str) -> Estimate:
        """What the query would take; nothing is read or billed. Raises InputError where BigQuery refuses it."""
        with translated(what):
            configuration = self._configuration(query, dry_run=True)
            job = self._client.query(
                query.sql, configuration, location=self.location, retry=self._retry, job_retry=None
            )
            if job.statement_type not in {None, "SELECT"}:
                raise InputError(
                    f"{what} is a {job.statement_type} for BigQuery, whose rows cannot be read; let it be one SELECT: "
                    "instead of variables of a script use WITH, and let another job change tables"
                )
            tables = [
                TableId(reference.project, reference.dataset_id, reference.table_id)
                for reference in job.referenced_tables
            ]
            columns = [field.name for field in job.schema or ()]
            return Estimate(int(job.total_bytes_processed), tuple(tables), tuple(columns))

    def rows(self, query: Query, what: str, limit_bytes: int, streams: int) -> Iterator[pa.RecordBatch]:
        """The query's answer, streamed from its temporary table by the Storage Read API."""
        with translated(what):
            configuration = self._configuration(query, maximum_bytes_billed=limit_bytes)
            job = self._client.query(
                query.sql, configuration, job_id_prefix="evergreen-", location=self.location, retry=self._retry
            )
            job.result(retry=self._retry)
            yield from self._streamed(job.destination, streams)

    def _streamed(self, table: Any, streams: int) -> Iterator[pa.RecordBatch]:
        from google.cloud.bigquery_storage_v1 import types

        path = f"projects/{table.project}/datasets/{table.dataset_id}/tables/{table.table_id}"
        wanted = types.ReadSession(table=path, data_format=types.DataFormat.ARROW)
        with self._read_client() as client:
            session = client.create_read_session(
                parent=f"projects/{self.project}",
                read_session=wanted,
                max_stream_count=streams,
                retry=self._retry,
            )
            yield from read_streams(client, [stream.name for stream in session.streams], self._retry, self.deadline_s)

    def _read_client(self) -> Any:
        from google.cloud.bigquery_storage_v1 import BigQueryReadClient
        from google.cloud.bigquery_storage_v1.services.big_query_read.transports import BigQueryReadGrpcTransport

        transport = BigQueryReadGrpcTransport(channel=BigQueryReadGrpcTransport.create_channel(options=_CHANNEL))
        return BigQueryReadClient(transport=transport)  # type: ignore[no-untyped-call] # the library has no types

    @cached_property
    def _client(self) -> Any:
        from google.cloud import bigquery

        return bigquery.Client(project=self.project, location=self.location)

    @property
    def _retry(self) -> Any:
        return transient_retry(self.deadline_s)

    def _configuration(self, query: Query, **settings: Any) -> Any:
        from google.cloud import bigquery

        parameters = [
            bigquery.ScalarQueryParameter(name, kind, value) for name, (kind, value) in query.parameters.items()
        ]
        return bigquery.QueryJobConfig(query_parameters=parameters, labels=dict(self.labels), **settings)

    def _tables_beside(self, table: TableId) -> str:
        """The tables of the dataset, or the datasets of the project where it is the dataset that is missing."""
        dataset = f"{table.project}.{table.dataset}"
        with passing_over(*Kind):
            there = [item.table_id for item in self._client.list_tables(dataset, max_results=_LISTED)]
            return f" (dataset {dataset} has: {', '.join(there) or 'no table'})"
        there = [item.dataset_id for item in self._client.list_datasets(table.project, max_results=_LISTED)]
        return f" (project {table.project} has datasets: {', '.join(there) or 'none'})"
