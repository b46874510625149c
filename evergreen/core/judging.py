"""What lets a newcomer go on from a share of its ramp: the judge's ruling, how long it had the share, who asked it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from evergreen.core.deployment import Transition
from evergreen.core.errors import EvergreenError
from evergreen.core.judge.evidence import Minute, Witness
from evergreen.core.judge.judgement import judge
from evergreen.core.judge.settings import Expected, Judge, Ruling
from evergreen.core.replay import Ask, Replay, replayed

AGAIN = timedelta(minutes=15)
"""How much of what was told before is asked for once more: a slow answer is noted when it is out."""
INCONCLUSIVE = {"go_on": "go_on", "hold": "wait", "roll_back": "roll_back"}
NO_TRAFFIC = {"replay": "replay", "proceed": "go_on", "hold": "wait"}


class Step(StrEnum):
    """What is next at a share."""

    GO_ON = "go_on"
    WAIT = "wait"
    REPLAY = "replay"
    ROLL_BACK = "roll_back"


@dataclass(frozen=True)
class Judging:
    """What a newcomer is judged by: the `rules`, the `champion` that it is held against, the `witness` of both, what
    gives the rows to `replay` where nobody asks, and what the evaluation `expected`.
    """

    rules: Judge
    champion: str
    witness: Witness
    replay: Callable[[], Replay]
    expected: Expected = field(default_factory=Expected)


@dataclass(frozen=True)
class Held:
    """A share so far: seconds since it was given and since the newcomer's first request at it (None: none is told of),
    and the newcomer's requests at it that count.
    """

    waited_s: float
    held_s: float | None
    requests: int = 0


def next_step(rules: Judge, hold_s: float, late_s: float, held: Held, ruling: Ruling | None) -> Step:
    """What follows of a ruling on the ramp so far (None: there is none yet) for a share to be held for `hold_s`."""
    if ruling is Ruling.ROLL_BACK:
        return Step.ROLL_BACK
    if held.held_s is None:
        return Step.WAIT if held.waited_s < hold_s + late_s else Step(NO_TRAFFIC[rules.on_no_traffic])
    if held.held_s < hold_s:
        return Step.WAIT
    if ruling is Ruling.GO_ON and held.requests >= rules.min_requests:
        return Step.GO_ON
    if held.held_s < max(rules.max_hold_s, hold_s):
        return Step.WAIT
    return Step(INCONCLUSIVE[rules.on_inconclusive])


def settled(minutes: Sequence[Minute], shares: Sequence[Transition], settle_s: float, every_s: float) -> list[Minute]:
    """The minutes in which both had requests and no share was younger than `settle_s`: what is new warms up."""
    unsettled = [
        (share.since - timedelta(seconds=every_s), share.since + timedelta(seconds=settle_s)) for share in shares
    ]
    return [
        minute
        for minute in minutes
        if minute.newcomer.requests
        and minute.champion.requests
        and not any(start < minute.start < end for start, end in unsettled)
    ]


class Hearing:
    """The evidence of one ramp, asked of its witness as time goes on."""

    def __init__(self, judging: Judging, newcomer: str, hold_s: float, ask: Ask) -> None:
        self._judging = judging
        self._newcomer = newcomer
        self._hold_s = hold_s
        self._ask = ask
        self._minutes: list[Minute] = []
        self._looked: datetime | None = None
        self._first: datetime | None = None
        self._fault = ""

    @property
    def every_s(self) -> float:
        """How long to wait for something new, in seconds."""
        return self._judging.witness.every_s

    def step(self, shares: Sequence[Transition], now: datetime) -> tuple[Step, Transition]:
        """What is next at the last of the `shares`, and that share with what is known of it by now."""
        share, held = self._look(shares, now), self._held(shares, now)
        ruling = share.judgement.ruling if share.judgement else None
        step = next_step(self._judging.rules, self._hold_s, self._judging.witness.late_s, held, ruling)
        if step is Step.REPLAY:
            return self._replay(shares, share, held)
        return step, share.model_copy(update={"message": self._words(step, held, share)})

    def _look(self, shares: Sequence[Transition], now: datetime) -> Transition:
        """The last share, judged anew by the whole ramp when there may be something new."""
        if not self._is_due(shares[-1], now):
            return shares[-1]
        self._looked, self._fault = now, ""
        begun, witness, rules = shares[0].since, self._judging.witness, self._judging.rules
        again = max(begun, self._minutes[-1].start - AGAIN) if self._minutes else begun
        try:
            new = witness.minutes(self._newcomer, self._judging.champion, again)
            if self._first is None or self._first < shares[-1].since:
                self._first = witness.first(self._newcomer, shares[-1].since)
        except EvergreenError as error:  # what cannot be read speaks neither for the newcomer nor against it
            self._fault = str(error)
            return shares[-1]
        self._minutes = [*(minute for minute in self._minutes if minute.start < again), *new]
        evidence = settled(self._minutes, shares, rules.settle_s, self.every_s)
        if not evidence:
            return shares[-1]
        found = judge(rules, evidence, self._judging.expected)
        return shares[-1].model_copy(update={"judgement": found, "by": "requests"})

    def _is_due(self, share: Transition, now: datetime) -> bool:
        """Whether a minute has passed since the last look, or it is time to say whether anybody asked."""
        if self._looked is None or (now - self._looked).total_seconds() >= self.every_s:
            return True
        asked = self._first is not None and self._first >= share.since
        by = share.since + timedelta(seconds=self._hold_s + self._judging.witness.late_s)
        return not asked and self._looked < by <= now

    def _held(self, shares: Sequence[Transition], now: datetime) -> Held:
        since, rules = shares[-1].since, self._judging.rules
        first = self._first if self._first and self._first >= since else None
        if first is None and self._fault:
            first = since  # whether anybody asks is not known; it does not wait for ever
        counted = settled(self._minutes, shares, rules.settle_s, self.every_s)
        requests = sum(minute.newcomer.requests for minute in counted if minute.start >= since)
        held_s = (now - first).total_seconds() if first else None
        return Held((now - since).total_seconds(), held_s, requests)

    def _replay(self, shares: Sequence[Transition], share: Transition, held: Held) -> tuple[Step, Transition]:
        """Asks both versions once a ramp: the same rows say the same at the next share."""
        before = next((had for had in shares if had.by == "replay" and had.judgement), None)
        if before is not None:
            known = {"judgement": before.judgement, "by": "replay", "message": before.message}
            return Step.GO_ON, share.model_copy(update=known)
        given, replay = self._judging, self._judging.replay()
        minutes = replayed(self._ask, replay, self._newcomer, given.champion, self._is_decided)
        found = judge(given.rules, minutes, given.expected)
        silent = bool(minutes) and all(minute.newcomer.errors == minute.newcomer.requests for minute in minutes)
        step = Step.ROLL_BACK if silent or found.ruling is Ruling.ROLL_BACK else Step.GO_ON
        said = "none of which it answers" if silent else found.message
        message = f"no request came in {held.waited_s:.0f} s, {replay.origin} were replayed: {said}"
        return step, share.model_copy(update={"judgement": found, "by": "replay", "message": message})

    def _is_decided(self, minutes: Sequence[Minute]) -> bool:
        ruling = judge(self._judging.rules, minutes, self._judging.expected).ruling
        return ruling in (Ruling.GO_ON, Ruling.ROLL_BACK)

    def _words(self, step: Step, held: Held, share: Transition) -> str:
        """Why, for people."""
        rules, found = self._judging.rules, share.judgement
        enough = found is not None and found.ruling is Ruling.GO_ON and held.requests >= rules.min_requests
        if found is not None and (found.ruling is Ruling.ROLL_BACK or (enough and held.held_s is not None)):
            return found.message
        if held.held_s is None:
            went_on = f"; rollout.judge.on_no_traffic is {rules.on_no_traffic}" if step is not Step.WAIT else ""
            return f"no request came in {held.waited_s:.0f} s{went_on}"
        known = self._fault or (found.message if found else "no minute in which both versions had requests")
        if step is Step.WAIT:
            return known
        ending = f"rollout.judge.on_inconclusive is {rules.on_inconclusive}"
        return f"inconclusive after {held.held_s:.0f} s ({known}); {ending}"
