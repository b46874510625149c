"""Clients that ask an endpoint for one text after the other, and who failed them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from itertools import count
from types import TracebackType
from typing import Self

import httpx

TEXTS = ("a late goal in the match", "stocks of the bank")
CLIENTS = 4
PAUSE_S = 0.005


class Crowd:
    """Asks from threads of its own until the block ends, each client with a pause after each answer.

    `answers` counts statuses by version, 0 for no answer.
    """

    def __init__(self, url: str, texts: Sequence[str] = TEXTS, pause_s: float = PAUSE_S) -> None:
        self.url = url
        self.texts = texts
        self.pause_s = pause_s
        self.answers: Counter[tuple[str, int]] = Counter()
        self._numbers = count(1)
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(CLIENTS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=30)

    def failed(self) -> dict[str, int]:
        """Requests that were answered with no prediction, by the version that answered."""
        return {version: number for (version, status), number in self.answers.items() if status != 200}

    def _ask(self) -> None:
        with httpx.Client(timeout=30, trust_env=False) as client:
            while not self._stop.wait(self.pause_s):
                number = next(self._numbers)
                instance = {"text": f"{self.texts[number % len(self.texts)]} {number}"}
                try:
                    answer = client.post(self.url, json={"instances": [instance]})
                    self.answers[answer.headers.get("x-model-version", ""), answer.status_code] += 1
                except httpx.HTTPError:
                    self.answers["", 0] += 1
