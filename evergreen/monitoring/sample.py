"""A window's rows in little memory: counts of all of them, and a sample of whole requests by a hash of their ids."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from evergreen.core.artifacts import ResolvedWindow
from evergreen.monitoring.observed import Floats, Observed
from evergreen.monitoring.reference import NOTED
from evergreen.requestlog.arrow import SCHEMA, within

SEED = 20260504
KEPT = pa.schema([SCHEMA.field(name) for name in ("time", "trace_id", *NOTED)])


class Sample:
    """Takes batches of a log's rows of one version, in any order, and keeps answered ones of the window.

    The sample is the same whatever order the rows come in, and for every window that has the same rows.
    """

    def __init__(self, window: ResolvedWindow, most_rows: int) -> None:
        self.rows = self.requests = self.outside = 0
        self.predictions: Counter[str] = Counter()
        self._shares: dict[int, Floats] = {}
        self._window, self._most_rows = window, most_rows
        self._kept: list[pa.Table] = []
        self._hashes: list[npt.NDArray[np.uint64]] = []
        self._limit = np.uint64(np.iinfo(np.uint64).max)

    def add(self, batch: pa.RecordBatch) -> None:
        """Counts the batch's rows, and keeps some."""
        inside = within(batch, self._window)
        self.outside += batch.num_rows - inside.num_rows
        answered = inside.filter(pc.is_valid(inside.column("index")))
        if answered.num_rows:
            self._count(answered)
            self._keep(answered)

    @property
    def mean_shares(self) -> Floats:
        """(classes,) the mean of all rows' probabilities, of the number of classes that most have."""
        if not self._shares:
            return np.empty(0)
        sums = max(self._shares.values(), key=lambda sums: sums[-1])
        return np.asarray(sums[:-1] / sums[-1])

    def observed(self) -> Observed:
        """The sample."""
        self._thin_out(self._most_rows)
        return Observed.of(pa.concat_tables(self._kept) if self._kept else KEPT.empty_table())

    def _count(self, rows: pa.RecordBatch) -> None:
        self.rows += rows.num_rows
        self.requests += int(pc.sum(pc.equal(rows.column("index"), 0)).as_py() or 0)
        self.predictions.update(_counts(rows.column("prediction")))
        widths = pc.list_value_length(rows.column("probabilities"))
        for width in pc.unique(widths).to_pylist():
            if width:
                lists = rows.column("probabilities").filter(pc.equal(widths, width))
                shares = np.asarray(pc.list_flatten(lists)).astype(np.float64).reshape(-1, width)
                whole = np.append(np.nansum(shares, axis=0), np.isfinite(shares).all(axis=1).sum())
                self._shares[width] = self._shares.get(width, np.zeros(width + 1)) + whole

    def _keep(self, rows: pa.RecordBatch) -> None:
        hashes = _hashes(rows.column("trace_id"))
        chosen = hashes <= self._limit
        if chosen.any():
            self._kept.append(pa.Table.from_batches([rows.select(KEPT.names)]).filter(pa.array(chosen)))
            self._hashes.append(hashes[chosen])
            if sum(map(len, self._hashes)) > 2 * self._most_rows:
                self._thin_out(self._most_rows)

    def _thin_out(self, most: int) -> None:
        """Leaves the requests of the lowest hashes, about `most` rows."""
        hashes = np.concatenate(self._hashes) if self._hashes else np.empty(0, dtype=np.uint64)
        if len(hashes) <= most:
            return
        self._limit = np.partition(hashes, most - 1)[most - 1]
        chosen = hashes <= self._limit
        # Taken, not filtered, the rows are copied, and what they were parts of is given back.
        self._kept = [pa.concat_tables(self._kept).take(pa.array(np.flatnonzero(chosen))).combine_chunks()]
        self._hashes = [hashes[chosen]]


def _counts(column: Any) -> dict[str, int]:
    return {str(entry["values"]): entry["counts"] for entry in pc.value_counts(column.drop_null()).to_pylist()}


def _hashes(ids: Any) -> npt.NDArray[np.uint64]:
    from xxhash import xxh64_intdigest

    each = (xxh64_intdigest(one, SEED) for one in ids.cast(pa.binary()).to_pylist())
    return np.fromiter(each, dtype=np.uint64, count=len(ids))
