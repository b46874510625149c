"""Counters of the server in the Prometheus text format, served at /metrics.

evergreen_requests_total{route="predict",status="200"} 41
evergreen_batch_rows_bucket{engine="torch",le="8"} 12

Source: https://prometheus.io/docs/instrumenting/exposition_formats/ (version 0.0.4)
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class Histogram:
    """Observations by upper bound. Not safe in threads."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.count = 0
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Counts a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.count += 1
        self._sum += value

    def lines(self, name: str, labels: str = "") -> list[str]:
        """Its samples; `labels` such as `engine="torch"` stand at each."""
        before = f"{labels}," if labels else ""
        braces = f"{{{labels}}}" if labels else ""
        bounds = [*(f"{bound:g}" for bound in self._bounds), "+Inf"]
        counts = zip(bounds, accumulate(self._counts), strict=True)
        return [
            *(f'{name}_bucket{{{before}le="{bound}"}} {count}' for bound, count in counts),
            f"{name}_sum{braces} {self._sum:.6f}",
            f"{name}_count{braces} {self.count}",
        ]


class BatchMetrics:
    """What the batches were, by the engine that computed them. Safe in threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: dict[str, Histogram] = {}
        self._seconds: dict[str, Histogram] = {}

    def observe(self, engine: str, rows: int, seconds: float) -> None:
        """Counts a batch; `seconds` are those from its first row in to its last prediction out."""
        with self._lock:
            self._rows.setdefault(engine, Histogram(ROWS)).observe(rows)
            self._seconds.setdefault(engine, Histogram(SECONDS)).observe(seconds)

    def lines(self) -> list[str]:
        """The samples of all."""
        with self._lock:
            return [
                *_head("evergreen_batch_rows", "histogram", "Instances of all requests that were predicted together."),
                *(line for engine, rows in self._rows.items() for line in rows.lines(*_by_engine("rows", engine))),
                *_head("evergreen_batch_seconds", "histogram", "Time that a batch took."),
                *(line for engine, s in self._seconds.items() for line in s.lines(*_by_engine("seconds", engine))),
            ]


class State(NamedTuple):
    """What is so now: `in_flight` requests wait or run, `queued` of them for a batch."""

    version: str
    engine: str
    ready: bool
    in_flight: int
    queued: int


class Metrics:
    """What the server has answered so far. Touched by the event loop's thread only, but for `batches`."""

    def __init__(self, batches: BatchMetrics | None = None) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()
        self.refused: Counter[str] = Counter()
        self.instances = 0
        self._batches = batches or BatchMetrics()
        self._seconds = Histogram(SECONDS)

    def observe(self, route: str, status: int, seconds: float) -> None:
        """Counts one answered request; latencies are kept for predictions only."""
        self.requests[route, status] += 1
        if route == "predict":
            self._seconds.observe(seconds)

    def render(self, state: State) -> str:
        """Everything as text."""
        seconds = "evergreen_predict_seconds"
        model = f'version="{_escaped(state.version)}",engine="{_escaped(state.engine)}"'
        lines = [
            *_head("evergreen_requests_total", "counter", "Requests answered."),
            *(
                f'evergreen_requests_total{{route="{route}",status="{status}"}} {count}'
                for (route, status), count in sorted(self.requests.items())
            ),
            *_head("evergreen_refused_total", "counter", "Predictions refused, by what they were refused for."),
            *(
                f'evergreen_refused_total{{reason="{reason}"}} {count}'
                for reason, count in sorted(self.refused.items())
            ),
            *_head("evergreen_instances_total", "counter", "Instances predicted."),
            f"evergreen_instances_total {self.instances}",
            *_head(seconds, "histogram", "Time from the first byte of a prediction request to the last of its answer."),
            *self._seconds.lines(seconds),
            *self._batches.lines(),
            *_head("evergreen_requests_in_flight", "gauge", "Prediction requests waiting or running."),
            f"evergreen_requests_in_flight {state.in_flight}",
            *_head("evergreen_queue_depth", "gauge", "Of these, requests of which instances wait for a batch."),
            f"evergreen_queue_depth {state.queued}",
            *_head("evergreen_model_ready", "gauge", "1 once the model answers, 0 again while the server drains."),
            f"evergreen_model_ready{{{model}}} {int(state.ready)}",
        ]
        return "\n".join(lines) + "\n"


def _head(name: str, kind: str, about: str) -> list[str]:
    return [f"# HELP {name} {about}", f"# TYPE {name} {kind}"]


def _by_engine(what: str, engine: str) -> tuple[str, str]:
    return f"evergreen_batch_{what}", f'engine="{_escaped(engine)}"'


def _escaped(value: str) -> str:
    return value.translate(_ESCAPED)
