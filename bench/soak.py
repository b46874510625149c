"""The server under ten times as many requests as it can answer, and under a steady crowd for twenty minutes.

    python -m bench.soak [--json] [--overload 60] [--minutes 20] [--model DIR] [--wrk PATH]

The overload is an open loop: requests come at their rate, whatever becomes of those before. What is asked of the
server is that it goes on answering as fast as before, refuses the rest at once, fails none, keeps its memory, and is as
quick as ever soon after. Nearly all of it comes from wrk, which is compiled; a few requests a second among them are
timed from here.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.connections import Connections
from bench.contestants import evergreen_server, texts
from bench.heard import Heard, quantile
from bench.load import find_wrk, write_bodies
from bench.loops import asked, closed, flooded, opened
from bench.models import write_text_model
from bench.report import instruction_set, print_result, print_table
from bench.servers import ServerProcess
from evergreen.core.errors import InputError

TIMES = 10
CROWD = 16
CAPACITY_S = 10.0
TIMED_PER_SECOND = 50
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


@dataclass(frozen=True)
class Asking:
    """What is asked, and by which program the server is flooded."""

    wrk: str
    file: Path
    bodies: list[bytes]


async def until_normal(url: str, body: bytes, normal_s: float, most_s: float = 60.0) -> float:
    """Seconds until one client is answered within twice the usual time, three times in a row."""
    began, in_a_row, connections = time.perf_counter(), 0, Connections(url)
    while in_a_row < 3 and time.perf_counter() - began < most_s:
        heard = Heard()
        await asked(connections, heard, body)
        in_a_row = in_a_row + 1 if heard.answered and heard.answered[0] <= 2 * normal_s else 0
    return time.perf_counter() - began


async def overloaded(url: str, asking: Asking, per_second: float, seconds: float) -> Heard:
    """What is heard where requests come at the rate, some of them timed."""
    flood = flooded(asking.wrk, url, asking.file, max(per_second - TIMED_PER_SECOND, 1), seconds)
    counted, timed = await asyncio.gather(flood, opened(url, asking.bodies, TIMED_PER_SECOND, seconds))
    return timed.and_of(counted)


def overload(
    server: ServerProcess, asking: Asking, seconds: float
) -> tuple[dict[str, float], dict[str, tuple[Heard, float]]]:
    """Ratios, and what was heard within how many seconds, by the load."""
    usual = asyncio.run(closed(server.url, asking.bodies, 1, CAPACITY_S / 2))
    crowd = asyncio.run(closed(server.url, asking.bodies, CROWD, CAPACITY_S))
    capacity, before = crowd.answers / CAPACITY_S, server.memory_mib()
    heard = asyncio.run(overloaded(server.url, asking, TIMES * capacity, seconds))
    normal_s = asyncio.run(until_normal(server.url, asking.bodies[0], quantile(usual.answered, 0.5)))
    ratios = {
        "goodput under overload over capacity": heard.answers / seconds / max(capacity, 1e-9),
        "100 ms over the refusals' p99": REFUSED_WITHIN_S / max(quantile(heard.refused, 0.99), 1e-9),
        "5 s over the time until it is as quick as before": NORMAL_WITHIN_S / max(normal_s, 1e-9),
        "memory before over after the overload": before / max(server.memory_mib(), 1.0),
        "sent of those that came under overload": heard.sent,
    }
    return ratios, {f"{CROWD} clients": (crowd, CAPACITY_S), f"{TIMES} times as much": (heard, seconds)}


def steady(server: ServerProcess, bodies: list[bytes], minutes: float) -> tuple[float, Heard]:
    """Memory after the first tenth of the time over that at its end, and what was heard."""
    begun = asyncio.run(closed(server.url, bodies, CROWD, 6 * minutes))
    early = server.memory_mib()
    heard = begun.and_of(asyncio.run(closed(server.url, bodies, CROWD, 54 * minutes)))
    return early / max(server.memory_mib(), 1.0), heard


def main() -> int:
    """Exit code 0 when every limit holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--overload", type=float, default=60.0, help="seconds")
    parser.add_argument("--minutes", type=float, default=20.0, help="of the steady crowd; 0: none")
    parser.add_argument("--model", type=Path, help="a trained-model directory of texts instead of a random MiniLM")
    parser.add_argument("--wrk", help="the load generator, where it is not on the PATH")
    options = parser.parse_args()
    try:
        wrk = find_wrk(options.wrk)
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # or the servers would be left
    print(f"instruction set: {instruction_set()}\n")
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        instances = [{"text": text} for text in texts(200)]
        bodies = [json.dumps({"instances": [instance]}).encode() for instance in instances]
        asking = Asking(wrk, write_bodies(Path(name, "bodies.jsonl"), instances), bodies)
        model = options.model or write_text_model(Path(name, "model")).path
        with evergreen_server(model, Path(name, "server.log"), bodies[0], {}) as server:
            ratios, heard = overload(server, asking, options.overload)
            if options.minutes:
                ratios["memory after a tenth over the end of the crowd"], crowd = steady(
                    server, bodies, options.minutes
                )
                heard[f"{CROWD} clients, {options.minutes:g} min"] = (crowd, 60 * options.minutes)
    ratios["answered or refused of those sent, at the least"] = min(one.heard for one, _ in heard.values())
    rows = [[load, *one.cells(seconds)] for load, (one, seconds) in heard.items()]
    print_table(["load", "answered /s", "refused /s", "answered p99 s", "refused p99 s", "failed", "unsent"], rows)
    return print_result("soak", ratios, {name: LIMITS[name] for name in ratios}, options.json)


if __name__ == "__main__":
    sys.exit(main())
