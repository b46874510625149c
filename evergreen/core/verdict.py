"""What a window of a model's requests says of the world: what moved since it was trained, and for what it counts.

A verdict is an artifact of the monitoring pipeline; the next training run reads the newest of them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from evergreen.core.artifacts import ResolvedWindow
from evergreen.core.base import Frozen
from evergreen.core.metric import Metric

Evidence = Literal["feature", "embedding", "vocabulary", "predictions", "confidence"]


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


class Labels(Frozen):
    """Labels that came for the window's requests: `used` once each, `late` ones among them of earlier windows,
    `duplicate` and `unknown` (of no logged request) ones left out, `contradicting` ones (two labels for one) too.
    """

    used: int
    late: int = 0
    duplicate: int = 0
    unknown: int = 0
    contradicting: int = 0


class Verdict(Frozen):
    """What one window says.

    `version` is the version whose requests were looked at, with the reference that its training left. `enough` is
    whether there were rows enough to say anything; `drifted` whether what moved counts for `refresh.when.drift`.
    `quality` are metrics on labelled rows with intervals, `below` those certainly below their floors.
    `class_shares` is the label-shift estimate of what the classes' shares are now. `notes` are what is told beside it:
    damaged lines, clocks that are off, no reference.
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
    created: datetime = Field(description="when it was made, UTC")
