"""A newcomer's way to all the traffic, a canary first, e.g. `{shares: [5, 25], hold_s: 120}`."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Self

from pydantic import Field, model_validator

from evergreen.core.base import Frozen

ALL_TRAFFIC = 100


class Ramp(Frozen):
    """Percents of the traffic that a newcomer gets before all of it, each for `hold_s` seconds; none: all at once."""

    shares: tuple[Annotated[int, Field(ge=1, lt=ALL_TRAFFIC)], ...] = ()
    hold_s: float = Field(default=60.0, ge=0, le=86400)

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if any(later <= earlier for earlier, later in pairwise(self.shares)):
            raise ValueError(f"shares {list(self.shares)} do not rise; write them in the order in which they are given")
        return self


AT_ONCE = Ramp()


def split_at(incumbents: Mapping[str, int], newcomer: str, percent: int) -> dict[str, int]:
    """The split that gives the newcomer `percent`, and incumbents the rest in proportion to what they have."""
    left, total = ALL_TRAFFIC - percent, sum(incumbents.values())
    exact = {version: left * share / total for version, share in incumbents.items()}
    whole = {version: int(share) for version, share in exact.items()}
    by_remainder = sorted(exact, key=lambda version: (whole[version] - exact[version], version))
    for version in by_remainder[: left - sum(whole.values())]:
        whole[version] += 1
    return {newcomer: percent, **whole}
