"""Slows down a crowd of refused clients that ask again at once: what they cost is taken from those who are answered.

The first few refusals of a second go out at once. The next ones wait for 40 to 60 ms and then go out together, so that
128 clients ask some 2,000 times a second and not as often as the front can answer.
"""

from __future__ import annotations

import asyncio

AT_ONCE = 20
PERIOD_S = 1.0
TICK_S = 0.02
LEAST_TICKS = 3
"""Of which the first one is partly over."""


class Pace:
    """Counts refusals, and lets those of a crowd wait."""

    def __init__(self) -> None:
        self._counted_until = 0.0
        self._count = 0
        self._ticks: dict[int, asyncio.Event] = {}

    async def wait(self) -> None:
        """Returns when the next refusal may go out."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        if now > self._counted_until:
            self._count, self._counted_until = 0, now + PERIOD_S
        self._count += 1
        if self._count > AT_ONCE:
            await self._tick(int(now / TICK_S) + LEAST_TICKS).wait()

    def _tick(self, number: int) -> asyncio.Event:
        """What is set once the tick has come; all who wait for it wake up in one turn of the loop."""
        if number not in self._ticks:
            self._ticks[number] = asyncio.Event()
            asyncio.get_running_loop().call_at(number * TICK_S, self._end, number)
        return self._ticks[number]

    def _end(self, number: int) -> None:
        self._ticks.pop(number).set()
