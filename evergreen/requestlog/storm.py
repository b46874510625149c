"""Refused requests: a few of each second as they are, the rest of a second and status as one with its count.

A storm of bad requests must not push what was predicted out of the log.
"""

from __future__ import annotations

from dataclasses import replace

from evergreen.requestlog.record import Request

EACH_S = 20


class Storm:
    """Thins out what it is given; nothing is lost but what tells refused requests of one second apart."""

    def __init__(self) -> None:
        self._second = 0
        self._admitted = 0
        self._rest: dict[tuple[str, int], Request] = {}

    def admit(self, request: Request) -> list[Request]:
        """What is to be written now."""
        over = self.over(request.time)
        if self._admitted < EACH_S:
            self._admitted += 1
            return [*over, request]
        key = (request.version, request.status)
        held = self._rest.get(key)
        self._rest[key] = replace(held, count=held.count + request.count) if held else request
        return over

    def over(self, now: float, *, at_once: bool = False) -> list[Request]:
        """What was held back of a second that is over."""
        if int(now) <= self._second and not at_once:
            return []
        held = list(self._rest.values())
        self._rest.clear()
        self._second, self._admitted = int(now), 0
        return held
