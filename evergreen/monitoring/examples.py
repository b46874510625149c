"""What requests are like of which there are more than before: rows of the reference that more of them lie next to.

The log holds no inputs, so that nothing of a request can be shown; a row that the version was evaluated on can.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from evergreen.core.verdict import Example
from evergreen.monitoring.reference import ROWS_NAME, Reference

MOST_SAMPLED = 2_000
MOST_SHOWN = 5
LEAST_NEAR = 3
TEXT_CHARS = 240
SEED = 0
_AT_ONCE = 500
Points = npt.NDArray[np.float32]


class _Sample(NamedTuple):
    """Rows of the window: points (rows, 32), and what was asked, where that is logged."""

    points: Points
    inputs: list[str | None]


def examples_of(reference: Reference, rows: Iterable[pa.RecordBatch]) -> tuple[Example, ...]:
    """At most MOST_SHOWN, those of which there are most more first; none where engines give no embedding."""
    table = pq.read_table(reference.path / ROWS_NAME, columns=["embedding", "example", "prediction"])
    table = table.filter(pc.is_valid(table.column("embedding")))
    known = _points(table.column("embedding").combine_chunks())
    sample = _sampled(rows)
    if len(known) < 2 or not len(sample.points) or known.shape[1] != sample.points.shape[1]:
        return ()
    near = _nearest(sample.points, known)
    now = np.bincount(near, minlength=len(known))
    before = np.bincount(_nearest(known, known, itself=True), minlength=len(known)) / len(known)
    shares = now / len(near)
    excess = np.where(now >= LEAST_NEAR, shares - before, 0.0)
    shown: list[Example] = []
    for place in np.argsort(-excess, kind="stable")[:MOST_SHOWN]:
        logged = next((sample.inputs[row] for row in np.flatnonzero(near == place) if sample.inputs[row]), None)
        text = logged or table.column("example")[int(place)].as_py()
        if excess[place] > 0 and text:
            prediction = table.column("prediction")[int(place)].as_py() or ""
            share, known_share = float(shares[place]), float(before[place])
            kept = {"prediction": prediction, "share": share, "before": known_share}
            shown.append(Example(text=text[:TEXT_CHARS], logged=logged is not None, **kept))
    return tuple(shown)


def _sampled(rows: Iterable[pa.RecordBatch]) -> _Sample:
    """At most MOST_SAMPLED rows by chance, the same of the same rows."""
    generator = np.random.default_rng(SEED)
    keys = np.empty(0)
    kept: pa.Table | None = None
    for batch in rows:
        valid = pa.Table.from_batches([batch]).select(["embedding", "input"])
        valid = valid.filter(pc.is_valid(valid.column("embedding")))
        drawn = np.concatenate([keys, generator.random(valid.num_rows)])
        both = valid if kept is None else pa.concat_tables([kept, valid])
        places = np.sort(np.argsort(drawn, kind="stable")[:MOST_SAMPLED])
        kept, keys = both.take(pa.array(places)), drawn[places]
    if kept is None or not kept.num_rows:
        return _Sample(np.empty((0, 0), dtype=np.float32), [])
    return _Sample(_points(kept.column("embedding").combine_chunks()), kept.column("input").to_pylist())


def _points(embeddings: pa.Array) -> Points:
    """(rows, 32)."""
    values: Any = pc.list_flatten(embeddings).to_numpy(zero_copy_only=False)
    return (
        np.asarray(values, dtype=np.float32).reshape(len(embeddings), -1) if len(embeddings) else np.empty((0, 0), "f4")
    )


def _nearest(points: Points, known: Points, *, itself: bool = False) -> npt.NDArray[np.int64]:
    """(rows,) the number of the nearest known point, with `itself` of the nearest other one: points are known."""
    nearest = np.empty(len(points), dtype=np.int64)
    lengths = (known**2).sum(axis=1)
    for start in range(0, len(points), _AT_ONCE):
        some = points[start : start + _AT_ONCE]
        distances = lengths - 2 * some @ known.T
        if itself:
            own = np.arange(len(some))
            distances[own, start + own] = np.inf
        nearest[start : start + _AT_ONCE] = distances.argmin(axis=1)
    return nearest
