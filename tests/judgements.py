"""Shares of a ramp with what was seen at them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from evergreen.core.deployment import Transition
from evergreen.core.judge.settings import Judgement, RuleFinding, Ruling

BEGAN = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


def judgement(ruling: Ruling = Ruling.GO_ON) -> Judgement:
    errors = RuleFinding(
        rule="errors", ruling=ruling, message="1.20% failed", value=0.012, low=0.004, high=0.021, dry_run=False
    )
    latency = errors.model_copy(update={"rule": "latency", "message": "8 % slower", "value": 0.08, "dry_run": True})
    return Judgement(
        ruling=ruling,
        findings=(errors, latency),
        newcomer_requests=1234,
        champion_requests=20_000,
        message="seen in 1,234 requests: errors: 1.20% failed",
    )


def shares(ruling: Ruling = Ruling.GO_ON) -> tuple[Transition, ...]:
    """5 % by readiness, 25 % by replayed rows, 50 % by requests."""
    ends = [BEGAN + timedelta(minutes=number) for number in range(4)]
    return (
        Transition(share=5, since=ends[0], until=ends[1]),
        Transition(share=25, since=ends[1], until=ends[2], by="replay", message="64 kept rows were replayed"),
        Transition(
            share=50,
            since=ends[2],
            until=ends[3],
            by="requests",
            judgement=judgement(ruling),
            message=judgement(ruling).message,
        ),
    )
