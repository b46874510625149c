"""A client that asks an endpoint for a prediction every 20 ms and remembers every failure."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self

import httpx

PERIOD_S = 0.02
BODY = {"instances": [{"text": "Shares rose after the company raised its profit forecast for the year."}]}


class SteadyClient:
    """Asks from its own thread until the block ends; `failures` says what went wrong and when."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answered = 0
        self.failures: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

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
        with httpx.Client(timeout=30) as client:
            while not self._stop.wait(PERIOD_S):
                at = f"{time.monotonic() - began:.2f} s"
                try:
                    answer = client.post(self.url, json=BODY)
                except httpx.HTTPError as error:
                    self.failures.append(f"{at}: {error!r}")
                    continue
                if answer.status_code == httpx.codes.OK and answer.json()["predictions"][0]["label"]:
                    self.answered += 1
                else:
                    self.failures.append(f"{at}: {answer.status_code} {answer.text[:200]}")
