"""Whether a newcomer may have more traffic: what it did in the minutes that it shared with the champion.

judge: {errors: enforce, latency: dry_run, max_slower: 0.2, min_requests: 1000}
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, FiniteFloat

from evergreen.core.base import Frozen

DAY_S = 86400.0
Mode = Literal["enforce", "dry_run", "off"]
Share = Annotated[FiniteFloat, Field(ge=0, le=1)]
Seconds = Annotated[FiniteFloat, Field(ge=0, le=DAY_S)]


class Judge(Frozen):
    """What a newcomer is judged by while it shares the traffic with the champion.

    `errors`, `latency` and `collapse` are the rules: `enforce` rolls back, `dry_run` only tells, `off` does not look.
    A newcomer may fail `max_errors_more` more of its requests than the champion, be slower in its 95th percentile by
    `max_slower` (rounded up to steps of 5 %), and answer `max_shift` more of them otherwise than was seen on the test
    rows. A version that is no worse is rolled back with probability 1 - `confidence` at most, in the whole ramp and by
    all enforced rules together. What is certain counts at once; to go on takes `min_requests` of each version on
    the ramp so far, and of the newcomer at each share. The first `settle_s` seconds after a change of share do not
    count: the rollout leaves them out. What it finds undecided for `max_hold_s` ends as `on_inconclusive` says, what
    had no request at all as `on_no_traffic`.
    """

    errors: Mode = "enforce"
    latency: Mode = "enforce"
    collapse: Mode = "enforce"
    max_errors_more: Share = 0.0
    max_slower: Annotated[FiniteFloat, Field(ge=0, le=10)] = 0.05
    max_shift: Share = 0.1
    confidence: Annotated[FiniteFloat, Field(ge=0.5, lt=1)] = 0.95
    min_requests: Annotated[int, Field(ge=1)] = 500
    settle_s: Seconds = 60.0
    max_hold_s: Seconds = 3600.0
    on_inconclusive: Literal["go_on", "hold", "roll_back"] = "go_on"
    on_no_traffic: Literal["replay", "hold", "proceed"] = "replay"


class Expected(Frozen):
    """What the evaluation saw of both versions on the same test rows.

    `shift` is the total variation distance between their predicted classes, `shares` how often the champion predicts
    each class. A class that the newcomer does not know is left out of `shares`, for it must vanish.

    `lone_slowdown` is the host's (`Host.lone_slowdown`): it is tolerated, too, while the newcomer has much less of the
    traffic than the champion, and a third of it at any share.
    """

    shift: Share = 0.0
    shares: dict[str, Share] = {}
    lone_slowdown: Annotated[FiniteFloat, Field(ge=0, le=10)] = 0.0


class Ruling(StrEnum):
    """What to do with the newcomer's share."""

    GO_ON = "go_on"
    HOLD = "hold"
    ROLL_BACK = "roll_back"
    INCONCLUSIVE = "inconclusive"


class RuleFinding(Frozen):
    """What one rule says. `value` is how far the newcomer is from the champion, certainly between `low` and `high`.

    Of `errors` the difference of the shares that failed, of `latency` the share by which the 95th percentile is longer,
    of `collapse` the distance between the answers.
    """

    rule: str
    ruling: Ruling
    message: str
    value: float
    low: float
    high: float
    dry_run: bool


class Judgement(Frozen):
    """What all rules say, and the requests that they say it by."""

    ruling: Ruling
    findings: tuple[RuleFinding, ...]
    newcomer_requests: int
    champion_requests: int
    message: str
