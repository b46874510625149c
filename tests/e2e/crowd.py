"""Clients that ask an endpoint for one text after the other, and who failed them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from types import TracebackType

import httpx

from tests.clients import Clients

TEXTS = ("a late goal in the match", "stocks of the bank")
PAUSE_S = 0.005


class Crowd(Clients):
    """Asks until the block ends; `answers` counts statuses by version, 0 for no answer."""

    def __init__(self, url: str, texts: Sequence[str] = TEXTS, pause_s: float = PAUSE_S) -> None:
        super().__init__(pause_s)
        self.url = url
        self.texts = texts
        self.answers: Counter[tuple[str, int]] = Counter()
        self._client = httpx.Client(timeout=30, trust_env=False)
        self._counting = threading.Lock()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self._client.close()

    def failed(self) -> dict[str, int]:
        """Requests that were answered with no prediction, by the version that answered."""
        return {version: number for (version, status), number in self.answers.items() if status != 200}

    def ask(self, number: int) -> None:
        """One text."""
        instance = {"text": f"{self.texts[number % len(self.texts)]} {number}"}
        try:
            answer = self._client.post(self.url, json={"instances": [instance]})
            heard = (answer.headers.get("x-model-version", ""), answer.status_code)
        except httpx.HTTPError:
            heard = ("", 0)
        with self._counting:
            self.answers[heard] += 1
