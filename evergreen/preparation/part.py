"""The work on one part: its rows read, checked, brought to size, and written as shards of their own.

What is written depends on the part alone, so that any number of workers gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from evergreen.adapters.files.destination import opened_files, put_file
from evergreen.adapters.files.prepared import PREFIX
from evergreen.adapters.files.table_writers import json_line
from evergreen.core.errors import EvergreenError
from evergreen.core.intake import IntakeCount
from evergreen.core.members import examinable
from evergreen.core.preparation import PreparedRows
from evergreen.data.prepare import PREPARED
from evergreen.data.shards import ShardWriter, regroup
from evergreen.preparation.plan import Part, Plan
from evergreen.preparation.summary import EXAMPLES, Failure, Shard, Summary, added

if TYPE_CHECKING:
    import pyarrow as pa

REJECTED = "_rejected-"
"""How the names of the lists of unusable rows begin, one for each part that has some."""


def prepare_part(
    part: Part, plan: Plan, known: Collection[str] = (), dropped: Mapping[int, Collection[int]] | None = None
) -> tuple[str, Summary | None]:
    """What came of the part, by the name of its shards; None where those are `known`, and nothing was done.

    Errors are part of it, for a runner would repeat what can only fail again. `dropped` holds the places, from 0, of
    the rows of each part that repeat others.
    """
    places = frozenset((dropped or {}).get(part.number, ()))
    shards = plan.shards_of(part, places)
    if shards in known:
        return shards, None
    try:
        return shards, _prepared(part, plan, places, shards)
    except EvergreenError as error:
        return shards, Summary(failures=(Failure(message=str(error), exit_code=error.exit_code),))


def _prepared(part: Part, plan: Plan, dropped: frozenset[int], name: str) -> Summary:
    tally = _Tally()
    with TemporaryDirectory(prefix="evergreen-part-") as scratch:
        folder = Path(scratch)
        with ShardWriter(folder) as writer:
            for table in regroup(_good_rows(part, plan, dropped, tally)):
                writer.write(table.rename_columns(list(plan.columns.values())).replace_schema_metadata({PREPARED: "1"}))
        if part.raw.fingerprint() != part.fingerprint:
            raise EvergreenError(f"{plan.preparation.origin.kind}: raw data changed while they were read; run again")
        rejected = folder / f"{REJECTED}{name}.jsonl"
        rejected.write_text("".join(map(json_line, tally.bad)), encoding="utf-8")
        shards = []
        with opened_files(plan.staging) as files:
            for entry in writer.entries:
                target = f"{PREFIX}{name}-{entry.name.removeprefix('rows-')}"
                put_file(files, folder / entry.name, f"{plan.staging}/{target}")
                shards.append(Shard(name=target, rows=_rows_in(folder / entry.name), sha256=entry.sha256))
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
        left_out=tally.intake.left_out,
    )


class _Tally:
    """What is learnt of the rows while they pass."""

    def __init__(self) -> None:
        self.seen = 0
        self.intake = IntakeCount()
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
    for batch in _raw_rows(part, plan, tally.intake):
        tally.seen += batch.num_rows
        places = range(first, first + batch.num_rows)
        first += batch.num_rows
        kept = batch.filter(pa.array([place not in dropped for place in places])) if dropped else batch
        prepared = examinable(plan.task).prepare_rows(kept, plan.preparation.image_size)
        tally.add(prepared)
        yield prepared.rows.select(list(plan.columns))


def _raw_rows(part: Part, plan: Plan, count: IntakeCount) -> Iterator[pa.RecordBatch]:
    with plan.reading():
        yield from part.raw.rows(count)


def _rows_in(file: Path) -> int:
    import pyarrow.parquet as pq

    return int(pq.read_metadata(file).num_rows)
