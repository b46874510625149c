"""The lease of a table that jobs write: an empty table beside it, whose description holds the lease.

{"generation": 3, "written": "2026-11-28T19:46:02Z", "lease": {"holder": {…}}}

BigQuery changes a table only in the state that was read (`If-Match`) and makes one only where there is none. The
times that decide are its own, the `Date` of its answers. A day after the last change the table goes by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any

from evergreen.adapters.bigquery.failures import transient_retry, translated
from evergreen.adapters.bigquery.output_settings import BigQueryOutput
from evergreen.adapters.google.calls import Kind, failure_of, passing_over
from evergreen.core.base import Frozen
from evergreen.core.errors import EvergreenError
from evergreen.core.lease import TTL_S, Lease, MovedError, Seen

_KEPT = timedelta(days=1)


class _Described(Frozen):
    """The description's content."""

    generation: int
    written: datetime
    lease: Lease


@dataclass
class BigQueryLease:
    """The `LeaseStore` that is the table `name` of an output's data set."""

    output: BigQueryOutput
    name: str
    poll_s: float = 2.0
    _now: datetime = field(default=datetime.min.replace(tzinfo=UTC), init=False)

    def read(self) -> Seen:
        """The lease as it is now.

        Raises:
            InputError: the account may not look, or there is no data set.
            EvergreenError: BigQuery does not answer, or the table is none of this project's.
        """
        with translated(f"table '{self._table}'"):
            found = self._find()
        if found is None:
            return Seen(lease=Lease(), generation=0, now=self._now, until=self._now)
        described = self._described(found)
        until = described.written + timedelta(seconds=TTL_S)
        return Seen(lease=described.lease, generation=described.generation, now=self._now, until=until)

    def write(self, lease: Lease, generation: int) -> int:
        """The new generation. Raises as `read` does, and MovedError when the table has another one than given."""
        from google.cloud import bigquery

        with translated(f"table '{self._table}'"), self._moved(generation):
            table = self._find() or bigquery.Table(self._table)
            there = self._described(table).generation if table.etag else 0
            if there != generation:
                raise MovedError(f"{self._table} has generation {there}, not {generation}")
            described = _Described(generation=generation + 1, written=self._now, lease=lease)
            table.description = described.model_dump_json()
            table.expires = datetime.now(UTC) + _KEPT
            if table.etag:
                self._client.update_table(table, ["description", "expires"], retry=self._retry)
            else:
                self._client.create_table(table, retry=self._retry)
        return described.generation

    def _described(self, table: Any) -> _Described:
        try:
            return _Described.model_validate_json(table.description or "")
        except ValueError as error:
            raise EvergreenError(f"table {self._table} is no lease: {error}; remove the table") from error

    @contextmanager
    def _moved(self, generation: int) -> Iterator[None]:
        """Raises MovedError where another writer was quicker."""
        try:
            yield
        except Exception as error:
            failure = failure_of(error)
            if failure is None or failure.kind not in {Kind.CONFLICT, Kind.PRECONDITION}:
                raise
            raise MovedError(f"{self._table} has another generation than {generation}") from error

    def _find(self) -> Any:
        with passing_over(Kind.MISSING):
            return self._client.get_table(self._table, retry=self._retry)
        return None

    @property
    def _table(self) -> str:
        given = self.output.table_id
        return f"{given.project}.{given.dataset}.{self.name}"

    @cached_property
    def _client(self) -> Any:
        from google.cloud import bigquery

        client = bigquery.Client(project=self.output.project, location=self.output.location)
        client._http.hooks["response"].append(self._set_time)
        return client

    @property
    def _retry(self) -> Any:
        return transient_retry(self.output.retry_deadline_s)

    def _set_time(self, response: Any, *_: Any, **__: Any) -> None:
        """Takes the server's time, whole seconds, from its answer."""
        if date := response.headers.get("Date"):
            self._now = parsedate_to_datetime(date)
