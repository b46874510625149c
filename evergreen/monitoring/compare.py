"""A window's rows beside the reference: what moved, and whether there were rows enough to tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy import stats

from evergreen.core.artifacts import ResolvedWindow
from evergreen.core.metric import Metric
from evergreen.core.monitor import DriftRules
from evergreen.core.verdict import Moved
from evergreen.monitoring.distributions import CONFIDENCE, numbers_of
from evergreen.monitoring.reference import Reference

Numbers = npt.NDArray[np.float64]
Columns = Mapping[str, Numbers]
MOST_ROWS = 20_000


@dataclass(frozen=True)
class Comparison:
    """What was compared: `rows` answered of so many `requests`, whether they are `enough`, and what is told beside."""

    moved: tuple[Moved, ...]
    rows: int
    requests: int
    enough: bool
    class_shares: Mapping[str, Metric]
    notes: tuple[str, ...]


def compare(
    reference: Reference, rows: Iterable[pa.RecordBatch], rules: DriftRules, window: ResolvedWindow
) -> Comparison:
    """The comparison; nothing of what moved where there is too little."""
    known = _columns(reference.table().combine_chunks().to_batches())
    traces, count, kept = set[str](), 0, list[pa.RecordBatch]()
    for batch in rows:
        answered = batch.filter(pc.is_valid(batch.column("index")))
        traces.update(answered.column("trace_id").to_pylist())
        if count < MOST_ROWS:
            kept.append(answered)
        count += answered.num_rows
    enough = count >= rules.min_rows and len(traces) >= rules.min_requests
    notes = () if enough else (f"{count:,} rows of {len(traces):,} requests are too few",)
    moved = _moved(known, _columns(kept), rules) if enough else ()
    return Comparison(moved, count, len(traces), enough, {}, notes)


def _columns(batches: Iterable[pa.RecordBatch]) -> Columns:
    columns: dict[str, list[Numbers]] = {}
    for batch in batches:
        for name, values in numbers_of(batch):
            columns.setdefault(name, []).append(values)
    return {name: np.concatenate(values) for name, values in columns.items()}


def _moved(known: Columns, now: Columns, rules: DriftRules) -> tuple[Moved, ...]:
    shared = [name for name in known if name in now and len(known[name]) and len(now[name])]
    return tuple(_one(name, known[name], now[name], len(shared), rules) for name in shared)


def _one(name: str, known: Numbers, now: Numbers, compared: int, rules: DriftRules) -> Moved:
    spread = float(known.std()) or 1.0
    value = float(now.mean() - known.mean()) / spread
    half = 1.96 * float(np.sqrt(known.var() / len(known) + now.var() / len(now))) / spread
    p_value = min(1.0, compared * float(stats.ks_2samp(known, now).pvalue))
    return Moved(
        evidence="confidence" if name == CONFIDENCE else "feature",
        name="" if name == CONFIDENCE else name,
        shift=Metric(value=value, low=value - half, high=value + half),
        p_value=p_value,
        alarm=p_value < rules.level and abs(value) >= rules.min_shift,
        message=f"mean {known.mean():.4g} before, {now.mean():.4g} now",
    )
