"""The part of its source that a run reads: what the champion's coverage lacks, or all of a window."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from pydantic import AwareDatetime, Field

from evergreen.core.artifacts import SourceIdentity
from evergreen.core.base import Frozen
from evergreen.core.coverage import Coverage
from evergreen.core.refresh import Lag, NullTimes
from evergreen.core.window import parse_duration


class Counted(Frozen):
    """Rows that were counted before they are read: their fingerprint, `rows`, while the files are as `files` has them.

    Both are fingerprints; that of the files is quick to take, that of the rows takes a look at each.
    """

    files: str
    rows: str


class Part(Frozen):
    """Which rows of its source a run reads, and whether they are added to what the champion covers.

    With `until` it is those that the champion's coverage lacks and that arrived no later, beside `replay_share` of the
    covered ones; without, those of the whole window. `adds`: whether the rows count as covered after that; of a
    backfill they do not. `covered` is where that coverage is kept, which may be large; `held_out`, where the rows are
    that the champion and those before it were tested on or selected by; None: nowhere.
    `revision` is the state of the source that the rows were counted in, where that has a name by which it can be read;
    of which state they are makes no other part of the same rows. Of files, which have no such name, `counted` spares
    whoever reads the rows to tell once more which they are.
    """

    beside_content: ClassVar[frozenset[str]] = frozenset({"revision", "counted"})

    until: AwareDatetime | None = None
    replay_share: float = 0
    null_times: NullTimes = "refuse"
    lag: Lag = "1h"
    adds: bool = True
    covered: str | None = Field(None, exclude_if=lambda value: value is None)
    held_out: str | None = Field(None, exclude_if=lambda value: value is None)
    revision: str | None = None
    counted: Counted | None = Field(None, exclude_if=lambda value: value is None)

    @property
    def carries_on(self) -> bool:
        """Whether a version of these rows covers what the champion covers: it then has to go on from its weights."""
        return self.until is not None or not self.adds

    @property
    def lag_time(self) -> timedelta:
        """`lag` as a duration."""
        return timedelta() if self.lag == "0" else parse_duration(self.lag)

    def beside(self, since: Coverage) -> PartOfSource:
        """The part with the coverage that `covered` names."""
        return PartOfSource(**dict(self), since=since)


class PartOfSource(Part):
    """A part, and the coverage `since` which its new rows are told by: what a source reads by."""

    since: Coverage = Coverage()

    @property
    def without_coverage(self) -> Part:
        """What is handed from step to step."""
        return Part(**{name: getattr(self, name) for name in Part.model_fields})


class NewRows(Frozen):
    """What a source holds of a part: its identity, and how many rows are new, or read once more."""

    identity: SourceIdentity
    part: PartOfSource
    new: int
    replayed: int
