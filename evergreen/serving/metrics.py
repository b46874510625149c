"""Counters in the Prometheus text format (version 0.0.4), served at /metrics.

evergreen_requests_total{route="predict",status="200"} 41
"""

from __future__ import annotations

from collections import Counter

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """What the server has answered so far. Touched by the event loop's thread only."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()
        self.instances = 0
        self._buckets = [0] * len(BUCKETS_S)
        self._seconds = 0.0
        self._observed = 0

    def observe(self, route: str, status: int, seconds: float) -> None:
        """Counts one answered request; latencies are kept for predictions only."""
        self.requests[route, status] += 1
        if route != "predict":
            return
        self._observed += 1
        self._seconds += seconds
        for index, upper in enumerate(BUCKETS_S):
            self._buckets[index] += seconds <= upper

    def render(self, version: str, ready: bool, in_flight: int) -> str:
        """Everything as text; `in_flight` counts prediction requests that wait or run."""
        lines = [
            "# HELP evergreen_requests_total Requests answered.",
            "# TYPE evergreen_requests_total counter",
            *(
                f'evergreen_requests_total{{route="{route}",status="{status}"}} {count}'
                for (route, status), count in sorted(self.requests.items())
            ),
            "# HELP evergreen_instances_total Instances predicted.",
            "# TYPE evergreen_instances_total counter",
            f"evergreen_instances_total {self.instances}",
            *self._histogram(),
            "# HELP evergreen_requests_in_flight Prediction requests waiting or running.",
            "# TYPE evergreen_requests_in_flight gauge",
            f"evergreen_requests_in_flight {in_flight}",
            "# HELP evergreen_model_ready 1 once the model is loaded.",
            "# TYPE evergreen_model_ready gauge",
            f'evergreen_model_ready{{version="{version}"}} {int(ready)}',
        ]
        return "\n".join(lines) + "\n"

    def _histogram(self) -> list[str]:
        name = "evergreen_predict_seconds"
        return [
            f"# HELP {name} Time from the first byte of a prediction request to the last of its answer.",
            f"# TYPE {name} histogram",
            *(
                f'{name}_bucket{{le="{upper:g}"}} {count}'
                for upper, count in zip(BUCKETS_S, self._buckets, strict=True)
            ),
            f'{name}_bucket{{le="+Inf"}} {self._observed}',
            f"{name}_sum {self._seconds:.6f}",
            f"{name}_count {self._observed}",
        ]
