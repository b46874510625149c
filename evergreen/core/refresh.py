"""Which rows a run trains on, all, those of a window that moves, or each new row once; and what makes it train.

refresh: {data: incremental, min_new_rows: 200, replay_share: 0.1, cool_down: 12h, when: {drift: {k: 2, of: 5}}}
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, Field, model_validator

from evergreen.core.artifacts import ResolvedWindow
from evergreen.core.base import Frozen
from evergreen.core.errors import InputError
from evergreen.core.when import When
from evergreen.core.window import Duration, Window, parse_duration

Policy = Literal["all", "sliding", "incremental"]
NullTimes = Literal["refuse", "include", "leave_out"]
OnLost = Literal["heal", "train"]


def _lag(text: str) -> str:
    if text != "0":
        parse_duration(text)
    return text


Lag = Annotated[str, AfterValidator(_lag)]
"""A duration as a window has it, or 0."""


class Refresh(Frozen):
    """Which rows a run reads. `data` None: those of the window where there is one, else all.

    `incremental` reads the rows that the champion's coverage lacks, and trains on from the champion. Fewer than
    `min_new_rows` end a run early, as a success. `replay_share` of the covered rows, by their content, are read again
    beside them. A row may become visible `lag` after its arrival time. `null_times` says what becomes of rows without a
    time: an included one is known by its id alone.

    A scheduled run trains because of other code alone only where `on_code` is true, and not before `cool_down` has
    passed since the last run that set out to train. `when` says what else makes a run train. `on_lost` says what a run
    without a reason to train does where results of the champion's run are gone: make them again of the same rows, or
    train on what there is.
    """

    data: Policy | None = None
    min_new_rows: int = Field(1, ge=1)
    replay_share: float = Field(0.1, ge=0, le=1)
    lag: Lag = "1h"
    null_times: NullTimes = "refuse"
    on_code: bool = False
    on_lost: OnLost = "heal"
    cool_down: Duration | None = None
    when: When = When()

    def policy(self, window: Window | None) -> Policy:
        """What `data` means beside this window.

        Raises:
            InputError: the two contradict each other.
        """
        if self.data is None:
            return "all" if window is None else "sliding"
        if self.data == "sliding" and window is None:
            raise InputError("data: sliding needs the length of the window; set window, such as {length: 30d}")
        if self.data != "sliding" and window is not None:
            what = "every row" if self.data == "all" else "what is new, of whatever time"
            raise InputError(
                f"data: {self.data} reads {what}, and a window is set; remove window, or set data: sliding"
            )
        return self.data


class Backfill(Frozen):
    """A stretch of event time whose rows are read once more, `[start, end)`: every run of it reads the same."""

    start: AwareDatetime
    end: AwareDatetime

    @model_validator(mode="after")
    def _has_a_length(self) -> Backfill:
        if self.end <= self.start:
            raise ValueError(
                f"end {self.end.isoformat()} is not after start {self.start.isoformat()}; give a later one"
            )
        return self

    @property
    def window(self) -> ResolvedWindow:
        """The same for a source."""
        return ResolvedWindow(start=self.start, end=self.end)
