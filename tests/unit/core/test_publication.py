"""Which version is published, if any."""

from __future__ import annotations

import pytest

from evergreen.core.decision import PromotionDecision, Verdict
from evergreen.core.deployment import Deployment
from evergreen.core.publication import candidate_to_publish, live_to_publish


def decision(verdict: Verdict, champion: str | None = "old") -> PromotionDecision:
    return PromotionDecision(verdict=verdict, version="new", champion=champion, reasons=())


def deployment(outcome: str, version: str | None) -> Deployment:
    return Deployment.model_validate(
        {"outcome": outcome, "model": "news", "url": None, "version": version, "traffic": {}, "message": ""}
    )


@pytest.mark.parametrize(
    ("verdict", "champion", "outcome", "serving", "published"),
    [
        (Verdict.PROMOTE, "old", "live", "new", "new"),
        (Verdict.PROMOTE, None, "live", "new", "new"),
        (Verdict.PROMOTE, "old", "rolled_back", "old", None),
        (Verdict.PROMOTE, "old", "kept", "old", None),  # judged against another champion than the present one
        (Verdict.KEEP, "old", "kept", "old", None),
        (Verdict.KEEP, "new", "kept", "new", "new"),  # the champion again: what its publication lacks is added
        (Verdict.KEEP, "new", "live", "new", "new"),
        (Verdict.KEEP, None, "none", None, None),
    ],
)
def test_what_went_live_is_published_and_nothing_else(
    verdict: Verdict, champion: str | None, outcome: str, serving: str | None, published: str | None
) -> None:
    assert live_to_publish(decision(verdict, champion), deployment(outcome, serving))[0] == published


@pytest.mark.parametrize(
    ("verdict", "champion", "published"),
    [
        (Verdict.PROMOTE, "old", "new"),
        (Verdict.PROMOTE, None, "new"),
        (Verdict.KEEP, "old", None),
        (Verdict.KEEP, "new", "new"),
    ],
)
def test_before_the_rollout_the_gate_decides(verdict: Verdict, champion: str | None, published: str | None) -> None:
    assert candidate_to_publish(decision(verdict, champion))[0] == published
