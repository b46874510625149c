"""A newcomer's way up the shares of its ramp, each noted before the traffic moves: who takes over goes on there."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from evergreen.core.deployment import Deployment, Transition
from evergreen.core.errors import EndpointError
from evergreen.core.judge.settings import DAY_S
from evergreen.core.judging import Hearing, Step
from evergreen.core.ramp import LONGEST_S

CHECK_S = 5.0
Note = Callable[[tuple[Transition, ...]], None]


class RejectedError(EndpointError):
    """The judge takes the newcomer's share back."""


class Climb:
    """The shares so far, those of a ramp that was cut off first. `note` keeps them; without a `hearing` a share is held
    for `hold_s`, with one until the judge lets it go.
    """

    def __init__(self, hold_s: float, begun: Sequence[Transition], note: Note) -> None:
        self.shares = list(begun)
        self._hold_s = hold_s
        self._note = note
        self._is_new = False
        self._began = _now()

    def told_in(self, deployment: Deployment) -> Deployment:
        """The deployment with the shares."""
        return deployment.model_copy(update={"transitions": tuple(self.shares)})

    def enter(self, share: int, has: int) -> None:
        """Notes that the version is to get the share, or that it still `has` it: its clock goes on then."""
        last = self.shares[-1] if self.shares else None
        if last is not None and last.until is None:
            if last.share == share == has:
                return
            self.shares.pop()
            if last.share == has:
                self.shares.append(last.model_copy(update={"until": _now()}))
        self.shares.append(Transition(share=share, since=_now()))
        self._is_new = True
        self._note(tuple(self.shares))

    def hold(
        self,
        ask: Callable[[], None],
        watch: Callable[[], None],
        hearing: Hearing | None,
        room: Callable[[], bool] = lambda: True,
    ) -> None:
        """Returns when the version may have more, and there is `room` for that, until which it is judged on.

        `ask` raises where the endpoint does not answer, `watch` where the version is not ready. Where it is judged it
        is asked once, before a new share begins to count, and not again by who takes over: further questions would be
        taken for traffic.

        Raises:
            RejectedError: the judge takes the share back.
        """
        if hearing is None or self._is_new:
            ask()
        self._begin()
        while True:
            watch()
            step, share = self._step(hearing)
            if step is Step.ROLL_BACK:
                self._leave(share)
                raise RejectedError(f"the judge takes it back at {share.share} % of the traffic: {share.message}")
            if step is Step.GO_ON and room():
                self._leave(share)
                return
            self._keep(share)
            left_s = self._hold_s - (_now() - share.since).total_seconds()
            pauses = [CHECK_S, *([left_s] if left_s > 0 else []), *([hearing.every_s] if hearing else [])]
            time.sleep(min(pauses))
            if hearing is None:
                ask()

    def _step(self, hearing: Hearing | None) -> tuple[Step, Transition]:
        now, share = _now(), self.shares[-1]
        if hearing is None:
            held = (now - share.since).total_seconds() >= self._hold_s
            return Step.GO_ON if held else Step.WAIT, share
        if (now - self._began).total_seconds() > LONGEST_S:
            raise EndpointError(f"it was not decided within {LONGEST_S / DAY_S:g} days whether it may have all traffic")
        return hearing.step(self.shares, now)

    def _begin(self) -> None:
        """Counts a new share from now on: the question that it was asked is no client's."""
        if self._is_new:
            self._is_new = False
            self.shares[-1] = self.shares[-1].model_copy(update={"since": _now()})
            self._note(tuple(self.shares))

    def _keep(self, share: Transition) -> None:
        """Notes what is newly known."""
        if share.judgement != self.shares[-1].judgement:
            self.shares[-1] = share
            self._note(tuple(self.shares))

    def _leave(self, share: Transition) -> None:
        self.shares[-1] = share.model_copy(update={"until": _now()})
        self._note(tuple(self.shares))


def _now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)
