"""What a source saw, what it read of that and what it left out, by reason: nothing is left out in silence.

60 read of 62 seen; left out: 2 masks without a picture (img001.png, img003.png)
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice
from typing import Self

from pydantic import model_validator

from evergreen.core.base import Frozen

MOST_EXAMPLES = 3
_LONGEST_NAME = 60
_MOST_SUFFIXES = 12
"""Reasons of their own, the most frequent; a folder of anything may hold thousands."""
_MOST_KINDS = 5
"""Reasons that are named in words."""
_NOUN = re.compile(r"\b(file|folder|link|mask|picture|row)\b")


class LeftOutReason:
    """Why something is left out, spelled once; what is counted is the first noun."""

    HIDDEN_FILE = "hidden file"
    HIDDEN_FOLDER = "hidden folder"
    BROKEN_LINK = "broken link"
    ENDLESS_LINK = "link to a folder that holds it"
    REPEATED_FOLDER = "folder that is read under another name"
    REPEATED_FILE = "file that is read under another name"
    SPECIAL_FILE = "file that is a pipe, socket or device"
    NOT_IN_CLASS_FOLDER = "file outside of a class's folder"
    UNPAIRED_MASK = "mask without a picture"
    OUTSIDE_WINDOW = "row outside of the window"
    COVERED = "row that the champion was trained on"
    NOT_YET = "row of a time after the run began"
    WITHOUT_TIME = "row without a time"
    REPLACED = "row whose id another one has"
    UNUSABLE_ROW = "row that cannot be used"
    REPEATED_ROW = "row that repeats another"

    WITH_SUFFIX = "file with suffix "
    OTHER_SUFFIX = "file with another suffix"

    @classmethod
    def suffix(cls, suffix: str) -> str:
        """Of files whose name ends in what the format is not read by."""
        return f"{cls.WITH_SUFFIX}{_printable(suffix)}" if suffix else "file without suffix"


class LeftOut(Frozen):
    """What is left out by reason, and the names of a few of each."""

    counts: dict[str, int] = {}
    examples: dict[str, tuple[str, ...]] = {}

    @classmethod
    def of(cls, reasons: Iterable[tuple[str, str]]) -> Self:
        """The sum of (reason, name)."""
        counts: dict[str, int] = {}
        examples: dict[str, tuple[str, ...]] = {}
        for reason, name in reasons:
            counts[reason] = counts.get(reason, 0) + 1
            if len(examples.setdefault(reason, ())) < MOST_EXAMPLES:
                examples[reason] += (_printable(name),)
        return cls(counts=counts, examples=examples)._bounded()

    def __add__(self, other: LeftOut) -> LeftOut:
        reasons = [*self.counts, *(reason for reason in other.counts if reason not in self.counts)]
        return LeftOut(
            counts={reason: self.counts.get(reason, 0) + other.counts.get(reason, 0) for reason in reasons},
            examples={
                reason: names[:MOST_EXAMPLES]
                for reason in reasons
                if (names := self.examples.get(reason, ()) + other.examples.get(reason, ()))
            },
        )._bounded()

    def _bounded(self) -> Self:
        """The rarer suffixes as one reason, where there are many."""
        suffixes = [suffix for suffix in self.counts if suffix.startswith(LeftOutReason.WITH_SUFFIX)]
        rare = sorted(suffixes, key=self.counts.__getitem__, reverse=True)[_MOST_SUFFIXES:]
        if not rare:
            return self
        other = LeftOutReason.OTHER_SUFFIX
        counts, examples = dict(self.counts), dict(self.examples)
        for suffix in rare:
            counts[other] = counts.get(other, 0) + counts.pop(suffix)
            examples[other] = (examples.get(other, ()) + examples.pop(suffix, ()))[:MOST_EXAMPLES]
        return self.model_copy(update={"counts": counts, "examples": examples})

    @property
    def total(self) -> int:
        """Of all reasons."""
        return sum(self.counts.values())

    def words(self) -> str:
        """`2 masks without a picture (img001.png, img003.png), 1 hidden file (_SUCCESS)`; empty where nothing is.

        Of many reasons the most frequent ones.
        """
        by_count = sorted(self.counts, key=self.counts.__getitem__, reverse=True)
        named = set(by_count[:_MOST_KINDS])
        words = ", ".join(self._words(reason, count) for reason, count in self.counts.items() if reason in named)
        more = len(by_count) - len(named)
        return words + (f" and {more} more kind{'s'[: more != 1]}" if more else "")

    def _words(self, reason: str, count: int) -> str:
        named = ", ".join(self.examples.get(reason, ()))
        more = ", …" if named and count > len(self.examples[reason]) else ""
        return f"{count:,} {plural(reason, count)}" + (f" ({named}{more})" if named else "")


NOTHING = LeftOut()


class Intake(Frozen):
    """What a source saw is what it read and what it left out: rows, and each file that gives none counts as one."""

    seen: int
    read: int
    left_out: dict[str, int] = {}
    examples: dict[str, tuple[str, ...]] = {}

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        total = sum(self.left_out.values())
        if self.seen != self.read + total:
            raise ValueError(f"{self.seen:,} rows were seen, but {self.read:,} read and {total:,} left out")
        return self

    def words(self) -> str:
        """`60 read of 62 seen; left out: 2 masks without a picture (img001.png, img003.png)`."""
        left_out = LeftOut(counts=self.left_out, examples=self.examples).words()
        return f"{self.read:,} read of {self.seen:,} seen" + (f"; left out: {left_out}" if left_out else "")


class IntakeCount:
    """Counts while rows pass: readers say what they see and leave out, whoever writes the rows what is read."""

    def __init__(self, left_out: LeftOut = NOTHING) -> None:
        self.seen = left_out.total
        self.left_out = left_out

    def see(self, rows: int) -> None:
        """Counts rows that will be read, or left out by `leave_out`."""
        self.seen += rows

    def leave_out(self, reason: str, count: int, names: Iterable[str]) -> None:
        """Counts rows that were seen; of their `names` a few are kept."""
        shown = tuple(map(_printable, islice(names, MOST_EXAMPLES)))
        self.left_out += LeftOut(counts={reason: count}, examples={reason: shown})

    def add(self, left_out: LeftOut) -> None:
        """Counts what was seen and is left out."""
        self.seen += left_out.total
        self.left_out += left_out

    def intake(self, read: int) -> Intake:
        """All of it. Raises ValueError where it does not add up: rows were lost on the way."""
        return Intake(seen=self.seen, read=read, left_out=self.left_out.counts, examples=self.left_out.examples)


def plural(reason: str, count: int) -> str:
    """The reason, its first noun in the plural unless it is of one."""
    return reason if count == 1 else _NOUN.sub(r"\1s", reason, count=1)


def _printable(name: str) -> str:
    """A file's name as far as a person needs it, whatever its bytes."""
    shown = name.encode("utf-8", "backslashreplace").decode("utf-8")
    return shown if len(shown) <= _LONGEST_NAME else f"…{shown[1 - _LONGEST_NAME :]}"
