"""Which rows of a stream are new to the champion, and what a version covers that is trained on a dataset.

A row is known by id and arrival time: one that is edited and arrives anew is a new row.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from evergreen.core.artifacts import REPLAYED, Dataset, ResolvedWindow, SourceIdentity
from evergreen.core.coverage import (
    NO_TIME,
    Chosen,
    Coverage,
    Keys,
    Rows,
    Times,
    coverage_of,
    micros,
    moment,
    union,
)
from evergreen.core.errors import InputError
from evergreen.core.intake import IntakeCount, LeftOutReason
from evergreen.core.members import SourceSettings
from evergreen.core.part import PartOfSource
from evergreen.core.window import Interval
from evergreen.data.duplicates.keys import content_keys
from evergreen.data.row_fields import TIMES
from evergreen.data.rows_digest import RowsDigest
from evergreen.data.shards import iter_batches

if TYPE_CHECKING:
    import pyarrow as pa

_KNOWN_BY = ("id", "arrived")
_ANEW = "train once with refresh: {data: all}"


class PartOfRows:
    """Chooses a part's rows of a stream with canonical columns, and knows them once it has passed.

    `new` and `replayed` count them; `last` is the latest arrival of a new one. Equal new rows, and the same replayed
    ones by id and arrival, have one `fingerprint`, in whatever order they come. Unless `tells_rows` they pass without
    a look at what they say, which a count before told: `fingerprint` is then taken from there.
    """

    def __init__(self, part: PartOfSource, count: IntakeCount, *, tells_rows: bool = True) -> None:
        self.replayed = 0
        self.last = NO_TIME
        self._part, self._count, self._tells_rows = part, count, tells_rows
        self._salt = int(hashlib.sha256(part.since.model_dump_json().encode()).hexdigest()[:15], 16)
        self._last_at_edge = part.since.last_at_edge
        self._last_replayed = NO_TIME
        self._new_rows, self._replayed_rows = RowsDigest(), RowsDigest()
        self._counted: str | None = None
        self._new_ids: list[npt.NDArray[np.int64]] = []

    @property
    def new(self) -> int:
        """New rows; of those that have one id one is trained on, and counts."""
        return len(np.unique(np.concatenate(self._new_ids))) if self._new_ids else 0

    @property
    def fingerprint(self) -> str:
        """Of the rows that have passed: of new ones by what they say."""
        return self._counted or f"{self._new_rows.fingerprint} {self._replayed_rows.fingerprint}"

    def take_counted(self, fingerprint: str) -> None:
        """The rows are those that a count before has told."""
        self._counted = fingerprint

    def tell(self, written: Iterable[pa.RecordBatch]) -> None:
        """The rows are these, as `of` gave them."""
        for batch in written:
            again = batch.column(REPLAYED).to_numpy(zero_copy_only=False)
            self._tell(batch.drop_columns([REPLAYED]), ~again, again)

    def take_contents(self, other: PartOfRows) -> None:
        """What the new rows say, of another that all of them have passed with every column."""
        self._new_rows = other._new_rows

    @property
    def part(self) -> PartOfSource:
        """The part, looked up to the last arrival of a row of it: equal whenever it is that the same rows are found."""
        last = moment(max(self.last, self._last_replayed))
        return self._part if last is None else self._part.model_copy(update={"until": last})

    def words(self) -> str:
        """How many rows are new, and how many are read once more."""
        again = f", {self.replayed:,} read once more" if self.replayed else ""
        return f"{self.new:,} new row{'s'[: self.new != 1]}{again}"

    def identity(self, kind: str, what: str, shaping: Mapping[str, Any]) -> SourceIdentity:
        """Of the rows that have passed by their content, wherever they lie; `shaping` are the fields that made them."""
        content = json.dumps([shaping, self.fingerprint], sort_keys=True)
        return SourceIdentity(
            kind=kind,
            fingerprint=hashlib.sha256(content.encode()).hexdigest(),
            description=f"{what} ({self.words()})",
            rows=self.new + self.replayed,
        )

    def of(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The rows that are chosen; the column `replayed` tells which of them are read once more.

        Raises:
            InputError: a row without an id, or without a time where those are refused.
        """
        return filter(len, map(self._chosen, batches))

    def _chosen(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        import pyarrow as pa

        _check_ids(batch)
        timed = self._with_times(batch)
        event, arrived = _times(timed)
        covered = self._part.since.by_time(event, arrived)
        maybe = ~covered & (arrived <= self._last_at_edge)
        if len(self._part.since.keys) and maybe.any():
            covered[maybe] = self._part.since.by_key(_keys(_where(maybe, timed)))
        until = self._part.until
        late = ~covered & (arrived > micros(until)) if until else np.zeros_like(covered)
        self._leave_out(LeftOutReason.NOT_YET, timed, late)
        again = self._replayed(timed, covered)
        self._leave_out(LeftOutReason.COVERED, timed, covered & ~again)
        fresh = ~covered & ~late
        self._new_ids.append(_told_apart(_where(fresh, timed)))
        self.replayed += int(again.sum())
        self.last = max(self.last, int(arrived[fresh].max(initial=NO_TIME)))
        self._last_replayed = max(self._last_replayed, int(arrived[again].max(initial=NO_TIME)))
        if self._tells_rows:
            self._tell(timed, fresh, again)
        return _where(fresh | again, timed.append_column(REPLAYED, pa.array(again)))

    def _tell(self, batch: pa.RecordBatch, fresh: Chosen, again: Chosen) -> None:
        known_by = [name for name in _KNOWN_BY if name in batch.schema.names]
        self._new_rows.add(_where(fresh, batch))
        self._replayed_rows.add(_where(again, batch.select(known_by)))

    def _with_times(self, batch: pa.RecordBatch) -> pa.RecordBatch:

        without = np.zeros(batch.num_rows, dtype=np.bool_)
        for name in TIMES:
            if name in batch.schema.names:
                without |= batch.column(name).is_null().to_numpy(zero_copy_only=False)
        if self._part.null_times == "include" or not without.any():
            return batch
        if self._part.null_times == "refuse":
            first, count = batch.column("id")[int(without.argmax())], int(without.sum())
            names = " or ".join(f"source.columns.{name}" for name in TIMES if name in batch.schema.names)
            more = f", nor have {count - 1:,} more beside it" if count > 1 else ""
            raise InputError(
                f"row {first} has no time{more}, so nothing tells whether it is new; fill the column of {names}, or "
                "set refresh.null_times to include or leave_out"
            )
        self._leave_out(LeftOutReason.WITHOUT_TIME, batch, without)
        return _where(~without, batch)

    def _replayed(self, batch: pa.RecordBatch, covered: Chosen) -> Chosen:
        """Which of the covered rows are read once more: others for each champion, and all that arrived by one id, so
        that none is read without the one that replaced it.
        """
        share, chosen = self._part.replay_share, covered.copy()
        if share in (0, 1) or not covered.any():
            return covered & bool(share)
        import pyarrow.compute as pc

        ids = pc.fill_null(_where(covered, batch).column("id"), "")
        chosen[covered] = content_keys(ids, self._salt) / 2.0**64 < share
        return chosen

    def _leave_out(self, reason: str, batch: pa.RecordBatch, which: Chosen) -> None:
        import pyarrow as pa

        if number := int(which.sum()):
            names = batch.column("id").filter(pa.array(which))
            self._count.leave_out(reason, number, (str(one) for one in names))


def _where(chosen: Chosen, batch: pa.RecordBatch) -> pa.RecordBatch:
    """The rows that are chosen: without a copy where all of them are, or none."""
    import pyarrow as pa

    if chosen.all():
        return batch
    return batch.filter(pa.array(chosen)) if chosen.any() else batch.slice(0, 0)


def check_read_as_before(since: Coverage, source: SourceSettings) -> None:
    """Returns when the source tells new rows from covered ones as it did for the champion.

    Raises:
        InputError: it is another one, other columns tell by now which rows are new, or they say something else.
    """
    if since.read_from not in (None, source.read_from):
        raise InputError(
            f"the champion's rows were read from {_named(since.read_from)}, and source is {_named(source.read_from)}: "
            "rows of it that arrived before the champion's last one would never be read; name the source as before, "
            f"or {_ANEW}, which counts all of its rows as new"
        )
    if since.known_by not in (None, source.known_by):
        raise InputError(
            f"the champion's rows are known by {_named(since.known_by)}, and source.columns maps "
            f"{_named(source.known_by)}: rows that it was trained on would count as new; map them as before, or {_ANEW}"
        )
    check_shaped_as_before(since, source)


def check_shaped_as_before(since: Coverage, source: SourceSettings) -> None:
    """Raises InputError where rows say something else than when the champion read them, which moves their splits."""
    if since.shaped_by not in (None, source.shaped_by):
        then, now = set((since.shaped_by or {}).items()), set(source.shaped_by.items())
        raise InputError(
            f"the champion's rows are made by {_named(dict(then - now))}, and source has {_named(dict(now - then))}: "
            "splits go by what rows say, so that rows that it was trained on would be tested on; set them as before, "
            f"or {_ANEW}"
        )


def _named(fields: Mapping[str, str] | None) -> str:
    return ", ".join(f"{name}: {value}" for name, value in sorted((fields or {}).items())) or "nothing"


def coverage_after(
    dataset: Dataset, part: PartOfSource, window: ResolvedWindow | None, source: SourceSettings | None = None
) -> Coverage:
    """What a version covers that is trained on these rows of the part; nothing where none tells when it arrived.

    It keeps how the `source` tells its rows apart, what they say and where they are.
    """
    if not part.adds:
        return part.since
    if "arrived" not in dataset.manifest.columns:
        return Coverage()
    columns = [name for name in ("id", *TIMES) if name in dataset.manifest.columns]
    rows = (_rows(batch) for batch in iter_batches(dataset.shards, columns))
    looked = None if window is None else Interval(start=window.start, end=window.end - timedelta(microseconds=1))
    found = coverage_of(rows, part.until or datetime.now(UTC), part.lag_time, looked)
    covered = union(part.since.looked_until(found.until), found)
    kept = ("known_by", "shaped_by", "read_from") if source else ()
    return covered.model_copy(update={name: getattr(source, name) for name in kept})


def _rows(batch: pa.RecordBatch) -> Rows:
    return Rows(*_times(batch), _keys(batch))


def _times(batch: pa.RecordBatch) -> tuple[Times, Times]:
    """Event and arrival times: (rows,) int64 each."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = []
    for name in TIMES:
        if name in batch.schema.names:
            column = pc.fill_null(batch.column(name).cast(pa.int64()), NO_TIME)
            found.append(column.to_numpy(zero_copy_only=False))
        else:
            found.append(np.full(batch.num_rows, NO_TIME, dtype=np.int64))
    return found[0], found[1]


def _told_apart(batch: pa.RecordBatch) -> npt.NDArray[np.int64]:
    """Numbers that are equal in this process where ids are: (rows,)."""
    return np.fromiter(map(hash, batch.column("id").to_pylist()), np.int64, batch.num_rows)


def _keys(batch: pa.RecordBatch) -> Keys:
    """Of id and arrival: (rows,) uint64."""
    import pyarrow as pa
    import pyarrow.compute as pc

    arrived = pc.fill_null(batch.column("arrived").cast(pa.int64()).cast(pa.string()), "")
    return content_keys(pc.binary_join_element_wise(arrived, pc.fill_null(batch.column("id"), ""), " "), seed=0)


def _check_ids(batch: pa.RecordBatch) -> None:
    import pyarrow.compute as pc

    ids = batch.column("id")
    blank = pc.fill_null(pc.or_(pc.equal(ids, ""), pc.utf8_is_space(ids)), True)
    if (first := pc.index(blank, True).as_py()) >= 0:
        came = batch.column("arrived")[first].as_py() or "no known time"
        raise InputError(
            f"a row that arrived at {came} has no id, so nothing tells whether it is new; fill the column of "
            "source.columns.id, or read files or a view without such rows"
        )
