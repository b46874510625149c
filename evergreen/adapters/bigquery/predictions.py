"""Predictions as a BigQuery table: a load job a part into a staging table of its own, one copy of all at the end.

news.predictions__replace_00003_9f2c41d07be8a615_2   is there: part 3 is loaded, whole
news.predictions__lease                              says whose job writes the table now
news.predictions                                     holds all parts in order, from one moment to the next

Jobs are named for what they do, so that one that was started is never started twice, whoever asks for it again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any, Self

from evergreen.adapters.bigquery.failures import transient_retry, translated
from evergreen.adapters.bigquery.leases import BigQueryLease
from evergreen.adapters.bigquery.output_settings import BigQueryOutput
from evergreen.adapters.google.calls import Kind, failure_of, passing_over
from evergreen.core.batch import Part, PartFormat, Turn
from evergreen.core.errors import InputError
from evergreen.core.lease import Holder, Lease
from evergreen.runtime.hold import Patience, held

_MARK = "Predictions by Evergreen"
_MOST_SOURCES = 1_000
"""Of a copy job; Google's limit is 1,200. https://cloud.google.com/bigquery/quotas#copy_jobs"""
_UPLOAD_RETRIES = 6
_ABANDONED = timedelta(days=7)
"""After which a staging table is of a job that nobody goes on with."""


@dataclass(frozen=True)
class BigQueryPredictions:
    """Parts for an `output`."""

    output: BigQueryOutput

    @property
    def part_format(self) -> PartFormat:
        """What is loaded with its types."""
        return "parquet"

    @property
    def is_local(self) -> bool:
        """No."""
        return False

    @property
    def is_delimited(self) -> bool:
        """No."""
        return False

    def of_rows(self, dialect: Mapping[str, Any], *, typed: bool) -> Self:  # noqa: ARG002 - the protocol's
        """The same: BigQuery takes rows as they are typed."""
        return self

    def check(self) -> str:
        """The table. Raises InputError: it may not be replaced, or BigQuery does not let us look."""
        table = self.output.table_id
        with translated(f"table '{table}'"):
            self._ensure_dataset()
            there = self._find(table.table)
            is_replaced = there is not None and self.output.write == "replace" and there.num_rows
            if is_replaced and not _is_ours(there) and not self.known():  # parts are there where it was looked before
                raise InputError(
                    f"table {table} holds {there.num_rows:,} rows that are no predictions, and is left alone; set "
                    "output.write: append, or name another output.table"
                )
        return str(table)

    @contextmanager
    def turn(self, holder: Holder, over: Callable[[Lease], bool]) -> Iterator[Turn]:
        """By a lease beside the table, the same for rows that are added and for those that replace others."""
        table = self.output.table_id
        store = BigQueryLease(self.output, f"{table.table}__lease")
        with held(store, f"table {table}", holder, Patience(0, over=over)) as claim:
            yield claim

    def known(self) -> Iterable[Part]:
        """Those whose staging tables are there: a load job makes one at its end, with all rows."""
        with translated(f"dataset '{self._dataset}'"):
            return [part for item in self._listed() if (part := self._part_of(item.table_id))]

    def put(self, part: Part, file: Path) -> None:
        """Loads the part into its staging table."""
        name = self._staging(part)

        def load(job_id: str) -> Any:
            with file.open("rb") as content:
                return self._client.load_table_from_file(
                    content,
                    self._full(name),
                    size=file.stat().st_size,
                    num_retries=_UPLOAD_RETRIES,
                    job_id=job_id,
                    location=self.output.location,
                    job_config=self._load_configuration(),
                )

        with translated(f"table '{self._full(name)}'"):
            self._once(f"evergreen-batch-load-{name}", load, lambda: self._find(name) is not None)

    def finish(self, parts: Sequence[Part]) -> str:
        """The table, with these parts' rows; their staging tables go, and those that were left long ago."""
        table = self.output.table_id
        content = hashlib.sha256(json.dumps([self.output.write, *map(str, parts)]).encode()).hexdigest()[:16]
        with translated(f"table '{table}'"):
            self._copy(parts, content)
            self._clean(set(parts))
        return str(table)

    def _copy(self, parts: Sequence[Part], content: str) -> None:
        table, before = self.output.table_id, self._find(self.output.table_id.table)
        replaces = self.output.write == "replace"
        described = f"{_MARK}: {content}"
        if replaces and before is not None and before.description == described:
            return

        def is_there() -> bool:
            return not replaces and before is not None

        sources = [self._staging(part) for part in parts]
        for level in count():
            if len(sources) <= _MOST_SOURCES:
                break
            sources = [self._joined(some, f"{content}_{level}_{number}") for number, some in _chunks(sources)]
        disposition = "WRITE_TRUNCATE" if replaces else "WRITE_APPEND"
        name = f"evergreen-batch-copy-{table.dataset}-{table.table}-{content}"
        self._once(name, lambda job_id: self._start_copy(sources, table.table, disposition, job_id), is_there)
        held = self._find(table.table)
        if before is None or _is_ours(before) or not before.num_rows:
            held.description = described
            self._client.update_table(held, ["description"], retry=self._retry)

    def _joined(self, sources: Sequence[str], name: str) -> str:
        """One staging table of several, for there are more than one copy takes."""
        target = f"{self._prefix}joined_{name}"
        self._once(
            f"evergreen-batch-join-{target}",
            lambda job_id: self._start_copy(sources, target, "WRITE_TRUNCATE", job_id),
            lambda: self._find(target) is not None,
        )
        return target

    def _start_copy(self, sources: Sequence[str], target: str, disposition: str, job_id: str) -> Any:
        from google.cloud import bigquery

        configuration = bigquery.CopyJobConfig(write_disposition=disposition, labels=dict(self.output.job_labels))
        return self._client.copy_table(
            [self._full(source) for source in sources],
            self._full(target),
            job_id=job_id,
            location=self.output.location,
            job_config=configuration,
            retry=self._retry,
        )

    def _once(self, name: str, start: Callable[[str], Any], is_done: Callable[[], bool]) -> None:
        """Lets a job of this name be done: one that another try has started is waited for, and done again only where it
        failed, or what it did is gone.
        """
        for attempt in count(1):
            job_id = name if attempt == 1 else f"{name}-{attempt}"
            try:
                job = start(job_id)
            except Exception as error:
                failure = failure_of(error)
                if failure is None or failure.kind is not Kind.CONFLICT:
                    raise
                if self._ended_well(job_id) and is_done():
                    return
            else:
                job.result(retry=self._retry)
                return

    def _ended_well(self, job_id: str) -> bool:
        job = self._client.get_job(job_id, location=self.output.location, retry=self._retry)
        if job.state != "DONE":
            job.result(retry=self._retry)
        return job.error_result is None

    def _clean(self, own: set[Part]) -> None:
        oldest = datetime.now(UTC) - _ABANDONED
        for item in self._listed():
            part = self._part_of(item.table_id)
            is_left = part is not None and item.created is not None and item.created < oldest
            if part in own or is_left or item.table_id.startswith(f"{self._prefix}joined_"):
                self._client.delete_table(self._full(item.table_id), not_found_ok=True, retry=self._retry)

    def _load_configuration(self) -> Any:
        from google.cloud import bigquery

        return bigquery.LoadJobConfig(
            source_format=bigquery.SourceFormat.PARQUET,
            write_disposition=bigquery.WriteDisposition.WRITE_TRUNCATE,
            labels=dict(self.output.job_labels),
        )

    def _staging(self, part: Part) -> str:
        return f"{self._prefix}{str(part).replace('-', '_')}"

    def _part_of(self, table: str) -> Part | None:
        if not table.startswith(self._prefix):
            return None
        return Part.parse(table.removeprefix(self._prefix).replace("_", "-"))

    @property
    def _prefix(self) -> str:
        """How the names of its staging tables begin; what may be added to may not be replaced."""
        return f"{self.output.table_id.table}__{self.output.write}_"

    def _full(self, table: str) -> str:
        return f"{self._dataset}.{table}"

    @property
    def _dataset(self) -> str:
        return f"{self.output.table_id.project}.{self.output.table_id.dataset}"

    def _listed(self) -> Iterable[Any]:
        return list(self._client.list_tables(self._dataset, retry=self._retry))

    def _find(self, table: str) -> Any:
        with passing_over(Kind.MISSING):
            return self._client.get_table(self._full(table), retry=self._retry)
        return None

    def _ensure_dataset(self) -> None:
        """Makes the data set where it is missing: who may write one that is there may not make others."""
        from google.cloud import bigquery

        with passing_over(Kind.MISSING):
            self._client.get_dataset(self._dataset, retry=self._retry)
            return
        dataset = bigquery.Dataset(self._dataset)
        dataset.location = self.output.location
        self._client.create_dataset(dataset, exists_ok=True, retry=self._retry)

    @cached_property
    def _client(self) -> Any:
        from google.cloud import bigquery

        return bigquery.Client(project=self.output.project, location=self.output.location)

    @property
    def _retry(self) -> Any:
        return transient_retry(self.output.retry_deadline_s)

    def __getstate__(self) -> dict[str, Any]:
        """What travels to workers: not the client."""
        return {"output": self.output}


def _is_ours(table: Any) -> bool:
    return str(table.description or "").startswith(_MARK)


def _chunks(sources: Sequence[str]) -> Iterable[tuple[int, Sequence[str]]]:
    starts = range(0, len(sources), _MOST_SOURCES)
    return enumerate(sources[start : start + _MOST_SOURCES] for start in starts)
