"""A newcomer's way to all the traffic, a canary first, e.g. `{shares: [5, 25], judge: {max_slower: 0.2}}`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Annotated, NamedTuple

from pydantic import Field, field_validator

from evergreen.core.base import Frozen
from evergreen.core.judge.settings import DAY_S, Judge
from evergreen.core.shadow import Shadow

ALL_TRAFFIC = 100
MOST_SHARES = 20
LONGEST_S = 5 * DAY_S
"""Vertex AI ends a task after seven days: what deploys before the ramp and tidies up after it needs the rest.

A configuration that asks for more is refused (`Ramp.complaints`); a longer ramp that code makes is climbed.
"""


class Complaint(NamedTuple):
    """What is wrong with a ramp: where, why, and the fields that it was seen by, as paths."""

    path: tuple[str, ...]
    reason: str
    reads: tuple[tuple[str, ...], ...]


class Ramp(Frozen):
    """Percents of the traffic that a newcomer gets before all of it, each for `hold_s` seconds; none: all at once.

    At each share `judge` holds it against the champion; null: it only has to answer.
    With `shadow` it first gets copies of requests, where the host makes them.
    """

    shares: Annotated[tuple[Annotated[int, Field(ge=1, lt=ALL_TRAFFIC)], ...], Field(max_length=MOST_SHARES)] = ()
    hold_s: float = Field(default=60.0, ge=0, le=DAY_S)
    judge: Judge | None = Judge()
    shadow: Shadow | None = None

    @field_validator("shares")
    @classmethod
    def _rising(cls, shares: tuple[int, ...]) -> tuple[int, ...]:
        if any(later <= earlier for earlier, later in pairwise(shares)):
            raise ValueError(
                f"each share should be greater than the one before, got {list(shares)}; write {sorted(set(shares))}"
            )
        return shares

    def complaints(self) -> Iterator[Complaint]:
        """What fields ask for together that cannot be, or was given and would never count; defaults are left alone.

        A ramp that was written down with its defaults still has to be read, so this is no validation.
        """
        if self.total_s > LONGEST_S:
            reason = (
                f"{len(self.shares)} shares of {self.hold_s:g} s{' after a shadow' if self.shadow else ''} take "
                f"{self.total_s / DAY_S:.1f} days, a rollout takes {LONGEST_S / DAY_S:g} at most; hold each for a "
                "shorter time, or give fewer"
            )
            yield Complaint((), reason, (("shares",), ("hold_s",), ("shadow",)))
        if self.judge is None or "judge" not in self.model_fields_set:
            return
        if not self.shares:
            reason = (
                "a judge is given and shares is [], so no version would ever be judged; give shares of 1 to "
                f"{ALL_TRAFFIC - 1} percent, such as shares: [5, 25, 50], or leave judge out"
            )
            yield Complaint(("judge",), reason, (("shares",),))
        if "max_hold_s" in self.judge.model_fields_set and self.judge.max_hold_s < self.hold_s:
            reason = (
                f"{self.judge.max_hold_s:g} s is shorter than hold_s, {self.hold_s:g} s, for which each share is held "
                f"anyway; give max_hold_s {self.hold_s:g} to {DAY_S:g}, or a hold_s of {self.judge.max_hold_s:g} at "
                "most"
            )
            yield Complaint(("judge", "max_hold_s"), reason, (("hold_s",), ("judge", "max_hold_s")))

    @property
    def total_s(self) -> float:
        """How long the newcomer is on its way to all the traffic, at least."""
        return len(self.shares) * self.hold_s + (self.shadow.for_s if self.shadow else 0.0)


AT_ONCE = Ramp()


def split_at(others: Mapping[str, int], newcomer: str, percent: int) -> dict[str, int]:
    """The split that gives the newcomer `percent`, and the others the rest in proportion to what they have."""
    left, total = ALL_TRAFFIC - percent, sum(others.values())
    exact = {version: left * share / total for version, share in others.items()}
    whole = {version: int(share) for version, share in exact.items()}
    by_remainder = sorted(exact, key=lambda version: (whole[version] - exact[version], version))
    for version in by_remainder[: left - sum(whole.values())]:
        whole[version] += 1
    return {newcomer: percent, **whole}
