"""Whether one worker's process still answers, and when its silence means that it hangs.

A worker answers /health from a thread of its own, whatever it predicts. On a loaded machine that may take seconds; a
process that hangs is told from a slow one by the processor's time, which stands still for it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import aiohttp

CHECK_EVERY_S = 1.0
PROBE_S = 2.0
STILL_S = 6.5
"""Silence after which a process that does nothing is ended: it is noticed within ten seconds."""
BUSY_S = 30.0
"""The same for a process that works all the while."""


@dataclass
class Service:
    """One process's time of service: `hung` once it is ended for not answering, so that nobody repeats its work."""

    url: str
    hung: bool = False


class Health:
    """The answers of the process `pid` at `url`."""

    def __init__(self, session: aiohttp.ClientSession, url: str, pid: int) -> None:
        self._session = session
        self._url = url
        self._pid = pid
        self._worked_s = 0.0
        self._stands_still = False
        self.silent_s = 0.0

    @property
    def pause_s(self) -> float:
        """How long to wait before the next question."""
        return CHECK_EVERY_S / 4 if self.silent_s else CHECK_EVERY_S

    @property
    def hangs(self) -> bool:
        """Whether its silence is no longer that of a slow process, or of one that is about to end."""
        return self.silent_s >= (STILL_S if self._stands_still else BUSY_S)

    async def check(self) -> bool:
        """Whether it answers now.

        A question counts for no more silence than it may take, so that a front that was kept waiting itself blames
        nobody for it.
        """
        loop = asyncio.get_running_loop()
        began, worked_before_s, pause_s = loop.time(), self._worked_s, self.pause_s
        well, refused = await self._ask(PROBE_S)
        if well:
            self.silent_s = 0.0
            return True
        self._worked_s = _processor_s(self._pid)
        self._stands_still = not refused and self._worked_s <= worked_before_s
        self.silent_s += pause_s + min(loop.time() - began, PROBE_S)
        return False

    async def answers(self, within_s: float) -> bool:
        """Whether it is healthy, as far as it says so in time."""
        return (await self._ask(within_s))[0]

    async def _ask(self, within_s: float) -> tuple[bool, bool]:
        """Whether it is healthy, and whether nothing listens there."""
        try:
            timeout = aiohttp.ClientTimeout(total=within_s)
            async with self._session.get(f"{self._url}/health", timeout=timeout) as answer:
                return answer.status == 200, False
        except aiohttp.ClientConnectorError:
            return False, True
        except (aiohttp.ClientError, TimeoutError):
            return False, False


def _processor_s(pid: int) -> float:
    import psutil

    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)
