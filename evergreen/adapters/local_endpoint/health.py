"""Whether one worker's process still answers, and when its silence means that it hangs.

A worker answers /health from a thread of its own, whatever it predicts. On a loaded machine that may take seconds; a
process that hangs is told from a slow one by the processor's time, which stands still for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from functools import partial

import aiohttp

CHECK_EVERY_S = 1.0
PROBE_S = 2.0
LATE_S = 0.25
"""How much later than its time a question may end; one that ends later was kept waiting by the front itself."""
STILL_S = 6.5
"""Silence after which a process that does nothing is ended: it is noticed within ten seconds."""
BUSY_S = 30.0
"""The same for a process that works all the while."""


class Answer(Enum):
    """What a question about health came to: SHUT where nothing listens, which a process that ends does too."""

    WELL = "well"
    SHUT = "shut"
    NONE = "none"


Probe = Callable[[float], Awaitable[Answer]]
"""Asks once, and waits for so many seconds."""


@dataclass
class Service:
    """One process's time of service: `hung` once it is ended for not answering, so that nobody repeats its work."""

    url: str
    hung: bool = False


class Health:
    """The answers to `probe` of a process that has used `worked_s` of the processor so far."""

    def __init__(self, probe: Probe, worked_s: Callable[[], float], clock: Callable[[], float]) -> None:
        self._probe = probe
        self._worked_s = worked_s
        self._clock = clock
        self._checked_at = clock()
        self._worked_at_first_s = 0.0
        self._stands_still = False
        self._ask_again = False
        self.silent_s = 0.0

    @property
    def pause_s(self) -> float:
        """How long to wait before the next question."""
        if self._ask_again:
            return 0.0
        return CHECK_EVERY_S / 4 if self.silent_s else CHECK_EVERY_S

    @property
    def hangs(self) -> bool:
        """Whether its silence is no longer that of a slow process, or of one that is about to end."""
        return self.silent_s >= (STILL_S if self._stands_still else BUSY_S)

    async def check(self) -> bool | None:
        """Whether it answers now; None where the front was kept waiting itself, so that nobody can say."""
        began = self._clock()
        paused_s = min(began - self._checked_at, self.pause_s)  # less where somebody asked to check at once
        answer = await self._probe(PROBE_S)
        self._checked_at = self._clock()
        took_s = self._checked_at - began
        if answer is Answer.WELL:
            self.silent_s, self._stands_still, self._ask_again = 0.0, False, False
            return True
        self._ask_again = took_s > PROBE_S + LATE_S
        if self._ask_again:
            return None
        self._note_silence(paused_s + took_s, may_hang=answer is Answer.NONE)
        return False

    def _note_silence(self, seconds: float, may_hang: bool) -> None:
        """Counts it. What hangs stands still for as long as the silence lasts, not only at its end."""
        worked_s = self._worked_s()
        if not self.silent_s:
            self._worked_at_first_s = worked_s
        self._stands_still = may_hang and bool(self.silent_s) and worked_s <= self._worked_at_first_s
        self.silent_s += seconds


def health_of(session: aiohttp.ClientSession, url: str, pid: int) -> Health:
    """The health of the process `pid` at `url`, by the clock of the running loop."""
    clock = asyncio.get_running_loop().time
    return Health(partial(ask_health, session, url), partial(_processor_s, pid), clock)


async def ask_health(session: aiohttp.ClientSession, url: str, within_s: float) -> Answer:
    """The answer of what listens at `url`."""
    try:
        timeout = aiohttp.ClientTimeout(total=within_s)
        async with session.get(f"{url}/health", timeout=timeout) as answer:
            return Answer.WELL if answer.status == 200 else Answer.NONE
    except aiohttp.ClientConnectorError:
        return Answer.SHUT
    except (aiohttp.ClientError, TimeoutError):
        return Answer.NONE


def _processor_s(pid: int) -> float:
    import psutil

    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)
