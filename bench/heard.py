"""What clients hear of a server under load: closed and open loops of this process, and a flood by wrk."""

from __future__ import annotations

import asyncio
import json
import time
from asyncio.subprocess import PIPE
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from bench.connections import Connections

CONNECTIONS = 900
"""Fewer than the server holds."""
REFUSED = (429, 503)
FLOOD = Path(__file__).with_name("flood.lua")
PATIENCE_S = 30


@dataclass
class Heard:
    """Answers by number, and the seconds to those of them that were timed; `unsent` found no connection free."""

    answered: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    answers: int = 0
    refusals: int = 0
    failed: int = 0
    unsent: int = 0

    def note(self, status: int, seconds: float) -> None:
        """Counts an answer."""
        if status == 200:
            self.answers += 1
            self.answered.append(seconds)
        elif status in REFUSED:
            self.refusals += 1
            self.refused.append(seconds)
        else:
            self.failed += 1

    @property
    def heard(self) -> float:
        """The share that was answered or refused of those sent; 0 where none was."""
        heard = self.answers + self.refusals
        return heard / max(heard + self.failed, 1)

    @property
    def sent(self) -> float:
        """The share that found a connection; the others met a server that had left 900 of them without any answer."""
        sent = self.answers + self.refusals + self.failed
        return sent / max(sent + self.unsent, 1)

    def cells(self, seconds: float) -> list[str]:
        """The same as cells of a table."""
        return [
            f"{self.answers / seconds:.1f}",
            f"{self.refusals / seconds:.1f}",
            f"{quantile(self.answered, 0.99):.3f}",
            f"{quantile(self.refused, 0.99):.3f}" if self.refused else "-",
            str(self.failed),
            str(self.unsent),
        ]

    def and_of(self, other: Self) -> Heard:
        """Both together."""
        return Heard(
            [*self.answered, *other.answered],
            [*self.refused, *other.refused],
            self.answers + other.answers,
            self.refusals + other.refusals,
            self.failed + other.failed,
            self.unsent + other.unsent,
        )


async def closed(url: str, bodies: Sequence[bytes], clients: int, seconds: float) -> Heard:
    """What clients hear who ask again as soon as they are answered."""
    heard, connections, until = Heard(), Connections(url), time.perf_counter() + seconds

    async def client(first: int) -> None:
        number = first
        while time.perf_counter() < until:
            await asked(connections, heard, bodies[number % len(bodies)])
            number += clients

    await asyncio.gather(*map(client, range(clients)))
    return heard


async def opened(url: str, bodies: Sequence[bytes], per_second: float, seconds: float) -> Heard:
    """What is heard where requests come at a rate."""
    heard, connections = Heard(), Connections(url)
    began, number, under_way = time.perf_counter(), 0, set()
    while (now := time.perf_counter() - began) < seconds:
        while number < now * per_second:
            number += 1
            if connections.busy >= CONNECTIONS:
                heard.unsent += 1
                continue
            asking = asyncio.create_task(asked(connections, heard, bodies[number % len(bodies)]))
            under_way.add(asking)
            asking.add_done_callback(under_way.discard)
        await asyncio.sleep(0.001)
    for asking in under_way:
        asking.cancel()
    await asyncio.gather(*under_way, return_exceptions=True)
    return heard


async def flooded(wrk: str, url: str, bodies: Path, per_second: float, seconds: float) -> Heard:
    """The same by a compiled load generator; nothing of it is timed.

    Raises:
        RuntimeError: the generator failed.
    """
    command = [wrk, "-t1", f"-c{CONNECTIONS}", f"-d{round(seconds)}s", f"--timeout={PATIENCE_S}s", "-s", str(FLOOD)]
    command += [url, "--", str(bodies), f"{per_second:g}"]
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)
    try:
        printed, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode:
        raise RuntimeError(f"{wrk} ended with {process.returncode}: {said.decode(errors='replace')[-300:]}")
    told = json.loads(printed.splitlines()[-1])
    unsent = max(0, round(per_second * told["seconds"]) - told["sent"])
    return Heard([], [], told["answered"], told["refused"], told["failed"], unsent)


async def asked(connections: Connections, heard: Heard, body: bytes) -> None:
    """Asks once and notes what is heard."""
    began = time.perf_counter()
    status = await connections.ask(body)
    heard.note(status, time.perf_counter() - began)


def quantile(seconds: Sequence[float], share: float) -> float:
    """Of the seconds; NaN of none."""
    return sorted(seconds)[int(share * (len(seconds) - 1))] if seconds else float("nan")
