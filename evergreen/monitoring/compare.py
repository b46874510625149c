"""A window's requests against the reference of the version that answered them: what moved, since when, by how much.

compare(reference, RowsOf(log.read(window), version), DriftRules(), window)
  →  Comparison(rows=2000, enough=True, moved=(…), …)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from evergreen.core.artifacts import ResolvedWindow
from evergreen.core.counted import counted, counted_are
from evergreen.core.metric import Metric
from evergreen.core.monitor import DriftRules
from evergreen.core.verdict import Moved
from evergreen.monitoring.alarms import moved_of
from evergreen.monitoring.difference import LEAST_ROWS, design_effect
from evergreen.monitoring.evidence import Pair, one_hot
from evergreen.monitoring.label_shift import class_shares_now
from evergreen.monitoring.observed import Floats, Observed
from evergreen.monitoring.reference import LABEL, Reference
from evergreen.monitoring.sample import Sample

FOREIGN_SHARE = 0.01


@dataclass(frozen=True)
class Comparison:
    """What a window's requests came to beside the reference; the fields are those of a verdict."""

    rows: int
    requests: int
    enough: bool
    moved: tuple[Moved, ...] = ()
    class_shares: dict[str, Metric] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def drifted(self) -> bool:
        """Whether anything raises an alarm."""
        return any(moved.alarm for moved in self.moved)


def compare(
    reference: Reference | None, rows: Iterable[pa.RecordBatch], rules: DriftRules, window: ResolvedWindow
) -> Comparison:
    """One version's rows of a window, as `RowsOf` gives them, compared with its reference; without one they are counted
    alone.

    Raises:
        InputError: the reference's rows cannot be read.
    """
    sample = Sample(window, rules.sample_rows)
    for batch in rows:
        sample.add(batch)
    uncompared = Comparison(sample.rows, sample.requests, enough=False, notes=_notes(sample))
    if reference is None:
        return _told(uncompared, "no reference: versions trained before there were any have none; train one to compare")
    if lacking := _lacking(reference, sample, rules):
        return _told(uncompared, lacking)
    return _compared(uncompared, reference, sample, rules, window)


def _compared(
    uncompared: Comparison, reference: Reference, sample: Sample, rules: DriftRules, window: ResolvedWindow
) -> Comparison:
    table, labels = reference.table(), reference.manifest.labels
    truth = np.asarray(table.column(LABEL).to_pylist(), dtype=object)
    known = one_hot(truth, labels)
    has_truth = bool(np.isfinite(known).any())
    pair = Pair(Observed.of(table), sample.observed())
    compared = list(pair.all(sample, labels, one_class_a_row=has_truth))
    shares = _class_shares(pair, known, sample, labels) if has_truth else {}
    told = _told(uncompared, *pair.untold)
    return replace(told, enough=True, moved=moved_of(compared, rules, window), class_shares=shares)


def _class_shares(pair: Pair, known: Floats, sample: Sample, labels: Sequence[str]) -> dict[str, Metric]:
    """The label-shift estimate; `known` are the (rows, classes) true classes of the reference."""
    before, after = (np.nan_to_num(one_hot(rows.predictions, labels)) for rows in (pair.before, pair.after))
    answers = np.array([sample.predictions[label] for label in labels], dtype=float)
    return class_shares_now(np.nan_to_num(known).T @ before, answers, design_effect(after, pair.after.requests), labels)


def _lacking(reference: Reference, sample: Sample, rules: DriftRules) -> str:
    """Why nothing can be said, empty where it can."""
    labels = reference.manifest.labels
    if sample.rows < rules.min_rows or sample.requests < rules.min_requests:
        return (
            f"{counted(sample.rows, 'row')} of {counted(sample.requests, 'request')} say nothing yet: at least "
            f"{rules.min_rows:,} rows of {rules.min_requests:,} requests are compared; wait for more, look at a longer "
            "window, or lower drift.min_rows and drift.min_requests"
        )
    if reference.manifest.rows < LEAST_ROWS:
        return f"the reference has {reference.manifest.rows} rows, at least {LEAST_ROWS} are needed"
    foreign = {label: count for label, count in sample.predictions.items() if label not in labels}
    if labels and sum(foreign.values()) > FOREIGN_SHARE * sample.rows:
        return (
            f"the reference is one of other labels ({', '.join(labels)}) than the answers "
            f"({', '.join(sorted(foreign))}): nothing was compared"
        )
    return ""


def _notes(sample: Sample) -> tuple[str, ...]:
    """What else was in the log."""
    if not sample.outside:
        return ()
    return (f"{counted_are(sample.outside, 'row')} of times outside the window: a clock may be off",)


def _told(comparison: Comparison, *notes: str) -> Comparison:
    return replace(comparison, notes=(*comparison.notes, *notes))
