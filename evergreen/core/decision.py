"""What the gate says of a version, with every reason."""

from __future__ import annotations

from enum import StrEnum

from evergreen.core.base import Frozen


class Reason(Frozen):
    """One rule of the gate: what was required, what was measured, and whether it passed."""

    rule: str
    passed: bool
    message: str


class Verdict(StrEnum):
    """What the gate says of a version."""

    PROMOTE = "promote"
    KEEP = "keep"


class PromotionDecision(Frozen):
    """Promote the version, or keep the champion, with every reason. Nothing deploys without one."""

    verdict: Verdict
    version: str
    champion: str | None
    reasons: tuple[Reason, ...]
