"""One request as one line of JSON, the same on every host.

{"log": "evergreen.requests", "time": "2026-05-04T09:30:00.120Z", "model": "news", "version": "36df30fb3710",
 "trace_id": "36df30fb37109c41d2ab77e05f81c6d0", "engine": "torch", "status": 200, "latency_ms": 12.4, "count": 1,
 "rows": [{"index": 0, "features": {"tokens": 53.0}, "prediction": "business", "score": 0.98, …}]}

A refused request has no rows. A few of a second are lines of their own, the rest of them share one with their `count`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from evergreen.core.observation import Observation

MARK = "evergreen.requests"
DIGITS = 6
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """What is known of a request when its answer is out. `time` is when it came, in seconds since the epoch."""

    time: float
    version: str
    trace_id: str
    engine: str
    status: int
    latency_ms: float
    count: int = 1

    @property
    def is_refused(self) -> bool:
        """Whether it was answered with no prediction."""
        return self.status != 200


def line_of(model: str, request: Request, rows: Sequence[Row]) -> str:
    """The line, without its end."""
    when = datetime.fromtimestamp(request.time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    content = {
        "log": MARK,
        "time": when,
        "model": model,
        "version": request.version,
        "trace_id": request.trace_id,
        "engine": request.engine,
        "status": request.status,
        "latency_ms": round(request.latency_ms, 3),
        "count": request.count,
        "rows": rows,
    }
    return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def row_of(index: int, seen: Observation) -> Row:
    """What is kept of the instance `index` of a request."""
    row: Row = {
        "index": index,
        "features": {name: _short(value) for name, value in seen.features.items()},
        "prediction": seen.prediction,
        "score": _short(seen.score),
        "probabilities": _all(seen.probabilities),
    }
    if seen.sketch:
        row["sketch"] = list(seen.sketch)
    if seen.embedding is not None:
        row["embedding"] = _all(seen.embedding)
    return row


def _all(values: Iterable[float]) -> list[float | None]:
    return [_short(value) for value in values]


def _short(value: float) -> float | None:
    """Six significant digits; None for what JSON has no number for."""
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
