"""Load on a server: closed and open loops of this process, and a flood by wrk."""

from __future__ import annotations

import asyncio
import json
import time
from asyncio.subprocess import PIPE
from collections.abc import Sequence
from pathlib import Path

from bench.connections import Connections
from bench.heard import Heard

CONNECTIONS = 900
"""Fewer than the server holds."""
FLOOD = Path(__file__).with_name("flood.lua")
PATIENCE_S = 30


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
    """What is heard where requests come at a rate; without an answer PATIENCE_S after the last came, one has failed."""
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
    hanging = (await asyncio.wait(under_way, timeout=PATIENCE_S))[1] if under_way else set()
    for asking in hanging:
        asking.cancel()
    await asyncio.gather(*hanging, return_exceptions=True)
    heard.failed += len(hanging)
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
