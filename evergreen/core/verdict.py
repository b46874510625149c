"""What a window of requests says of the world: what moved since the model was trained, and for what it counts.

A verdict is an artifact of the monitoring pipeline; the next training run reads the newest of them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from evergreen.core.artifacts import ResolvedWindow
from evergreen.core.base import Frozen
from evergreen.core.counted import counted
from evergreen.core.metric import Metric

Evidence = Literal["feature", "embedding", "vocabulary", "predictions", "confidence"]
_SPOKEN = {"unknown_share": "share of unknown tokens"}
SPREADS = (
    "a spread is the standard deviation among the rows that the version was evaluated on, of many numbers that in the "
    "direction in which they moved most; in brackets is the 95 % interval"
)


def spoken(name: str) -> str:
    """A feature or a kind of evidence for people: `unknown_share` → `share of unknown tokens`, `line_count` → `line
    count`.
    """
    return _SPOKEN.get(name, name.replace("_", " "))


class Moved(Frozen):
    """One kind of evidence compared with the reference.

    `name` is the feature's, or empty. `shift` is the change in units of the reference's spread (for shares: the total
    variation distance), with its 95 % interval. `p_value` is after the correction for all that was compared, `alarm`
    whether it lies below the level. `since` is where the change began, None: not known or nothing changed.
    """

    evidence: Evidence
    name: str
    shift: Metric
    p_value: float
    alarm: bool
    message: str
    since: datetime | None = None

    @property
    def words(self) -> str:
        """What was compared: `tokens`, `share of unknown tokens`, `predictions`."""
        return spoken(self.name or self.evidence)


class Labels(Frozen):
    """Labels that came for the window's requests: `used` once each, `late` ones among them of requests before it,
    `duplicate` and `unknown` (of no logged request) ones left out, `contradicting` ones (two labels for one),
    `newer` ones (of requests after the window), `misspelt` ones (nearly a class of the model's) and `future`
    ones (which came after now, says their time) too.
    """

    used: int
    late: int = 0
    duplicate: int = 0
    unknown: int = 0
    contradicting: int = 0
    newer: int = Field(default=0, exclude_if=lambda value: not value)
    misspelt: int = Field(default=0, exclude_if=lambda value: not value)
    future: int = Field(default=0, exclude_if=lambda value: not value)


class Distribution(Frozen):
    """Shares of the reference's rows and of the window's, by bin: of a number between `edges`, which are one fewer than
    the bins, of classes by `labels`. `name` is the feature's, or what kind of evidence it is.
    """

    name: str
    edges: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()
    reference: tuple[float, ...]
    window: tuple[float, ...]


class Example(Frozen):
    """What requests are like of which there are more than in the reference: `share` of the window's are nearest to it
    in the embedding, `before` of the reference's own.

    `text` is the request's own where inputs are logged, else the beginning of a row that the version was evaluated on.
    """

    text: str
    logged: bool
    prediction: str
    share: float
    before: float


class Verdict(Frozen):
    """What one window says.

    `version` is the version whose requests were looked at, with the reference that its training left. `enough` is
    whether there were rows enough to say anything; `drifted` whether what moved counts for `refresh.when.drift`.
    `quality` are metrics on labelled rows with intervals, `below` those certainly below their floors.
    `class_shares` is the label-shift estimate of what the classes' shares are now. `notes` are what is told beside it:
    damaged lines, clocks that are off, no reference. `distributions` and `examples` are for the page; so is
    `windows`: whether this window and those before it that count drifted, newest first.
    """

    model: str
    version: str
    window: ResolvedWindow
    rows: int
    requests: int
    enough: bool
    drifted: bool
    moved: tuple[Moved, ...] = ()
    class_shares: dict[str, Metric] = {}
    labels: Labels | None = None
    quality: dict[str, Metric] = {}
    below: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    distributions: tuple[Distribution, ...] = ()
    examples: tuple[Example, ...] = ()
    windows: tuple[bool, ...] = ()
    created: datetime = Field(description="when it was made, UTC")

    @property
    def alarms(self) -> tuple[Moved, ...]:
        """What moved."""
        return tuple(one for one in self.moved if one.alarm)

    @property
    def legend(self) -> str:
        """What a spread is; empty where nothing moved by any."""
        return SPREADS if any(one.evidence != "predictions" for one in self.alarms) else ""

    @property
    def words(self) -> str:
        """In a line: `drifted: tokens, predictions; 2,000 rows of 1,950 requests`."""
        seen = f"{counted(self.rows, 'row')} of {counted(self.requests, 'request')}"
        below = f"; below its floor: {', '.join(self.below)}" if self.below else ""
        if not self.enough:
            return f"too little to say anything: {seen}{below}"
        if not self.drifted:
            return f"quiet: {seen}{below}"
        return f"drifted: {', '.join(one.words for one in self.alarms)}; {seen}{below}"
