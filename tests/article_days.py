"""Days of a model of articles, whose labels come late."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar

from tests.days import START, Answers, Days

Article = tuple[str, str]
"""A text, and its label."""
LABELS = ("trace_id", "label", "arrived")
NO_REQUEST = ["0" * 32, "nobody", START.isoformat()]
"""A label of a request that no log has."""


@dataclass
class ArticleDays(Days[Article]):
    """The labels of half of a day's requests come on the same day, of the others on the next one."""

    content: ClassVar[tuple[str, str]] = ("text", "label")

    _unlabelled: list[tuple[str, str]] = field(default_factory=list)

    def cells(self, row: Article) -> tuple[str, str]:
        """Text and label."""
        return row

    def instance(self, row: Article) -> dict[str, str]:
        """The text."""
        return {"text": row[0]}

    def quality(self, answers: Answers, asked: Sequence[Article]) -> float:
        """The share of answers that are right."""
        right = [answer["label"] == label for answer, (_, label) in zip(answers, asked, strict=True)]
        return right.count(True) / len(right)

    def first(self, arriving: Sequence[Article]) -> str:
        """The first model; a label is there already, so that there is a table of them."""
        self.place.label(LABELS, [NO_REQUEST])
        return super().first(arriving)

    def answered(self, traces: Sequence[str], asked: Sequence[Article]) -> None:
        """Labels come."""
        told = [(trace, label) for trace, (_, label) in zip(traces, asked, strict=True)]
        half = len(told) // 2
        self._label([*self._unlabelled, *told[:half]])
        self._unlabelled = told[half:]

    def watching(self) -> dict[str, Any]:
        """Where the labels come."""
        return {"labels": {**self.place.labels, "columns": {name: name for name in LABELS}}}

    def _label(self, told: Iterable[tuple[str, str]]) -> None:
        now = datetime.now(UTC).isoformat()
        self.place.label(LABELS, [[trace, label, now] for trace, label in told])
