"""The kinds of evidence, each with the one statistic that it is compared by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evergreen.core.verdict import Evidence, spoken
from evergreen.monitoring.difference import LEAST_ROWS, Difference
from evergreen.monitoring.observed import Floats, Integers, Observed
from evergreen.monitoring.sample import Sample
from evergreen.monitoring.scalar import compare_scalars
from evergreen.monitoring.share import Answers, compare_shares
from evergreen.monitoring.vector import compare_vectors


@dataclass(frozen=True)
class Compared:
    """One kind of evidence, of whose rows in the window the `times` are."""

    evidence: Evidence
    name: str
    difference: Difference
    times: Integers


class Pair:
    """The reference's rows and the window's, for comparisons; `untold` says what could not be compared, and why."""

    def __init__(self, before: Observed, after: Observed) -> None:
        self.before, self.after = before, after
        self.untold: list[str] = []

    def all(self, sample: Sample, labels: Sequence[str], *, one_class_a_row: bool) -> Iterator[Compared]:
        """Every comparison that can be made.

        Args:
            sample: what is known of all rows of the window.
            labels: the classes, in the order of the probabilities.
            one_class_a_row: a row has one class, else shares of all of them.
        """
        for name, numbers in sorted(self.before.features.items()):
            missing = np.full(len(self.after), np.nan)
            yield from self._scalars("feature", name, numbers, self.after.features.get(name, missing))
        yield from self._vectors("vocabulary", _frequencies(self.before.sketches), _frequencies(self.after.sketches))
        yield from self._vectors("embedding", self.before.embeddings, self.after.embeddings)
        if one_class_a_row:
            yield from self._answers(sample, labels)
        else:
            yield from self._answered_shares(sample, labels)
        yield from self._scalars("confidence", "", self.before.scores, self.after.scores)

    def _scalars(self, evidence: Evidence, name: str, before: Floats, after: Floats) -> Iterator[Compared]:
        known, seen = np.isfinite(before), np.isfinite(after)
        if self._suffices(spoken(name or evidence), known, seen):
            found = compare_scalars(before[known], after[seen], self.after.requests[seen])
            yield Compared(evidence, name, found, self.after.times[seen])

    def _vectors(self, evidence: Evidence, before: Floats, after: Floats) -> Iterator[Compared]:
        known, seen = _whole(before), _whole(after)
        if not self._suffices(evidence, known, seen):
            return
        if before.shape[1] != after.shape[1]:
            self.untold.append(f"the {evidence} has {after.shape[1]} numbers a row, in the reference {before.shape[1]}")
            return
        found = compare_vectors(before[known], after[seen], self.after.requests[seen])
        if found is not None:
            yield Compared(evidence, "", found, self.after.times[seen])

    def _answers(self, sample: Sample, labels: Sequence[str]) -> Iterator[Compared]:
        totals = np.array([sample.predictions[label] for label in labels], dtype=float)
        known, seen = (one_hot(rows.predictions, labels) for rows in (self.before, self.after))
        yield from self._shares(known, seen, (totals / max(1.0, totals.sum()), int(totals.sum())), labels)

    def _answered_shares(self, sample: Sample, labels: Sequence[str]) -> Iterator[Compared]:
        everything = (sample.mean_shares, sample.rows)
        if len(everything[0]) == len(labels):
            yield from self._shares(self.before.probabilities, self.after.probabilities, everything, labels)

    def _shares(
        self, before: Floats, after: Floats, everything: tuple[Floats, int], labels: Sequence[str]
    ) -> Iterator[Compared]:
        known, seen = _whole(before), _whole(after)
        if len(labels) > 1 and self._suffices("predictions", known, seen):
            usual = Answers(before[known], self.before.probabilities[known], self.before.requests[known])
            now = Answers(after[seen], self.after.probabilities[seen], self.after.requests[seen])
            yield Compared("predictions", "", compare_shares(usual, now, everything, labels), self.after.times[seen])

    def _suffices(self, what: str, known: npt.NDArray[np.bool_], seen: npt.NDArray[np.bool_]) -> bool:
        """Whether both sides have rows enough; told where one side alone has."""
        if min(known.sum(), seen.sum()) >= LEAST_ROWS:
            return True
        if max(known.sum(), seen.sum()) >= LEAST_ROWS:
            self.untold.append(f"the {what}: known of {known.sum():,} reference rows and {seen.sum():,} of the window")
        return False


def _whole(rows: Floats) -> npt.NDArray[np.bool_]:
    """Which rows have all their numbers; none where there are no columns."""
    return np.asarray(np.isfinite(rows).all(axis=1) & bool(rows.shape[1]))


def _frequencies(sketches: Floats) -> Floats:
    """The roots of each bucket's share of a row: rows of any length are alike, frequent words drown no others."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.sqrt(sketches / sketches.sum(axis=1, keepdims=True)))


def one_hot(predictions: npt.NDArray[np.object_], labels: Sequence[str]) -> Floats:
    """(rows, classes); NaN in rows whose answer is none of the labels."""
    rows: Floats = np.equal.outer(predictions, np.asarray(labels, dtype=object)).astype(float)
    rows[rows.sum(axis=1) == 0] = np.nan
    return rows
