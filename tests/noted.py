"""Requests, predictors and windows for tests of request logs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from evergreen.core.artifacts import ResolvedWindow
from evergreen.core.observation import Observation
from evergreen.core.predictors import PlainPredictor
from evergreen.core.protocols import RequestLog
from evergreen.requestlog.record import Request
from evergreen.requestlog.witness import Witness

ALWAYS = ResolvedWindow(start=datetime(2000, 1, 1, tzinfo=UTC), end=datetime(2100, 1, 1, tzinfo=UTC))


class Seeing(PlainPredictor):
    """Observes numbers of what it is given, with everything that a log can hold."""

    def decode(self, instances: Sequence[Any]) -> list[Any]:
        return list(instances)

    def predict(self, batch: Sequence[Any]) -> list[float]:
        return [float(value) for value in batch]

    def encode(self, outputs: Any) -> list[dict[str, Any]]:
        return [{"label": f"class {value:g}"} for value in outputs]

    def observe(self, batch: Sequence[Any], outputs: Any) -> list[Observation]:
        return [
            Observation({"tokens": float(value)}, f"class {value}", 0.5, (0.5, 0.25, 0.25), (0, 3, 1), (0.1,) * 32)
            for value, _ in zip(batch, outputs, strict=True)
        ]


def request(status: int = 200, ago_s: float = 0.0, version: str = "36df30fb3710") -> Request:
    return Request(time.time() - ago_s, version, f"{version}9c41d2ab77e05f81c6d0", "torch", status, 12.5)


def witness(*values: int, instances: Sequence[Any] = (), keeps_inputs: bool = False) -> Witness:
    """What saw these inputs predicted."""
    seen, predictor = Witness(keeps_inputs), Seeing()
    seen.came(instances)
    if values:
        seen.saw(predictor, values, predictor.predict(values), range(len(values)))
    return seen


def last_hour(until_s: float = 60.0) -> ResolvedWindow:
    end = datetime.now(UTC) + timedelta(seconds=until_s)
    return ResolvedWindow(start=end - timedelta(hours=1), end=end)


def rows(log: RequestLog, window: ResolvedWindow = ALWAYS) -> list[dict[str, Any]]:
    """All rows of the window, oldest first."""
    read = [row for batch in log.read(window) for row in batch.to_pylist()]
    return sorted(read, key=lambda row: (row["time"], row["index"] or 0))
