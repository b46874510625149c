"""How fast a model answers: batches a second, and one instance at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from evergreen.core.protocols import Predictor
from evergreen.core.report import Timings

WARM_UP = 3


class Stopwatch:
    """Rows that were answered in batches, and the seconds that they took."""

    def __init__(self) -> None:
        self._rows, self._seconds = 0, 0.0

    @contextmanager
    def answering(self, rows: int) -> Iterator[None]:
        """Counts what is done within as the answer to so many rows."""
        start = time.perf_counter()
        yield
        self._seconds += time.perf_counter() - start
        self._rows += rows

    def timings(self, predictor: Predictor, instances: Sequence[Mapping[str, Any]]) -> Timings:
        """Latency of the instances asked by themselves, as an endpoint is, warmed up; rows a second of the batches."""
        spent_ms = []
        for instance in [*instances[:WARM_UP], *instances]:
            start = time.perf_counter()
            predictor.encode(predictor.predict(predictor.decode([instance])))
            spent_ms.append((time.perf_counter() - start) * 1000)
        median, tail = np.quantile(spent_ms[min(WARM_UP, len(instances)) :], [0.5, 0.95])
        return Timings(
            latency_p50_ms=round(float(median), 3),
            latency_p95_ms=round(float(tail), 3),
            rows_per_s=round(self._rows / max(self._seconds, 1e-9), 1),
        )


def every(step: int, rows: int, first: int) -> range:
    """The places in a batch of so many rows, whose first is number `first` of all, of each `step`-th row of all."""
    return range(-first % step, rows, step)
