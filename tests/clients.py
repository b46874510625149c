"""Clients that ask in threads of this process until a block ends."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from itertools import count
from types import TracebackType
from typing import Self

CLIENTS = 4
ENDS_WITHIN_S = 60.0


class Clients(ABC):
    """Each asks again after a pause, with the next number of all."""

    def __init__(self, pause_s: float) -> None:
        self.pause_s = pause_s
        self._numbers = count(1)
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._go_on, daemon=True) for _ in range(CLIENTS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=ENDS_WITHIN_S)
        assert not any(thread.is_alive() for thread in self._threads)

    @abstractmethod
    def ask(self, number: int) -> None:
        """Asks once and notes what is heard."""

    def _go_on(self) -> None:
        while not self._stop.wait(self.pause_s):
            self.ask(next(self._numbers))
