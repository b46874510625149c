"""Whether an engine may answer for float32: by how often it answers otherwise, and by what the primary metric loses.

verdict = EngineComparison(evaluator, full, Admission()).judge(quick)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Generic, NamedTuple

import numpy as np

from evergreen.core.admission import Admission
from evergreen.core.artifacts import SplitName, Splits
from evergreen.core.metric import Metric
from evergreen.evaluation.agreement import Shares, at_best, disagreement, rows_to_decide
from evergreen.evaluation.evaluator import A, B, Evaluator, Loaded
from evergreen.evaluation.measure import Counts, Numbers
from evergreen.evaluation.resampling import interval

SEED = 0


class Verdict(NamedTuple):
    """Whether an engine may answer for float32."""

    admitted: bool
    reason: str
    compared: int
    disagreement: Metric
    loss: Metric


class EngineComparison(Generic[B, A]):
    """Compares engines with float32, on no more rows than it takes to decide, and on none once all that there are could
    not show that an engine may serve; small answers of float32 are kept for the next engine.
    """

    def __init__(self, evaluator: Evaluator[B, A], full: Loaded[B, A], admission: Admission) -> None:
        self._evaluator, self._full, self._admission = evaluator, full, admission
        self._known: defaultdict[int, list[A]] = defaultdict(list)
        there_are = evaluator.splits.manifest.rows
        held_out = there_are.get(SplitName.TEST, 0) + there_are.get(SplitName.VALIDATION, 0)
        self._rows = held_out + min(there_are.get(SplitName.TRAIN, 0), admission.max_train_rows)

    def judge(self, other: Loaded[B, A]) -> Verdict:
        """The verdict on the test rows; where they leave it open on validation rows, too, then on training rows."""
        most = self._admission.max_disagreement
        shares, loss = self._on_test(other)
        measured, further = disagreement(shares), self._further(other)
        while measured.low <= most < measured.high and loss.high > self._admission.max_loss:
            if at_best(shares, self._rows) > most:
                break
            more = next(further, None)
            if more is None:
                break
            shares = np.concatenate([shares, more])
            measured = disagreement(shares)
        return _verdict(measured, loss, len(shares), self._rows, self._admission)

    def _further(self, other: Loaded[B, A]) -> Iterator[Shares]:
        """What of each row is answered otherwise, of the validation rows and of growing parts of the training rows."""
        evaluator, most = self._evaluator, self._admission.max_train_rows
        parts = ((SplitName.VALIDATION, None), *_train_parts(evaluator.splits, most))
        for look, (split, chosen) in enumerate(parts, start=1):
            answered = self._answered(look, evaluator.inputs(split, chosen), other)
            yield np.concatenate([np.empty(0), *(evaluator.otherwise(full, quick) for _, full, quick in answered)])

    def _on_test(self, other: Loaded[B, A]) -> tuple[Shares, Metric]:
        """What of each test row is answered otherwise, and what the primary metric loses by that."""
        evaluator = self._evaluator
        shares: list[Shares] = []
        ours: list[Counts] = []
        theirs: list[Counts] = []
        for batch, full, quick in self._answered(0, evaluator.rows(()), other):
            shares.append(evaluator.otherwise(full, quick))
            ours.append(evaluator.counts(batch, quick))
            theirs.append(evaluator.counts(batch, full))
        measure, spec = evaluator.measure, evaluator.measure.metrics[0]
        scored = measure.score(np.concatenate(ours), [np.concatenate(theirs)])
        difference = interval(scored.baselines[0].differences[spec.name])
        if not spec.higher:
            return np.concatenate(shares), difference
        return np.concatenate(shares), Metric(value=-difference.value, low=-difference.high, high=-difference.low)

    def _answered(self, look: int, batches: Iterator[B], other: Loaded[B, A]) -> Iterator[tuple[B, A, A]]:
        """Batches with what float32 answers, and the other; each look is at the same batches for all engines."""
        known = self._known[look]
        for number, batch in enumerate(batches):
            if number < len(known):
                full = known[number]
            else:
                full = self._full.answer(batch)
                if self._evaluator.small_answers:
                    known.append(full)
            yield batch, full, other.answer(batch)


def _verdict(measured: Metric, loss: Metric, rows: int, there_are: int, admission: Admission) -> Verdict:
    most = admission.max_disagreement
    if measured.high <= most:
        return Verdict(True, f"certainly disagrees on at most {most:.1%} of the rows", rows, measured, loss)
    if loss.high <= admission.max_loss:
        return Verdict(True, f"certainly loses at most {admission.max_loss:.3f}", rows, measured, loss)
    reason = f"may disagree on {measured.high:.1%} of the rows, allowed are {most:.1%}"
    if measured.low <= most:
        needed = rows_to_decide(measured.value, most) if measured.value <= most else None
        few = f"about {needed:,} rows would decide" if needed else "no number of rows like these would decide"
        reason += f"; {there_are:,} rows may be compared, which are too few: {few}"
    return Verdict(False, reason, rows, measured, loss)


def _train_parts(splits: Splits, most: int) -> Iterator[tuple[str, Numbers]]:
    """Ascending numbers of training rows drawn by chance, `most` at most; each part has as many as those before it."""
    rows = splits.manifest.rows[SplitName.TRAIN]
    drawn = np.random.default_rng(SEED).choice(rows, min(rows, most), replace=False)
    for part in np.split(drawn, [len(drawn) // share for share in (8, 4, 2)]):
        if len(part):
            yield SplitName.TRAIN, np.sort(part)
