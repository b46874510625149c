"""The work on one part: its rows read, checked, brought to size, and written as shards of their own.

What is written depends on the part alone, so that any number of workers gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from evergreen.adapters.files.destination import opened_files, put_file
from evergreen.adapters.files.table_writers import json_line
from evergreen.core.errors import EvergreenError
from evergreen.core.members import examinable
from evergreen.core.preparation import PreparedRows
from evergreen.data.prepare import PREPARED
from evergreen.data.shards import ShardWriter, regroup
from evergreen.preparation.plan import Part, Plan
from evergreen.preparation.summary import EXAMPLES, Failure, Shard, Summary, added

if TYPE_CHECKING:
    import pyarrow as pa

REJECTED = "rejected-"


def prepare_part(part: Part, plan: Plan, dropped: Mapping[int, Collection[int]] | None = None) -> Summary:
    """What came of the part; errors are told in it, for a runner would repeat what can only fail again.

    `dropped` holds the places, from 0, of the rows of each part that repeat others.
    """
    try:
        return _prepared(part, plan, frozenset((dropped or {}).get(part.number, ())))
    except EvergreenError as error:
        return Summary(failures=(Failure(message=str(error), exit_code=error.exit_code),))


def _prepared(part: Part, plan: Plan, dropped: frozenset[int]) -> Summary:
    tally = _Tally()
    with TemporaryDirectory(prefix="evergreen-part-") as name:
        folder = Path(name)
        writer = ShardWriter(folder)
        for table in regroup(_good_rows(part, plan, dropped, tally)):
            writer.write(table.rename_columns(list(plan.columns.values())).replace_schema_metadata({PREPARED: "1"}))
        writer.close()
        rejected = folder / f"{REJECTED}{part.number:05d}.jsonl"
        rejected.write_text("".join(map(json_line, tally.bad)), encoding="utf-8")
        shards = []
        with opened_files(plan.staging) as files:
            for entry in writer.entries:
                target = f"{part.number:05d}-{entry.name.removeprefix('rows-')}"
                put_file(files, folder / entry.name, f"{plan.staging}/{target}")
                rows = _rows_in(folder / entry.name)
                shards.append(Shard(name=target, rows=rows, sha256=entry.sha256))
            if tally.bad:
                put_file(files, rejected, f"{plan.staging}/{rejected.name}")
    return Summary(
        shards=tuple(shards),
        seen=tally.seen,
        rows=writer.rows,
        bad=len(tally.bad),
        duplicates=len(dropped),
        examples={row["id"]: row["reason"] for row in tally.bad[:EXAMPLES]},
        counts=tally.counts,
    )


class _Tally:
    """What is learnt of the rows while they pass."""

    def __init__(self) -> None:
        self.seen = 0
        self.bad: list[dict[str, str]] = []
        self.counts: dict[str, dict[str, int]] = {}

    def add(self, prepared: PreparedRows) -> None:
        """Counts a batch."""
        self.bad += [{"id": name, "reason": reason} for name, reason in prepared.bad]
        counts = {what: dict(numbers) for what, numbers in prepared.counts.items()}
        if "split" in prepared.rows.schema.names:
            listed = prepared.rows["split"].value_counts().to_pylist()
            counts["split"] = {str(entry["values"]): entry["counts"] for entry in listed}
        self.counts = added([self.counts, counts])


def _good_rows(part: Part, plan: Plan, dropped: frozenset[int], tally: _Tally) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    first = 0
    for batch in plan.rows(part):
        tally.seen += batch.num_rows
        places = range(first, first + batch.num_rows)
        first += batch.num_rows
        kept = batch.filter(pa.array([place not in dropped for place in places])) if dropped else batch
        prepared = examinable(plan.task).prepare_rows(kept, plan.preparation.image_size)
        tally.add(prepared)
        yield prepared.rows.select(list(plan.columns))


def _rows_in(file: Path) -> int:
    import pyarrow.parquet as pq

    return int(pq.read_metadata(file).num_rows)
