"""The Storage Read API: a session over a table's columns and rows, cut into streams of Arrow record batches.

A session is the table as it is while it is read: rows appended later are not in it, deleted ones vanish from it
(Google's is a snapshot). Sessions are forgotten when the service stops.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa
import sqlglot
from google.cloud.bigquery_storage_v1 import types
from google.protobuf import timestamp_pb2

from cloudbox.bigquery.failures import BigQueryError, invalid, not_found, not_simulated
from cloudbox.bigquery.schemas import Field, arrow_schema, quoted
from cloudbox.bigquery.tables import TableName, Tables, as_schema
from cloudbox.errors import ApiError

_BATCH_ROWS = 2_048
_STREAM_ROWS = 10_000
_MOST_STREAMS = 8
_LIFETIME_S = 24 * 3600
_COMPRESSIONS = {1: "lz4", 2: "zstd"}


@dataclass(frozen=True)
class Part:
    """What one stream reads: the rows of a table within a range of row numbers, as far as a condition holds."""

    table: TableName
    fields: tuple[Field, ...]
    first: int
    end: int
    condition: str
    compression: str | None

    @property
    def sql(self) -> str:
        """The query of the stream, whose first rows are skipped by `?`."""
        columns = ", ".join(quoted(column["name"]) for column in self.fields)
        return (
            f"SELECT {columns} FROM {self.table.sql} "
            f"WHERE rowid >= {self.first} AND rowid < {self.end}{self.condition} OFFSET ?"
        )


@dataclass(frozen=True)
class StorageRead:
    """Sessions over the tables of a warehouse."""

    tables: Tables
    parts: dict[str, Part] = field(default_factory=dict)

    def create_session(self, request: types.CreateReadSessionRequest) -> types.ReadSession:
        """The session with its schema and streams. Raises ApiError."""
        try:
            return self._open_session(request)
        except BigQueryError as error:
            raise ApiError(error.status, error.message) from error

    def read_rows(self, request: types.ReadRowsRequest) -> Iterator[types.ReadRowsResponse]:
        """The batches of a stream from an offset. Raises ApiError."""
        part = self.parts.get(request.read_stream)
        if part is None:
            error = not_found("Stream", request.read_stream)
            raise ApiError(error.status, error.message)
        schema = arrow_schema(part.fields)
        options = pa.ipc.IpcWriteOptions(compression=part.compression)
        head: types.ArrowSchema | None = types.ArrowSchema(serialized_schema=schema.serialize().to_pybytes())
        with self.tables.warehouse.reading() as cursor:
            batches: pa.RecordBatchReader = cursor.sql(part.sql, params=[request.offset]).to_arrow_reader(_BATCH_ROWS)
            for batch in batches:
                table = as_schema(pa.Table.from_batches([batch]), schema).combine_chunks()
                for chunk in table.to_batches():
                    yield _response(chunk, options, head)
                    head = None  # only the first response of a call tells the schema

    def _open_session(self, request: types.CreateReadSessionRequest) -> types.ReadSession:
        asked = request.read_session
        _, project, _, dataset, _, table = asked.table.split("/")
        name = TableName(project, dataset, table)
        if asked.data_format != types.DataFormat.ARROW:
            raise not_simulated(f"Storage Read sessions in {types.DataFormat(asked.data_format).name}")
        if asked.table_modifiers.snapshot_time:
            raise not_simulated("Storage Read sessions of a moment in the past (snapshot_time)")
        fields = _selected(self.tables.fields(name), list(asked.read_options.selected_fields), name)
        compression = _COMPRESSIONS.get(int(asked.read_options.arrow_serialization_options.buffer_compression))
        condition = self._condition(name, asked.read_options.row_restriction)
        first = Part(name, tuple(fields), 0, 0, condition, compression)
        session = f"projects/{project}/locations/us/sessions/{uuid.uuid4().hex}"
        streams = self._open_streams(session, first, request.max_stream_count or request.preferred_min_stream_count)
        body = self.tables.get(name)
        return types.ReadSession(
            name=session,
            table=asked.table,
            data_format=types.DataFormat.ARROW,
            read_options=asked.read_options,
            expire_time=timestamp_pb2.Timestamp(seconds=int(body["lastModifiedTime"]) // 1000 + _LIFETIME_S),
            arrow_schema=types.ArrowSchema(serialized_schema=arrow_schema(fields).serialize().to_pybytes()),
            streams=[types.ReadStream(name=stream) for stream in streams],
            estimated_row_count=int(body["numRows"]),
            estimated_total_bytes_scanned=int(body["numBytes"]),
        )

    def _open_streams(self, session: str, part: Part, wanted: int) -> list[str]:
        """Ranges of row numbers of equal length: no more streams than wanted, none for an empty table."""
        with self.tables.warehouse.reading() as cursor:
            row = cursor.execute(f"SELECT coalesce(max(rowid) + 1, 0) FROM {part.table.sql}").fetchone()
        end = int(row[0]) if row else 0
        count = min(wanted or _MOST_STREAMS, _MOST_STREAMS, -(-end // _STREAM_ROWS))
        names = []
        for index in range(count):
            name = f"{session}/streams/{uuid.uuid4().hex}"
            cut = (end * index // count, end * (index + 1) // count)
            self.parts[name] = Part(part.table, part.fields, *cut, part.condition, part.compression)
            names.append(name)
        return names

    def _condition(self, name: TableName, restriction: str) -> str:
        if not restriction:
            return ""
        try:
            condition = f" AND ({sqlglot.parse_one(restriction, read='bigquery').sql(dialect='duckdb')})"
            with self.tables.warehouse.reading() as cursor:
                cursor.execute(f"SELECT 1 FROM {name.sql} WHERE true{condition} LIMIT 0")
        except (sqlglot.errors.SqlglotError, duckdb.Error) as error:
            raise invalid(f"Row filter for {name} is invalid: {str(error).splitlines()[0]}") from error
        return condition


def _selected(fields: list[Field], names: list[str], table: TableName) -> list[Field]:
    wanted = {name.lower() for name in names}
    unknown = wanted - {column["name"].lower() for column in fields}
    if unknown:
        raise invalid(
            f"The following selected fields do not exist in the table schema of {table}: {', '.join(unknown)}"
        )
    return [column for column in fields if not wanted or column["name"].lower() in wanted]


def _response(
    batch: pa.RecordBatch, options: pa.ipc.IpcWriteOptions, head: types.ArrowSchema | None
) -> types.ReadRowsResponse:
    """The batch as one message; only a stream writer compresses, so the schema before it is dropped again."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=options) as writer:
        writer.write_batch(batch)
    messages = pa.ipc.MessageReader.open_stream(sink.getvalue())
    messages.read_next_message()
    serialized = messages.read_next_message().serialize().to_pybytes()
    return types.ReadRowsResponse(
        arrow_record_batch=types.ArrowRecordBatch(serialized_record_batch=serialized, row_count=batch.num_rows),
        arrow_schema=head,
        row_count=batch.num_rows,
    )
