"""The part of the plan that tells rules: what makes a run train, how a version gets its traffic, who is told.

trains      for new rows, another configuration, other code (not by schedule), 2 of the last 5 windows drifted
rollout     5, 25, 50 % of the traffic, each for 120 s at least, then all of it
judge       errors enforce, latency dry_run, collapse enforce; from 500 requests of the newcomer at each share on
            undecided after 3600 s: go_on; without a request: replay
alerts      by webhook: rollback, approval; the same news again after 6h
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from evergreen.core.alerts import Alerts, Told
from evergreen.core.judge.settings import Judge
from evergreen.core.ramp import Ramp
from evergreen.core.refresh import Refresh
from evergreen.requestlog.settings import NotesRequests

if TYPE_CHECKING:
    from commands.project import Project

INDENT = " " * 12
OF_TRAINING: tuple[Told, ...] = ("rollback", "approval")
OF_MONITORING: tuple[Told, ...] = ("drift", "quality", "idle")


def rule_lines(project: Project) -> list[str]:
    """The lines of the plan."""
    given = project.configuration.parameters
    logs = isinstance(project.host, NotesRequests) and project.host.log is not None
    return [
        *training_lines(project.refresh),
        *(
            rollout_lines(given.rollout, logs=logs)
            if given.deploy
            else ["rollout     none: parameters.deploy is false"]
        ),
        f"alerts      {alert_words(project.alerts, OF_TRAINING)}",
    ]


def training_lines(refresh: Refresh) -> Iterator[str]:
    """What makes a run train."""
    when = refresh.when
    rows = f"{refresh.min_new_rows:,} new rows or more" if refresh.min_new_rows > 1 else "new rows"
    reasons = [
        rows if when.new_rows else f"{rows} (not by schedule)",
        "another configuration",
        "other code" if refresh.on_code else "other code (not by schedule)",
        *([f"{when.drift.k} of the last {when.drift.of} windows drifted"] if when.drift else []),
        *(["quality certainly below its floor"] if when.quality else []),
        *([f"{when.max_age} since the last training"] if when.max_age else []),
    ]
    yield f"trains      for {', '.join(reasons)}"
    if refresh.cool_down:
        yield f"{INDENT}by schedule no sooner than {refresh.cool_down} after the last training"


def rollout_lines(ramp: Ramp, *, logs: bool) -> Iterator[str]:
    """How a version gets its traffic, and what may take it back; `logs`: requests are noted, by which it is judged."""
    if shadow := ramp.shadow:
        yield (
            f"shadow      copies of {shadow.share * 100:g} % of the requests for {shadow.for_s:g} s first; a version "
            f"that fails more than {shadow.max_failed * 100:g} % of them is kept out"
        )
    if not ramp.shares:
        yield "rollout     all of the traffic at once, when it answers"
        return
    shares = ", ".join(map(str, ramp.shares))
    yield f"rollout     {shares} % of the traffic, each for {ramp.hold_s:g} s at least, then all of it"
    if ramp.judge is None or not logs:
        why = "rollout.judge is null" if ramp.judge is None else "the host notes no requests, as its log is not set"
        yield f"judge       none, a version only has to answer: {why}"
        return
    yield from _judge_lines(ramp.judge)


def _judge_lines(judge: Judge) -> Iterator[str]:
    modes = ", ".join(f"{rule} {getattr(judge, rule)}" for rule in ("errors", "latency", "collapse"))
    yield f"judge       {modes}; from {judge.min_requests:,} requests of the newcomer at each share on"
    ends = f"undecided after {judge.max_hold_s:g} s: {judge.on_inconclusive}; without a request: {judge.on_no_traffic}"
    yield f"{INDENT}{ends}"


def alert_words(alerts: Alerts, told: tuple[Told, ...]) -> str:
    """Who is told of what by a run that tells these kinds: monitoring and training have a configuration each."""
    if not alerts.channels:
        return "nobody is told of anything: parameters.alerts names no channel"
    channels = " and ".join(alerts.channels)
    kinds = (
        ", ".join(kind for kind in alerts.kinds if kind in told) or f"nothing, as kinds leaves out {', '.join(told)}"
    )
    return f"by {channels}: {kinds}; the same news again after {alerts.cool_down}"
