"""The source `bigquery`: rows of a table, or of a query in a file of its own, within the run's window."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from typing_extensions import override

from evergreen.adapters.bigquery.destination import BigQueryDestination
from evergreen.adapters.bigquery.failures import PastStateError
from evergreen.adapters.bigquery.query import INGESTION_UNITS, PARTITION, Query, file_query, new_rows_query, table_query
from evergreen.adapters.bigquery.settings import BigQuerySettings, TableId
from evergreen.adapters.bigquery.tables import check_limit, check_whole, table_of
from evergreen.adapters.bigquery.warehouse import BigQueryWarehouse, Estimate, TableState
from evergreen.core.artifacts import Dataset, ResolvedWindow, SourceIdentity
from evergreen.core.batch import Table
from evergreen.core.errors import InputError
from evergreen.core.intake import IntakeCount
from evergreen.core.members import ReadSource
from evergreen.core.part import NewRows, PartOfSource
from evergreen.core.preparation import Destination
from evergreen.core.protocols import BigQueryData
from evergreen.data.canonical import canonical_rows, with_row_names
from evergreen.data.columns import INGESTED
from evergreen.data.dataset import write_dataset
from evergreen.data.freshness import PartOfRows
from evergreen.data.order import in_order
from evergreen.data.row_fields import TIMES, check_columns, mapped_columns

if TYPE_CHECKING:
    import pyarrow as pa

RECORDS = {"RECORD", "STRUCT"}
_CLOCKS = timedelta(seconds=5)
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Hidden:
    """Tables behind a query that BigQuery does not show, and how many bytes of all tables it would read."""

    tables: tuple[str, ...]
    bytes: int

    @property
    def mark(self) -> list[int]:
        """What stands for their state."""
        return [self.bytes] if self.tables else []

    @property
    def note(self) -> str:
        """What a person should know of it."""
        listed = ", ".join(self.tables)
        return f"; a change of {listed} is noticed by its size alone, since BigQuery shows no more" if listed else ""


_ALL_SHOWN = _Hidden((), 0)


class _KnownBy(BigQuerySettings):
    """Rows without what they say."""

    @property
    @override
    def parts(self) -> dict[str, tuple[str, ...]]:
        return {name: columns for name, columns in super().parts.items() if name in ("id", *TIMES)}


def _pass(rows: Iterable[object]) -> None:
    for _ in rows:
        pass


class BigQuerySource(ReadSource[BigQuerySettings]):
    """Rows of one table, or of the SQL in a file, within the run's window."""

    def identity(self, window: ResolvedWindow | None) -> SourceIdentity:
        """Window, query and the state of every table behind it (last change, rows, bytes, schema); no row is read.

        Of tables that BigQuery does not show, as those behind an authorized view, it is only the bytes that the query
        would read.

        Raises:
            InputError: no such table or column, no permission, or a query that BigQuery refuses.
            EvergreenError: BigQuery does not answer.
        """
        self.settings.check_window(window)
        warehouse = self._warehouse()
        query = self._query(warehouse, window)
        estimate = self._estimate(warehouse, query)
        named = {self.settings.table_id} if self.settings.table_id else set[TableId]()
        states = {table: warehouse.state_behind(table) for table in estimate.tables if table not in named}
        known = {table: state for table, state in states.items() if state is not None}
        hidden = sorted(str(table) for table in states.keys() - known.keys())
        known |= {table: warehouse.state(table) for table in named}
        return self._identity(query, known, window, _Hidden(tuple(hidden), estimate.bytes))

    def read(self, window: ResolvedWindow | None, out_dir: Path) -> Dataset:
        """The rows as Parquet shards below `out_dir`; memory does not grow with rows.

        Raises:
            InputError: as `identity`, more bytes than `maximum_bytes_billed`, or a row that cannot be used.
            EvergreenError: BigQuery does not answer.
        """
        identity = self.identity(window)
        warehouse = self._warehouse()
        query = self._query(warehouse, window)
        check_limit(self.settings, self._estimate(warehouse, query))
        count = IntakeCount()
        dataset = write_dataset(self._rows(warehouse, query, window, count), out_dir, identity, count)
        # Rows that came or went meanwhile, of this window or of none that is read, make another identity.
        manifest = dataset.manifest.model_copy(update={"source": self.identity(window)})
        return Dataset.write(out_dir, manifest)

    def find_new(self, part: PartOfSource) -> NewRows:
        """How many rows are new, by their ids and times, and of those that are by what they say. Raises as `read` does.

        It is the table's state at the moment `until`, set back by what clocks differ: BigQuery refuses the future.
        """
        if part.until is not None:
            moment = part.until - _CLOCKS
            part = part.model_copy(update={"until": moment, "revision": moment.isoformat()})
        count = IntakeCount()
        chosen = PartOfRows(part, count)
        _pass(chosen.of(self._known._new_rows(part, count)))
        if chosen.new:
            new = part.model_copy(update={"replay_share": 0})
            contents = PartOfRows(new, count)
            _pass(contents.of(self._new_rows(new, count)))
            chosen.take_contents(contents)
        return NewRows(identity=self._identity_of(chosen), part=chosen.part, new=chosen.new, replayed=chosen.replayed)

    def read_new(self, part: PartOfSource, out_dir: Path) -> Dataset:
        """The part's rows as Parquet shards, of the same state of the table, in one order whenever they are read.

        Where BigQuery does not keep that state any more, which it does for seven days at most, it is those that arrived
        by then and are there now. Raises as `read` does.
        """
        count = IntakeCount()
        chosen = PartOfRows(part, count)
        rows = in_order(chosen.of(self._new_rows(part, count)))
        return write_dataset(rows, out_dir, lambda: self._identity_of(chosen), count)

    def table(self, window: ResolvedWindow | None, columns: Sequence[str] | None) -> Table:
        """The rows in the order in which one stream gives them. Raises as `read` does."""
        self.settings.check_window(window)
        return table_of(self.settings, self._warehouse(), window, columns)

    def _new_rows(self, part: PartOfSource, count: IntakeCount) -> Iterator[pa.RecordBatch]:
        """What may be new, of the part's state of the table."""
        self.settings.check_incremental()
        table = self.settings.table_id
        if table is None:
            raise InputError("data: incremental needs source.table")
        warehouse = self._warehouse()
        state = warehouse.state(table)
        present = self._present(table, state)
        columns = {name: present[self.settings.mapping[name]] for name in TIMES if name in self.settings.mapping}
        times = {name: (column, state.kinds[column]) for name, column in columns.items()}
        unit = self._ingestion_unit(table, state)
        if unit is None:
            check_whole(table, state, "data: incremental asks for rows of any partition")
        query = new_rows_query(table, list(present.values()), part, times, unit)
        try:
            estimate = self._estimate(warehouse, query)
        except PastStateError:
            _logger.warning("%s is not kept as it was at %s; its rows are read as they are now", table, part.revision)
            present_part = part.model_copy(update={"revision": None})
            query = new_rows_query(table, list(present.values()), present_part, times, unit)
            estimate = self._estimate(warehouse, query)
        check_limit(self.settings, estimate)
        return self._rows(warehouse, query, None, count)

    @cached_property
    def _known(self) -> BigQuerySource:
        """The same rows by what they are known by alone."""
        return BigQuerySource(_KnownBy.model_construct(**dict(self.settings)))

    def _rows(
        self, warehouse: BigQueryWarehouse, query: Query, window: ResolvedWindow | None, count: IntakeCount
    ) -> Iterator[pa.RecordBatch]:
        """The query's answer with canonical columns."""
        what = self.settings.what
        batches = warehouse.rows(query, what, self.settings.maximum_bytes_billed, self.settings.streams)
        return canonical_rows(with_row_names(map(self._mapped, batches), what), self.settings, window, count)

    def _mapped(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The mapped columns, and when the rows came where a query tells it."""
        mapped = mapped_columns(batch, self.settings, self.settings.what)
        return mapped.append_column(INGESTED, batch.column(INGESTED)) if self.settings.has_ingestion_times else mapped

    def _identity_of(self, chosen: PartOfRows) -> SourceIdentity:
        """Of rows by their content, whenever and in whatever order BigQuery gives them."""
        return chosen.identity(self.settings.kind, self.settings.what, self.settings.shaping())

    def destination(self, *, windowed: bool) -> Destination:
        """The table; with `windowed` its queries must name a range of times. Raises InputError for changed columns."""
        self.settings.check_written()
        return BigQueryDestination(self.settings, filtered=windowed)

    def bigquery(self) -> BigQueryData:
        """The table's data set, where it lies, and the limit of bytes."""
        table, most = self.settings.table_id, self.settings.maximum_bytes_billed
        dataset = f"{table.project}:{table.dataset}" if table else None
        return BigQueryData(dataset, self.settings.location, most)

    def _warehouse(self) -> BigQueryWarehouse:
        return BigQueryWarehouse(
            self.settings.project, self.settings.location, self.settings.job_labels, self.settings.retry_deadline_s
        )

    def _query(self, warehouse: BigQueryWarehouse, window: ResolvedWindow | None) -> Query:
        table = self.settings.table_id
        if table is None:
            return file_query(Path(self.settings.what), window)
        state = warehouse.state(table)
        present = self._present(table, state)
        column = present.get(self.settings.mapping.get("timestamp", ""))
        moment = (column, state.kinds[column]) if column else None
        unit = self._ingestion_unit(table, state)
        if unit is None and window is None:
            by = f", and source.columns.timestamp: {state.partitions[1]}" if state.partitions else ""
            check_whole(table, state, f"a run without a window asks for all rows: set `window`{by}")
        return table_query(table, list(present.values()), window, moment, unit)

    def _present(self, table: TableId, state: TableState) -> dict[str, str]:
        """The table's column by mapped one. Raises InputError for one that is not there or cannot be read."""
        self._check_named(table, state.kinds)
        return check_columns(self.settings, list(state.kinds), f"table '{table}'")

    def _ingestion_unit(self, table: TableId, state: TableState) -> str | None:
        """That of the table's partitions, where those tell when rows came. Raises InputError for other partitions."""
        if not self.settings.has_ingestion_times:
            return None
        unit, column = state.partitions or (None, None)
        if column is None and unit in INGESTION_UNITS:
            return unit
        by = f"column {column}" if column else f"{unit} of ingestion"
        how = f"partitioned by {by}" if state.partitions else "not partitioned"
        raise InputError(
            f"table {table} is {how}, and arrived: ingestion needs one that is partitioned by "
            f"{' or '.join(INGESTION_UNITS)} of ingestion (PARTITION BY _PARTITIONDATE); name such a table, or set "
            "source.columns.arrived instead"
        )

    def _check_named(self, table: TableId, kinds: Mapping[str, str]) -> None:
        """Raises InputError for columns that only SQL can name."""
        for column in self.settings.needed:
            if column == self.settings.columns.get("arrived") and column.upper() == PARTITION:
                raise InputError(
                    f"column '{column}' of {table} is a pseudocolumn of BigQuery's; set source.arrived: ingestion, and "
                    "remove source.columns.arrived"
                )
            if column.upper().startswith("_PARTITION") and column not in kinds:
                why = "is a pseudocolumn of BigQuery's"
            elif kinds.get(column) in RECORDS:
                why = "is a record"
            else:
                continue
            raise InputError(
                f"column '{column}' of {table} {why}, which source.columns cannot read; select it, or a field of it, "
                "AS a column in a source.query_file"
            )

    def _estimate(self, warehouse: BigQueryWarehouse, query: Query) -> Estimate:
        estimate = warehouse.estimate(query, self.settings.what)
        if self.settings.query_file is not None:
            check_columns(self.settings, estimate.columns, f"what {self.settings.query_file} selects")
        return estimate

    def _identity(
        self,
        query: Query,
        states: dict[TableId, TableState],
        window: ResolvedWindow | None,
        hidden: _Hidden = _ALL_SHOWN,
    ) -> SourceIdentity:
        bounds = {name: [kind, value.isoformat()] for name, (kind, value) in query.parameters.items()}
        marks = sorted(state.mark for state in states.values())
        content = json.dumps([query.sql, bounds, self.settings.shaping(), marks, *hidden.mark], sort_keys=True)
        rows = sum(state.rows for state in states.values())
        size = sum(state.bytes for state in states.values()) / 1e6
        changed = max((state.modified for state in states.values()), default="")
        is_whole_table = self.settings.table is not None and window is None and len(states) == 1 and not hidden.tables
        return SourceIdentity(
            kind=self.settings.kind,
            fingerprint=hashlib.sha256(content.encode()).hexdigest(),
            description=f"{self.settings.what} ({rows:,} rows, {size:,.1f} MB, changed {changed}){hidden.note}",
            rows=rows if is_whole_table else None,
            window=window,
            atomic=True,  # one query, which sees a snapshot
        )
