"""Predictions of many rows: what passes between who reads rows, who predicts a shard of them, and where parts go.

Part.parse("00003-9f2c41d07be8a615-2")  →  shard 3, of rows and a version that the key tells, 2 rows of it unusable
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, Self

from evergreen.core.artifacts import VERSION_LENGTH
from evergreen.core.base import Frozen
from evergreen.core.counted import counted
from evergreen.core.lease import Holder, Lease

if TYPE_CHECKING:
    import pyarrow as pa

Row = dict[str, Any]
VERSION, ERROR = "version", "error"
"""The last two columns of each row that was predicted; where a row had one already, ours begins with `predicted_`."""
PREFIX = "predicted_"
PartFormat = Literal["jsonl", "parquet"]
MOST_SHARD_ROWS = 20_000
_NAME = re.compile(r"(\d{5,})-([0-9a-f]{16})-(\d+)")
_VERSION = re.compile(rf"[0-9a-fv][0-9a-f]{{{VERSION_LENGTH - 1}}}")


@dataclass(frozen=True)
class Table:
    """Rows in order with their columns, as they are; nothing is read until the first is asked for. `schema` tells their
    types once it was, where the place that they are from does (None: it does not).
    """

    rows: Iterator[Row]
    schema: Callable[[], pa.Schema | None] | None = None


class Part(NamedTuple):
    """The predicted rows of one shard. `key` is of its rows, the version and what is kept of both: equal keys promise
    equal parts, on Dataflow up to what admitted engines differ by. `unusable` counts the rows without a prediction.
    """

    number: int
    key: str
    unusable: int

    @classmethod
    def parse(cls, name: str) -> Part | None:
        """The part of this name; None: it is none."""
        match = _NAME.fullmatch(name)
        return cls(int(match[1]), match[2], int(match[3])) if match else None

    def __str__(self) -> str:
        return f"{self.number:05d}-{self.key}-{self.unusable}"


class Turn(Protocol):
    """A job's turn at an output, which one job has at a time. A `Claim` is one."""

    def check(self) -> None:
        """Returns while nothing tells that it is over. Raises LeaseLostError: another job writes the output now."""

    def fence(self) -> None:
        """Returns once it is sure to be this job's still. Raises as `check` does, or EvergreenError: no answer."""


class OwnTurn:
    """One that nobody can take away."""

    def check(self) -> None:
        """Returns."""

    def fence(self) -> None:
        """Returns."""


def was_predicted(row: Row) -> bool:
    """Whether a row ends with the version that predicted it and the reason why it could not, as every output's do."""
    names = [name.removeprefix(PREFIX) for name in list(row)[-2:]]
    return names == [VERSION, ERROR] and _VERSION.fullmatch(str(list(row.values())[-2])) is not None


class PartStore(Protocol):
    """Where parts are kept and, once all are there, become the output. It travels to workers."""

    @property
    def part_format(self) -> PartFormat:
        """What a part is written as."""

    @property
    def is_local(self) -> bool:
        """Whether processes of this machine alone can write there."""

    @property
    def is_delimited(self) -> bool:
        """Whether the output is delimited text, which spreadsheets open."""

    def of_rows(self, dialect: Mapping[str, Any], *, typed: bool) -> Self:
        """The same for rows of an input: fields that say how its tables are read, and whether their types are known."""

    def check(self) -> str:
        """Where the output goes, in words. Raises InputError: it cannot be written there, or what is there was not
        predicted.
        """

    def turn(self, holder: Holder, over: Callable[[Lease], bool]) -> AbstractContextManager[Turn]:
        """The output, this job's alone within the block, on any machine; `over` says from whom it is taken over.

        Raises:
            BusyError: another job writes it; the message says whose it is and since when.
            EvergreenError: nothing can be written there, or where it is does not answer.
        """

    def known(self) -> Iterable[Part]:
        """The parts that are there whole, of this job or of others."""

    def put(self, part: Part, file: Path) -> None:
        """Keeps a part, whole or not at all; once more changes nothing."""

    def finish(self, parts: Sequence[Part]) -> str:
        """Makes the output of these parts alone, in their order, at once, and removes what it does not need any more.

        Says where it is. Cut off anywhere, it can be called again. Raises InputError as `check` does.
        """


class BatchReport(Frozen):
    """What was predicted: `rows` in all, of which `unusable` have a reason instead of a prediction; `reasons` counts
    the most frequent of those that this run met. `predicted` rows are this run's, the others were there. `note` is what
    whoever opens the output has to know.
    """

    model: str
    version: str
    engine: str
    origin: str
    output: str
    runner: str
    rows: int
    predicted: int
    unusable: int
    parts: int
    reasons: Mapping[str, int] = {}
    seconds: float
    note: str | None = None

    @property
    def done(self) -> str:
        """`20,000 rows, 15,000 of them in this run (124 rows/s), 2 unusable`."""
        speed = f" ({self.predicted / max(self.seconds, 1e-9):,.0f} rows/s)" if self.predicted else ""
        share = "" if self.predicted == self.rows else f", {self.predicted:,} of them in this run"
        return f"{counted(self.rows, 'row')}{share}{speed}, {self.unusable:,} unusable"
