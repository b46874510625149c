"""A client that goes on asking an endpoint for predictions and remembers every failure, and who answered."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import httpx

PERIOD_S = 0.02
NEWS = [{"text": "Shares rose after the company raised its profit forecast for the year."}]


class SteadyClient:
    """Asks from its own thread until the block ends; `failures` says what went wrong and when."""

    def __init__(self, url: str, instances: Sequence[Any] = NEWS, period_s: float = PERIOD_S) -> None:
        self.url = url
        self._period_s = period_s
        self.instances = instances
        self.failures: list[str] = []
        self.versions: Counter[str] = Counter()
        self.slowest_s = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    @property
    def answered(self) -> int:
        return self.versions.total()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=60)

    def _ask(self) -> None:
        began = time.monotonic()
        with httpx.Client(timeout=30, trust_env=False) as client:
            while not self._stop.wait(self._period_s):
                asked = time.monotonic()
                try:
                    answer = client.post(self.url, json={"instances": self.instances})
                    if answer.status_code == httpx.codes.TOO_MANY_REQUESTS and "retry-after" in answer.headers:
                        self._stop.wait(float(answer.headers["retry-after"]))  # full of others' requests, not failing
                    else:
                        self._note(answer, asked - began)
                except httpx.HTTPError as error:
                    self.failures.append(f"{asked - began:.2f} s: {error!r}")
                self.slowest_s = max(self.slowest_s, time.monotonic() - asked)

    def _note(self, answer: httpx.Response, at_s: float) -> None:
        if answer.status_code == httpx.codes.OK and answer.json()["predictions"][0]["label"]:
            self.versions[answer.json()["metadata"]["model_version"]] += 1
        else:
            self.failures.append(f"{at_s:.2f} s: {answer.status_code} {answer.text[:200]}")
