"""Labels that come after the answers, joined with the log: each counted once, or told why not.

trace_id                          label     arrived
36df30fb37109c41d2ab77e05f81c6d0  business  2026-05-05T07:00:00Z
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from evergreen.core.artifacts import ResolvedWindow
from evergreen.core.counted import counted_are
from evergreen.core.errors import InputError
from evergreen.core.names import is_misspelt, quoted
from evergreen.core.traces import INDEX, TRACE_ID
from evergreen.core.verdict import Labels
from evergreen.requestlog.arrow import SCHEMA

KEY, LABEL, ARRIVED = "key", "label", "arrived"
INSTANCE = [TRACE_ID, INDEX]
ANSWERS = ["time", "version", TRACE_ID, INDEX, "prediction"]
TIME = SCHEMA.field("time").type
Texts = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Joined:
    """`truth` and `answers` are (used,) labels and predictions; `labels` counts all that came, and `misspelt` those of
    each spelling.
    """

    labels: Labels
    truth: Texts
    answers: Texts
    misspelt: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def join_labels(
    labels: pa.Table,
    rows: Iterable[pa.RecordBatch],
    version: str,
    window: ResolvedWindow,
    *,
    classes: Sequence[str] = (),
    now: datetime | None = None,
) -> Joined:
    """The labels of what `version` answered.

    Memory grows with the labels, not with the log. With `arrived` the labels that came in the window are used, each in
    one window, whenever their requests were: late ones are those of requests before it. Without, all labels are.

    Args:
        labels: with the columns `label` and `trace_id`, of requests of several instances `index`, too; or `key`, which
            is TRACE_ID or TRACE_ID/INDEX. `arrived` where the time of a label is known.
        rows: a log's, of the window, of as long before it as labels are waited for, and of some that came after it.
        version: whose answers are measured.
        window: of the verdict.
        classes: which the version knows: a label that is one of them misspelt measures nothing, and one of another
            class, which the version cannot answer, does. Empty: any.
        now: labels that came after it, says their time, are counted; not before the window's end. None: that.

    Raises:
        InputError: a column is missing, or a value in it is of another type.
    """
    named = _named(labels)
    came = _of_window(named, window)
    filled = came.filter(pc.is_valid(came.column(LABEL)))
    is_misspelt = pc.is_in(filled.column(LABEL), value_set=pa.array(_misspelt(filled, classes), pa.string()))
    misspelt = Counter(filled.filter(is_misspelt).column(LABEL).to_pylist())
    given = filled.filter(pc.invert(is_misspelt))
    once = given.group_by(INSTANCE).aggregate([(LABEL, "count"), (LABEL, "count_distinct"), (LABEL, "min")])
    table = once.join(_answers(rows, once.column(TRACE_ID)), keys=INSTANCE, join_type="left outer")
    times = table.column("time_min")
    counts, kinds = (_integers(table.column(f"{LABEL}_{name}")) for name in ("count", "count_distinct"))
    known = _booleans(pc.is_valid(times))
    newer = _booleans(pc.fill_null(pc.greater_equal(times, pa.scalar(window.end, TIME)), False))
    mine = ~newer & _booleans(pc.fill_null(pc.equal(table.column("version_min"), version), False))
    is_used = mine & (kinds == 1)
    is_late = is_used & _booleans(pc.fill_null(pc.less(times, pa.scalar(window.start, TIME)), False))
    used = table.filter(pa.array(is_used))
    counts_of = Labels(
        used=int(is_used.sum()),
        late=int(is_late.sum()),
        duplicate=int((counts - 1)[is_used].sum()),
        unknown=int(counts[~known].sum()),
        contradicting=int(counts[mine & (kinds > 1)].sum()),
        newer=int(counts[newer].sum()),
        misspelt=misspelt.total(),
        future=_after(named, max(now or window.end, window.end)),
    )
    notes = {
        "of requests that other versions answered": int(counts[known & ~newer & ~mine].sum()),
        "empty": came.num_rows - filled.num_rows,
        "without a time": named.column(ARRIVED).null_count if ARRIVED in named.column_names else 0,
    }
    told = tuple(f"{counted_are(count, LABEL)} {what}" for what, count in notes.items() if count)
    truth, answers = _texts(used.column(f"{LABEL}_min")), _texts(used.column("prediction_min"))
    return Joined(counts_of, truth, answers, misspelt, told)


def _misspelt(labels: pa.Table, classes: Sequence[str]) -> list[str]:
    return [label for label in pc.unique(labels.column(LABEL)).to_pylist() if is_misspelt(label, classes)]


def _after(labels: pa.Table, time: datetime) -> int:
    """How many labels came after that."""
    if ARRIVED not in labels.column_names:
        return 0
    return int(pc.sum(pc.greater(labels.column(ARRIVED), pa.scalar(time, TIME))).as_py() or 0)


def check_values(labels: pa.Table) -> None:
    """Raises InputError: as `join_labels` does."""
    _named(labels)


def _named(labels: pa.Table) -> pa.Table:
    """The columns `trace_id`, `index`, `label` and, where it is known, `arrived`."""
    names = set(labels.column_names)
    if LABEL not in names or not names & {TRACE_ID, KEY}:
        raise InputError(
            f"labels have the columns {', '.join(sorted(names)) or 'none'}; {LABEL} and one of {TRACE_ID}, {KEY} are "
            "needed: name them in labels.columns"
        )
    traces, indices = _instances(labels, names)
    columns = {TRACE_ID: traces, INDEX: indices, LABEL: _cast(labels, LABEL, pa.string())}
    return pa.table(columns | ({ARRIVED: _cast(labels, ARRIVED, TIME)} if ARRIVED in names else {}))


WANTED = {
    ARRIVED: "a time with its zone, such as 2026-05-05T07:00:00Z",
    INDEX: "the number of an instance in its request, from 0",
}


def _cast(labels: pa.Table, name: str, kind: pa.DataType) -> Any:
    """The column as this type. Raises InputError: a value is none, with the row that has it, from 1."""
    column = labels.column(name)
    try:
        return column.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        number = next((at for at in range(len(column)) if not _casts(column[at], kind)), 0)
        raise InputError(
            f"row {number + 1} of the labels: {name} is {quoted(str(column[number].as_py()))}, which is not "
            f"{WANTED.get(name, 'text')}; correct it, or name another column in labels.columns.{name}"
        ) from error


def _casts(value: Any, kind: pa.DataType) -> bool:
    try:
        value.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return False
    return True


def _instances(labels: pa.Table, names: set[str]) -> tuple[Any, Any]:
    """Which request each label is of, and which of its instances: the first where nothing else is said."""
    if TRACE_ID in names:
        zeros = pa.array(np.zeros(labels.num_rows), pa.int32())
        indices = _cast(labels, INDEX, pa.int32()) if INDEX in names else zeros
        return _cast(labels, TRACE_ID, pa.string()), pc.fill_null(indices, 0)
    keys = _cast(labels, KEY, pa.string())
    traces, indices = (pc.replace_substring_regex(keys, pattern, kept) for pattern, kept in _PARTS)
    return traces, indices.cast(pa.int32())


_PARTS = ((r"/\d{1,9}$", ""), (r"^.*/(\d{1,9})$|^.*$", r"0\1"))
"""Of a key, TRACE_ID/INDEX or TRACE_ID: what is replaced by what to leave each part."""


def _of_window(labels: pa.Table, window: ResolvedWindow) -> pa.Table:
    if ARRIVED not in labels.column_names:
        return labels
    arrived = labels.column(ARRIVED)
    start, end = pa.scalar(window.start, TIME), pa.scalar(window.end, TIME)
    return labels.filter(pc.and_(pc.greater_equal(arrived, start), pc.less(arrived, end)))


def _answers(rows: Iterable[pa.RecordBatch], traces: Any) -> pa.Table:
    """What was answered to the instances of these requests, once each, however often a log has it."""
    asked = traces.combine_chunks() if traces.num_chunks != 1 else traces.chunk(0)
    schema = pa.schema([SCHEMA.field(name) for name in ANSWERS])
    kept = [pa.Table.from_batches([batch.select(ANSWERS)]).filter(_of(batch, asked)) for batch in rows]
    table = pa.concat_tables([schema.empty_table(), *kept])
    return table.group_by(INSTANCE).aggregate([(name, "min") for name in ("time", "version", "prediction")])


def _of(rows: pa.RecordBatch, asked: Any) -> Any:
    return pc.and_(pc.is_valid(rows.column(INDEX)), pc.is_in(rows.column(TRACE_ID), value_set=asked))


def _integers(column: Any) -> npt.NDArray[np.int64]:
    return np.asarray(column, dtype=np.int64)


def _booleans(column: Any) -> npt.NDArray[np.bool_]:
    return np.asarray(column, dtype=bool)


def _texts(column: Any) -> Texts:
    return np.asarray(column.to_pylist(), dtype=object)
