"""The server under ten times as many requests as it can answer, and under a steady crowd for twenty minutes.

    python -m bench.soak [--json] [--overload 60] [--minutes 20] [--model DIR]

The overload is an open loop: requests come at their rate, whatever becomes of those before. What is asked of the
server is that it goes on answering as fast as before, refuses the rest at once, fails none, keeps its memory, and is as
quick as ever soon after.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from bench.connections import Connections
from bench.contestants import evergreen_server, texts
from bench.models import write_text_model
from bench.report import instruction_set, print_result, print_table
from bench.servers import ServerProcess

TIMES = 10
CROWD = 16
CAPACITY_S = 10.0
CONNECTIONS = 900
"""Fewer than the server holds."""
REFUSED = (429, 503)
REFUSED_WITHIN_S = 0.1
NORMAL_WITHIN_S = 5.0
LIMITS = {
    "goodput under overload over capacity": 0.85,
    "100 ms over the refusals' p99": 1.0,
    "5 s over the time until it is as quick as before": 1.0,
    "answered or refused of those sent, at the least": 1.0,
    "sent of those that came under overload": 0.99,
    "memory before over after the overload": 0.9,
    "memory after a tenth over the end of the crowd": 0.95,
}


@dataclass
class Heard:
    """Seconds to each answer, by what it was; `unsent` found no connection that was free."""

    answered: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    failed: int = 0
    unsent: int = 0

    def note(self, status: int, seconds: float) -> None:
        """Counts an answer."""
        if status == 200:
            self.answered.append(seconds)
        elif status in REFUSED:
            self.refused.append(seconds)
        else:
            self.failed += 1

    @property
    def heard(self) -> float:
        """The share that was answered or refused of those sent; 0 where none was."""
        heard = len(self.answered) + len(self.refused)
        return heard / max(heard + self.failed, 1)

    @property
    def sent(self) -> float:
        """The share that found a connection; the others met a server that had left 900 of them without any answer."""
        sent = len(self.answered) + len(self.refused) + self.failed
        return sent / max(sent + self.unsent, 1)

    def cells(self, seconds: float) -> list[str]:
        """The same as cells of a table."""
        return [
            f"{len(self.answered) / seconds:.1f}",
            f"{len(self.refused) / seconds:.1f}",
            f"{_quantile(self.answered, 0.99):.3f}",
            f"{_quantile(self.refused, 0.99):.3f}" if self.refused else "-",
            str(self.failed),
            str(self.unsent),
        ]

    def and_of(self, other: Self) -> Heard:
        """Both, one after the other."""
        counts = (self.failed + other.failed, self.unsent + other.unsent)
        return Heard([*self.answered, *other.answered], [*self.refused, *other.refused], *counts)


async def closed(url: str, clients: int, seconds: float) -> Heard:
    """What clients hear who ask again as soon as they are answered."""
    heard, connections, until = Heard(), Connections(url), time.perf_counter() + seconds

    async def client(first: int) -> None:
        number = first
        while time.perf_counter() < until:
            await _asked(connections, heard, number)
            number += clients

    await asyncio.gather(*map(client, range(clients)))
    return heard


async def opened(url: str, per_second: float, seconds: float) -> Heard:
    """What is heard where requests come at a rate."""
    heard, connections = Heard(), Connections(url)
    began, number, under_way = time.perf_counter(), 0, set()
    while (now := time.perf_counter() - began) < seconds:
        while number < now * per_second:
            number += 1
            if connections.busy >= CONNECTIONS:
                heard.unsent += 1
                continue
            asked = asyncio.create_task(_asked(connections, heard, number))
            under_way.add(asked)
            asked.add_done_callback(under_way.discard)
        await asyncio.sleep(0.001)
    for asked in under_way:
        asked.cancel()
    await asyncio.gather(*under_way, return_exceptions=True)
    return heard


async def until_normal(url: str, normal_s: float, most_s: float = 60.0) -> float:
    """Seconds until one client is answered within twice the usual time, three times in a row."""
    began, in_a_row, connections = time.perf_counter(), 0, Connections(url)
    while in_a_row < 3 and time.perf_counter() - began < most_s:
        heard = Heard()
        await _asked(connections, heard, in_a_row)
        in_a_row = in_a_row + 1 if heard.answered and heard.answered[0] <= 2 * normal_s else 0
    return time.perf_counter() - began


BODIES = [json.dumps({"instances": [{"text": text}]}).encode() for text in texts(200)]


async def _asked(connections: Connections, heard: Heard, number: int) -> None:
    began = time.perf_counter()
    status = await connections.ask(BODIES[number % len(BODIES)])
    heard.note(status, time.perf_counter() - began)


def overload(server: ServerProcess, seconds: float) -> tuple[dict[str, float], dict[str, tuple[Heard, float]]]:
    """Ratios, and what was heard within how many seconds, by the load."""
    usual = asyncio.run(closed(server.url, 1, CAPACITY_S / 2))
    crowd = asyncio.run(closed(server.url, CROWD, CAPACITY_S))
    capacity, before = len(crowd.answered) / CAPACITY_S, server.memory_mib()
    heard = asyncio.run(opened(server.url, TIMES * capacity, seconds))
    normal_s = asyncio.run(until_normal(server.url, _quantile(usual.answered, 0.5)))
    ratios = {
        "goodput under overload over capacity": len(heard.answered) / seconds / max(capacity, 1e-9),
        "100 ms over the refusals' p99": REFUSED_WITHIN_S / max(_quantile(heard.refused, 0.99), 1e-9),
        "5 s over the time until it is as quick as before": NORMAL_WITHIN_S / max(normal_s, 1e-9),
        "memory before over after the overload": before / max(server.memory_mib(), 1.0),
        "sent of those that came under overload": heard.sent,
    }
    return ratios, {f"{CROWD} clients": (crowd, CAPACITY_S), f"{TIMES} times as much": (heard, seconds)}


def steady(server: ServerProcess, minutes: float) -> tuple[float, Heard]:
    """Memory after the first tenth of the time over that at its end, and what was heard."""
    begun = asyncio.run(closed(server.url, CROWD, 6 * minutes))
    early = server.memory_mib()
    heard = begun.and_of(asyncio.run(closed(server.url, CROWD, 54 * minutes)))
    return early / max(server.memory_mib(), 1.0), heard


def main() -> int:
    """Exit code 0 when every limit holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--overload", type=float, default=60.0, help="seconds")
    parser.add_argument("--minutes", type=float, default=20.0, help="of the steady crowd; 0: none")
    parser.add_argument("--model", type=Path, help="a trained-model directory of texts instead of a random MiniLM")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # or the servers would be left
    print(f"instruction set: {instruction_set()}\n")
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        model = options.model or write_text_model(Path(name, "model")).path
        with evergreen_server(model, Path(name, "server.log"), BODIES[0], {}) as server:
            ratios, heard = overload(server, options.overload)
            if options.minutes:
                ratios["memory after a tenth over the end of the crowd"], crowd = steady(server, options.minutes)
                heard[f"{CROWD} clients, {options.minutes:g} min"] = (crowd, 60 * options.minutes)
    ratios["answered or refused of those sent, at the least"] = min(one.heard for one, _ in heard.values())
    rows = [[load, *one.cells(seconds)] for load, (one, seconds) in heard.items()]
    print_table(["load", "answered /s", "refused /s", "answered p99 s", "refused p99 s", "failed", "unsent"], rows)
    return print_result("soak", ratios, {name: LIMITS[name] for name in ratios}, options.json)


def _quantile(seconds: list[float], share: float) -> float:
    return sorted(seconds)[int(share * (len(seconds) - 1))] if seconds else float("nan")


if __name__ == "__main__":
    sys.exit(main())
