"""Prepared rows as the BigQuery table that a source of kind `bigquery` reads.

One load job of one Parquet file: the table holds all rows or those of before. It is partitioned by day and clustered by
label; its description tells that it was prepared, and from what.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from evergreen.adapters.bigquery.failures import is_access_denied, transient_retry, translated
from evergreen.adapters.bigquery.settings import BigQuerySettings, TableId
from evergreen.adapters.google.calls import Kind, failure_of, passing_over
from evergreen.core.errors import InputError
from evergreen.core.preparation import Prepared

_MARK = "Prepared by Evergreen"
_ROLES = "roles/bigquery.jobUser and roles/bigquery.dataEditor on the project, or on a data set that is there"
_UPLOAD_RETRIES = 6


@dataclass(frozen=True)
class BigQueryDestination:
    """The table that `source` reads; with `filtered` every query of it must name a range of times."""

    source: BigQuerySettings
    filtered: bool

    def store(self, prepared: Prepared, *, append: bool) -> str:
        """Replaces a table that was prepared before, or adds to any; the same rows again replace nothing.

        Raises:
            InputError: the table was not prepared, the source reads a query, or no permission.
            EvergreenError: BigQuery does not answer.
        """
        table = self.source.table_id
        if table is None:
            raise InputError("prepared rows go to a table, and the source reads source.query_file; set source.table")
        with _writing(table):
            before = self._find(table)
            if before is None:
                self._ensure_dataset(f"{table.project}.{table.dataset}")
            if before is not None and not append:
                _check_prepared(before, table)
                _check_layout(before, table, prepared)
                if _content(before) == prepared.fingerprint and before.num_rows == prepared.rows:
                    return f"table {table} holds these rows already; nothing was loaded"
            if before is not None and _content(before):
                self._describe(before, f"{_MARK}: being loaded")  # so that a load cut short is never taken for whole
            self._load(table, prepared, append=append, is_new=before is None)
            self._finish(table, prepared, before, append=append)
        return f"table {table}, {prepared.rows:,} rows {'added' if append and before is not None else 'loaded'}"

    def _find(self, table: TableId) -> Any:
        """The table, or None; nothing is changed."""
        with passing_over(Kind.MISSING):
            return self._client.get_table(str(table), retry=self._retry)
        return None

    def _ensure_dataset(self, name: str) -> None:
        """Makes the data set where it is missing: who may write one that is there may not make others."""
        from google.cloud import bigquery

        with passing_over(Kind.MISSING):
            self._client.get_dataset(name, retry=self._retry)
            return
        dataset = bigquery.Dataset(name)
        dataset.location = self.source.location
        self._client.create_dataset(dataset, exists_ok=True, retry=self._retry)

    def _load(self, table: TableId, prepared: Prepared, *, append: bool, is_new: bool) -> None:
        from google.cloud import bigquery

        write = bigquery.WriteDisposition
        configuration = bigquery.LoadJobConfig(
            source_format=bigquery.SourceFormat.PARQUET,
            write_disposition=write.WRITE_APPEND if append else write.WRITE_TRUNCATE,
            labels=dict(self.source.job_labels),
        )
        if is_new or not append:
            configuration.time_partitioning = bigquery.TimePartitioning(field=prepared.columns["timestamp"])
            if "label" in prepared.columns:
                configuration.clustering_fields = [prepared.columns["label"]]
        if is_new:  # of a table that is there, BigQuery refuses to be told another description
            configuration.destination_table_description = f"{_MARK}: being loaded"
        with prepared.path.open("rb") as file:
            job = self._client.load_table_from_file(
                file,
                str(table),
                size=prepared.path.stat().st_size,
                num_retries=_UPLOAD_RETRIES,
                job_id_prefix="evergreen-prepare-",
                location=self.source.location,
                job_config=configuration,
            )
        job.result(retry=self._retry)

    def _finish(self, table: TableId, prepared: Prepared, before: Any, *, append: bool) -> None:
        """Says what the table holds now; one that another made, and that was only added to, is left as it was."""
        if append and before is not None and not _is_prepared(before):
            return
        held = self._client.get_table(str(table), retry=self._retry)
        held.require_partition_filter = self.filtered
        whole = not append or before is None
        content = f"content {prepared.fingerprint}" if whole else "added to"
        self._describe(held, f"{_MARK}: {content}", "require_partition_filter")

    def _describe(self, table: Any, description: str, *fields: str) -> None:
        table.description = description
        self._client.update_table(table, ["description", *fields], retry=self._retry)

    @cached_property
    def _client(self) -> Any:
        from google.cloud import bigquery

        return bigquery.Client(project=self.source.project, location=self.source.location)

    @property
    def _retry(self) -> Any:
        return transient_retry(self.source.retry_deadline_s)


def _is_prepared(table: Any) -> bool:
    return str(table.description or "").startswith(_MARK)


def _content(table: Any) -> str | None:
    """The fingerprint of the rows that the table was filled with, when nothing else was done to it by `prepare`."""
    _, marker, fingerprint = str(table.description or "").partition(f"{_MARK}: content ")
    return fingerprint if marker else None


def _check_prepared(existing: Any, table: TableId) -> None:
    if not _is_prepared(existing) and existing.num_rows:
        raise InputError(
            f"table {table} holds {existing.num_rows:,} rows that were not prepared, and is left alone; add to it with "
            f"--append, name another source.table, or delete it: {_removal(table)}"
        )


def _check_layout(existing: Any, table: TableId, prepared: Prepared) -> None:
    """A load replaces rows, never how they are laid out: BigQuery refuses it only after the upload."""
    partitioning = existing.time_partitioning
    present = (partitioning.field if partitioning else None, ", ".join(existing.clustering_fields or ()))
    wanted = (prepared.columns["timestamp"], prepared.columns.get("label", ""))
    if present != wanted:
        raise InputError(
            f"table {table} is partitioned by {present[0] or 'nothing'} and clustered by {present[1] or 'nothing'}, "
            f"the rows are by {wanted[0]} and {wanted[1] or 'nothing'}; BigQuery replaces rows only where both agree: "
            f"keep source.columns, name another source.table, or delete it: {_removal(table)}"
        )


def _removal(table: TableId) -> str:
    return f"bq rm -t {table.project}:{table.dataset}.{table.table}"


@contextmanager
def _writing(table: TableId) -> Iterator[None]:
    with translated(f"table '{table}'"):
        try:
            yield
        except Exception as error:
            failure = failure_of(error)
            if failure is None or not is_access_denied(failure):
                raise
            raise InputError(
                f"table {table} may not be written: {failure.reason}; the account needs {_ROLES}"
            ) from error
