"""What clients hear of a server: counts of its answers, and the seconds to those that were timed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

REFUSED = (429, 503)


@dataclass
class Heard:
    """Answers by number, and the seconds to those of them that were timed; `unsent` found no connection free."""

    answered: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    answers: int = 0
    refusals: int = 0
    failed: int = 0
    unsent: int = 0

    def note(self, status: int, seconds: float) -> None:
        """Counts an answer."""
        if status == 200:
            self.answers += 1
            self.answered.append(seconds)
        elif status in REFUSED:
            self.refusals += 1
            self.refused.append(seconds)
        else:
            self.failed += 1

    @property
    def heard(self) -> float:
        """The share that was answered or refused of those sent; 0 where none was."""
        heard = self.answers + self.refusals
        return heard / max(heard + self.failed, 1)

    @property
    def sent(self) -> float:
        """The share that found a connection; the others met a server that had left 900 of them without any answer."""
        sent = self.answers + self.refusals + self.failed
        return sent / max(sent + self.unsent, 1)

    def cells(self, seconds: float) -> list[str]:
        """The same as cells of a table."""
        return [
            f"{self.answers / seconds:.1f}",
            f"{self.refusals / seconds:.1f}",
            f"{quantile(self.answered, 0.99):.3f}",
            f"{quantile(self.refused, 0.99):.3f}" if self.refused else "-",
            str(self.failed),
            str(self.unsent),
        ]

    def and_of(self, other: Self) -> Heard:
        """Both together."""
        return Heard(
            [*self.answered, *other.answered],
            [*self.refused, *other.refused],
            self.answers + other.answers,
            self.refusals + other.refusals,
            self.failed + other.failed,
            self.unsent + other.unsent,
        )


def quantile(seconds: Sequence[float], share: float) -> float:
    """Of the seconds; NaN of none."""
    return sorted(seconds)[int(share * (len(seconds) - 1))] if seconds else float("nan")
