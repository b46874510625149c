"""A dataset directory from a stream of canonical rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from evergreen.core.artifacts import Dataset, DatasetManifest, SourceIdentity
from evergreen.core.errors import EvergreenError, InputError
from evergreen.core.intake import Intake, IntakeCount
from evergreen.data.shards import ShardWriter, regroup

if TYPE_CHECKING:
    import pyarrow as pa


def write_dataset(
    batches: Iterable[pa.RecordBatch],
    out_dir: Path,
    source: SourceIdentity | Callable[[], SourceIdentity],
    count: IntakeCount | None = None,
) -> Dataset:
    """The dataset of the rows in `batches`, as Parquet shards below `out_dir`.

    Where rows can change while they are read, `source` is called after the last one: another identity than the one
    promised then tells it. `count` counted what was seen and left out on the way here; None: nothing was left out.

    Raises:
        InputError: no rows at all.
        EvergreenError: rows that were seen are neither here nor counted as left out.
    """
    watermark: datetime | None = None
    columns: dict[str, str] = {}
    with ShardWriter(out_dir) as writer:
        for table in regroup(batches):
            writer.write(table)
            columns = columns or {field.name: str(field.type) for field in table.schema}
            watermark = _latest(table, watermark)
    identity = source if isinstance(source, SourceIdentity) else source()
    if not writer.rows:
        left_out = count.left_out.words() if count else ""
        told = f": all of {count.seen:,} are left out: {left_out}" if count and left_out else ""
        raise InputError(f"no rows in {identity.description}{_between(identity)}{told}")
    manifest = DatasetManifest(
        files=tuple(writer.entries),
        rows=writer.rows,
        columns=columns,
        source=identity,
        watermark=watermark,
        intake=_intake(writer.rows, count, identity),
    )
    return Dataset.write(out_dir, manifest)


def _intake(rows: int, count: IntakeCount | None, source: SourceIdentity) -> Intake:
    if count is None:
        return Intake(seen=rows, read=rows)
    try:
        return count.intake(rows)
    except ValueError as error:
        raise EvergreenError(
            f"rows of {source.description} were lost: {count.seen:,} seen, {rows:,} written"
        ) from error


def _latest(table: pa.Table, watermark: datetime | None) -> datetime | None:
    import pyarrow.compute as pc

    if "timestamp" not in table.column_names:
        return watermark
    latest: datetime | None = pc.max(table["timestamp"]).as_py()
    return max((moment for moment in (latest, watermark) if moment), default=None)


def _between(source: SourceIdentity) -> str:
    if source.window is None:
        return "; give it some"
    start, end = source.window.start.isoformat(), source.window.end.isoformat()
    return f" between {start} (included) and {end} (excluded); widen the window"
