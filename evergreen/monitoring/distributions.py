"""Features, confidence and classes of a window beside the reference's, by bin: what a page draws of them.

Bins come of the reference, so that a window of any size is counted in flat memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from evergreen.core.verdict import Distribution
from evergreen.monitoring.reference import Reference

BINS = 12
INNER = (0.01, 0.99)
"""Quantiles of the reference between which bins are equally wide; what lies beyond is in the first and the last."""
CONFIDENCE, PREDICTIONS = "confidence", "predictions"
Numbers = npt.NDArray[np.float64]


@dataclass
class Histogram:
    """Counts of one number by bin, of the reference and of the window so far."""

    edges: Numbers
    reference: npt.NDArray[np.int64]
    window: npt.NDArray[np.int64]

    @classmethod
    def of(cls, values: Numbers) -> Histogram:
        """The reference's numbers; nothing of the window yet."""
        low, high = np.quantile(values, INNER)
        edges = np.linspace(low, high, BINS - 1) if high > low else np.array([low])
        counted = np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1)
        return cls(edges, counted, np.zeros(len(edges) + 1, dtype=np.int64))

    def add(self, values: Numbers) -> None:
        """Counts numbers of the window."""
        self.window += np.bincount(np.searchsorted(self.edges, values), minlength=len(self.window))

    def shown(self, name: str) -> Distribution:
        """Shares of all that was counted."""
        edges = tuple(float(edge) for edge in self.edges)
        return Distribution(name=name, edges=edges, reference=_shares(self.reference), window=_shares(self.window))


class Distributions:
    """All distributions: `add` batches of the window, then ask what is `shown`. `classes` counts its answers."""

    def __init__(self, reference: Reference) -> None:
        self.classes: dict[str, int] = {}
        self._labels = reference.manifest.labels
        self._known: dict[str, int] = {}
        self._numbers: dict[str, Histogram] = {}
        for batch in reference.table().combine_chunks().to_batches():  # one, or none
            self._numbers = {name: Histogram.of(values) for name, values in numbers_of(batch) if len(values)}
            _counted(self._known, batch)

    def counting(self, rows: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The batches, each counted on its way to whoever reads them."""
        for batch in rows:
            self.add(batch)
            yield batch

    def add(self, batch: pa.RecordBatch) -> None:
        """Counts answered rows; others have no numbers."""
        for name, values in numbers_of(batch):
            if name in self._numbers:
                self._numbers[name].add(values)
        _counted(self.classes, batch)

    def only_class(self) -> str | None:
        """The class that every answer of the window names; None: there are several, or none, or the reference's answers
        name no other either, as of pictures that show mostly background.
        """
        if len(self.classes) != 1 or self.classes.keys() == self._known.keys():
            return None
        return next(iter(self.classes))

    def shown(self) -> tuple[Distribution, ...]:
        """Classes first; what the window has no number of is left out."""
        drawn = tuple(histogram.shown(name) for name, histogram in self._numbers.items() if histogram.window.any())
        if not self._labels:
            return drawn
        known, now = (self._class_shares(counts) for counts in (self._known, self.classes))
        return Distribution(name=PREDICTIONS, labels=self._labels, reference=known, window=now), *drawn

    def _class_shares(self, counts: Mapping[str, int]) -> tuple[float, ...]:
        return _shares(np.array([counts.get(label, 0) for label in self._labels]))


def numbers_of(batch: pa.RecordBatch) -> Iterator[tuple[str, Numbers]]:
    """Each feature's finite values by name, and the answers' confidence."""
    features = batch.column("features")
    names, values = pc.list_flatten(features.cast(_PAIRS)).flatten() if len(features) else (pa.array([]), pa.array([]))
    for name in pc.unique(names).to_pylist():
        yield name, _finite(values.filter(pc.equal(names, name)))
    yield CONFIDENCE, _finite(batch.column("score"))


_PAIRS = pa.list_(pa.struct([("key", pa.string()), ("value", pa.float64())]))


def _finite(values: pa.Array) -> Numbers:
    numbers = values.drop_null().to_numpy(zero_copy_only=False).astype(np.float64)
    finite: Numbers = numbers[np.isfinite(numbers)]
    return finite


def _counted(counts: dict[str, int], batch: pa.RecordBatch) -> dict[str, int]:
    for pair in pc.value_counts(batch.column("prediction").drop_null()).to_pylist():
        counts[pair["values"]] = counts.get(pair["values"], 0) + pair["counts"]
    return counts


def _shares(counts: npt.NDArray[np.int64]) -> tuple[float, ...]:
    return tuple(float(share) for share in counts / max(int(counts.sum()), 1))
