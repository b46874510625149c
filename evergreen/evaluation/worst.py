"""The rows that a model did worst on, kept while the test split streams by."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Worst(Generic[T]):
    """The `most` rows with the highest badness; of equal ones the earliest."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._heap: list[tuple[float, int, T]] = []

    def add(self, badness: float, row: int, shown: Callable[[], T]) -> None:
        """Keeps what is `shown` of a row, which is made only of those that are kept; rows have different numbers."""
        rank = (badness, -row)
        if len(self._heap) == self._most and rank < self._heap[0][:2]:
            return
        push = heapq.heappush if len(self._heap) < self._most else heapq.heappushpop
        push(self._heap, (*rank, shown()))

    def sorted(self) -> tuple[T, ...]:
        """The worst first."""
        return tuple(shown for _, _, shown in sorted(self._heap, key=lambda kept: kept[:2], reverse=True))
