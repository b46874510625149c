"""What beside rows, configuration and code makes a run train: that verdicts say the world moved, or that time passed.

refresh: {when: {new_rows: false, drift: {k: 2, of: 5}, quality: true, max_age: 30d}}

The decision is pure. A verdict counts where it speaks of the champion as it is now: of its own requests, rows enough
or, for quality, labels enough, and a window that ended after the last training that was judged, so that one shift is a
reason once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal

from pydantic import Field, model_validator

from evergreen.core.base import Frozen
from evergreen.core.verdict import Verdict
from evergreen.core.window import Duration, parse_duration

CLOCKS = timedelta(minutes=5)
"""What the clocks of two machines may differ by."""
MOST_SLACK = timedelta(hours=1)
"""Else a tenth of the window: firings begin some minutes early or late, so that windows overlap and verdicts age."""
Kind = Literal["drift", "quality", "age"]


class Drift(Frozen):
    """So many (`k`) of the last `of` windows drifted, and the newest of them did."""

    k: int = Field(2, ge=1)
    of: int = Field(5, ge=1, le=30)

    @model_validator(mode="after")
    def _can_be(self) -> Drift:
        if self.k > self.of:
            raise ValueError(f"k {self.k} of the last {self.of} windows can never be; give a k of at most {self.of}")
        return self


class When(Frozen):
    """What makes a run train, beside another configuration and other code.

    `new_rows`: enough rows that the champion was not trained on; false: by schedule they alone are no reason. `drift`:
    windows of requests that drifted; None: none is. `quality`: metrics on labelled requests that are certainly below
    their floors, as the monitoring pipeline has them. `max_age`: so much time since the last training that was judged.
    """

    new_rows: bool = True
    drift: Drift | None = None
    quality: bool = False
    max_age: Duration | None = None

    @property
    def reads_verdicts(self) -> bool:
        """Whether any verdict matters."""
        return self.drift is not None or self.quality


class Cause(Frozen):
    """A reason to train that lies in the world; `words` follow a `for`."""

    kind: Kind
    words: str


def verdicts_that_count(
    verdicts: Iterable[Verdict], champion: str, since: datetime, now: datetime
) -> tuple[Verdict, ...]:
    """Those of the champion's own requests with rows enough, or whose answers were measured, newest window first; none
    where even that one is stale.

    `since` is when the last training began that was judged: windows that ended before are used up. Of windows that
    overlap by more than firings come early the newest counts alone, and of several verdicts on one window the last:
    their rows are the same.
    """
    own = [
        verdict
        for verdict in verdicts
        if verdict.version == champion
        and (verdict.enough or verdict.quality)
        and since < verdict.window.end <= now + CLOCKS
    ]
    counted: list[Verdict] = []
    for verdict in sorted(own, key=lambda one: (one.window.end, one.created), reverse=True):
        if not counted or verdict.window.end <= counted[-1].window.start + _slack(verdict):
            counted.append(verdict)
    return () if not counted or is_stale(counted[0], now) else tuple(counted)


def is_stale(verdict: Verdict, now: datetime) -> bool:
    """Whether a verdict says nothing of now: it is older than its window is long, or was of long ago when made."""
    age, looked_back = now - verdict.created, verdict.created - verdict.window.end
    return age > _length(verdict) + _slack(verdict) or looked_back > _length(verdict)


def causes(when: When, counted: Sequence[Verdict], since: datetime, now: datetime) -> tuple[Cause, ...]:
    """Each rule's reason that holds. `counted` is what `verdicts_that_count` gives for the same `since` and `now`."""
    found = (
        _drift(when.drift, counted, now),
        _quality(counted) if when.quality else None,
        _age(when.max_age, since, now),
    )
    return tuple(cause for cause in found if cause is not None)


def unheard(when: When, verdicts: Sequence[Verdict], counted: Sequence[Verdict]) -> str | None:
    """Why rules that read verdicts hear nothing; None: one counts, or no rule reads any."""
    if counted or not when.reads_verdicts:
        return None
    if not verdicts:
        return "there is no verdict for refresh.when to read"
    newest = max(verdicts, key=lambda one: one.window.end)
    return (
        "no verdict counts for refresh.when: the newest one is of version "
        f"{newest.version} and the window to {_moment(newest.window.end)}, made {_moment(newest.created)}"
        f"{'' if newest.enough else ', of too few rows'}"
    )


def _length(verdict: Verdict) -> timedelta:
    return verdict.window.end - verdict.window.start


def _slack(verdict: Verdict) -> timedelta:
    return min(_length(verdict) / 10, MOST_SLACK)


def _drift(rule: Drift | None, counted: Sequence[Verdict], now: datetime) -> Cause | None:
    """By windows with rows enough: the few of others say nothing of drift, though labels measure them."""
    told = [verdict for verdict in counted if verdict.enough]
    if rule is None or not told or not told[0].drifted or is_stale(told[0], now):
        return None
    last = told[: rule.of]
    drifted = sum(verdict.drifted for verdict in last)
    if drifted < rule.k:
        return None
    moved = ", ".join(dict.fromkeys(moved.words for moved in last[0].moved if moved.alarm))
    windows = f"{drifted} of the last {len(last)} windows" if len(last) > 1 else "the last window"
    what = f" ({moved})" if moved else ""
    return Cause(kind="drift", words=f"{windows} drifted, the newest to {_moment(last[0].window.end)}{what}")


def _quality(counted: Sequence[Verdict]) -> Cause | None:
    """By the newest that has labels, which come late: a later one without any says nothing against it."""
    labelled = next((verdict for verdict in counted if verdict.quality), None)
    if labelled is None or not labelled.below:
        return None
    names = " and ".join(labelled.below)
    is_below = "is certainly below its floor" if len(labelled.below) == 1 else "are certainly below their floors"
    return Cause(kind="quality", words=f"{names} {is_below} in the window to {_moment(labelled.window.end)}")


def _age(max_age: Duration | None, since: datetime, now: datetime) -> Cause | None:
    if max_age is None or now - since < parse_duration(max_age):
        return None
    return Cause(kind="age", words=f"the last training began {_moment(since)}, more than {max_age} ago")


def _moment(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M}"
