"""Predictions a second of the local endpoint when more clients ask than it has room for, and how soon it refuses them.

MiniLM with a head of random weights, a text as long as news, and clients that ask again as soon as they are answered or
refused: 64 of them, who all find room, and 256 in turn, so that whatever else the machine does meets both.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.models import write_text_model
from bench.report import parse_arguments, print_result, print_table
from evergreen.adapters.local_endpoint.host import LocalHost
from evergreen.adapters.local_endpoint.settings import LocalHostSettings

Seen = dict[str, float]
"""What `bench.crowd` prints."""

ROUNDS = 7
SECONDS = 6.0
FEW, MANY = 64, 256
REFUSED_WITHIN_S = 0.1
TEXT = "Shares of the country's largest bank rose after the company raised its profit forecast for the year. " * 6
ROOM = 128
LIMITS = {"goodput": 0.8, "refusals": 1.0, "heard": 1.0}


def main() -> int:
    """Exit code 0 when every limit holds."""
    as_json = parse_arguments(__doc__ or "")
    rounds = []
    with tempfile.TemporaryDirectory(prefix="goodput-") as folder, _live_endpoint(Path(folder)) as port:
        for _ in range(ROUNDS):
            rounds.append((_crowd(port, FEW), _crowd(port, MANY)))
    rows = [[str(clients), *_cells(seen)] for pair in rounds for clients, seen in zip((FEW, MANY), pair, strict=True)]
    print_table(["clients", "answered /s", "refused /s", "failed", "waiting", "answered p99 s", "refused p99 s"], rows)
    return print_result("goodput", ratios(rounds), LIMITS, as_json)


def ratios(rounds: Sequence[tuple[Seen, Seen]]) -> dict[str, float]:
    """What 64 and 256 clients saw, each round, as ratios.

    `heard` is the least share of requests that were answered or refused; whoever waits without having room was not.
    """
    refused_s = statistics.median(many["refused_p99_s"] for _, many in rounds)
    refused_none = any(many["refused"] == 0 for _, many in rounds)
    return {
        "goodput": statistics.median(many["answered"] / max(few["answered"], 1) for few, many in rounds),
        "refusals": 0.0 if refused_none else REFUSED_WITHIN_S / max(refused_s, 1e-9),
        "heard": min(_heard(seen) for pair in rounds for seen in pair),
    }


def _heard(seen: Seen) -> float:
    heard = seen["answered"] + seen["refused"]
    unheard = seen["failed"] + max(seen["waiting"] - ROOM, 0)
    return heard / max(heard + unheard, 1)


@contextmanager
def _live_endpoint(folder: Path) -> Iterator[int]:
    """The port of an endpoint with one version, live while the block runs."""
    model = write_text_model(folder / "model")
    endpoint = LocalHost(LocalHostSettings(port=0)).open("goodput", folder / "state")
    try:
        endpoint.upload(model.version, model.path)
        endpoint.deploy(model.version)
        endpoint.set_traffic({model.version: 100})
        yield int(str(endpoint.status().url).rpartition(":")[2].partition("/")[0])
    finally:
        endpoint.delete()


def _crowd(port: int, clients: int) -> Seen:
    body = json.dumps({"instances": [{"text": TEXT}]})
    command = [sys.executable, "-m", "bench.crowd", str(port), str(clients), str(SECONDS), body]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seen: Seen = json.loads(done.stdout)
    return seen


def _cells(seen: Seen) -> list[str]:
    a_second = [f"{seen[name] / SECONDS:.1f}" for name in ("answered", "refused")]
    counts = [f"{seen[name]:.0f}" for name in ("failed", "waiting")]
    return [*a_second, *counts, f"{seen['answered_p99_s']:.2f}", f"{seen['refused_p99_s']:.3f}"]


if __name__ == "__main__":
    sys.exit(main())
