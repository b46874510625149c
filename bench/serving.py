"""Predictions a second over HTTP against the usual servers, with the same model, by turns, on this machine.

    python -m bench.serving [--json] [--peers .peers] [--wrk PATH] [--rounds 3] [--seconds 8] [--profile FILE]

Texts are those of AG News, whose CSV $EVERGREEN_AG_NEWS names, else generated ones as long. Rivals are the tutorial's
Flask server, which pads every text to 128 tokens; LitServe, batching up to 16 requests within 10 ms; and
`mlflow models serve` with one worker. While one is asked the others are stopped. Each ratio is the lowest of its
rounds. `make peers` makes the environment of LitServe, without which it is left out.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.contestants import (
    TextContestants,
    picture_costs,
    picture_model,
    picture_servers,
    pictures,
    two_versions,
    wait_changed_over,
)
from bench.load import Load, Seen, burners, find_wrk, write_bodies
from bench.models import TextSize
from bench.profiled_server import read_profile
from bench.report import instruction_set, print_result, print_table
from bench.servers import ServerProcess
from evergreen.core.errors import InputError

CROWD = 16
BURNERS = 2
PEERS = Path(".peers")
LIMITS = {
    "minilm, 16 clients, over the tutorial": 4.0,
    "minilm, 16 clients, over LitServe": 1.4,
    "minilm, 16 clients, over MLflow": 2.0,
    "minilm, 16 clients, p99 of LitServe over ours": 1 / 0.7,
    "minilm, 1 client, over the tutorial": 3.0,
    "minilm, 1 client, over LitServe": 3.0,
    "minilm, beside burners, over itself alone": 0.4,
    "minilm, beside burners, over the tutorial there": 1.0,
    "minilm, start to ready, torch's over ours": 1 / 0.35,
    "minilm, memory, torch's over ours": 1 / 0.5,
    "two versions at 50/50 over one": 0.8,
    "pictures, 16 clients, over one by one": 1.5,
}
LIMITS |= {name.replace("minilm", "distilbert"): limit for name, limit in LIMITS.items() if name.startswith("minilm")}


@dataclass
class Measured:
    """What was seen, by what it is of: a size, a situation and a server, in each round."""

    seen: dict[tuple[str, str, str], list[Seen]] = field(default_factory=dict)
    ratios: dict[str, float] = field(default_factory=dict)

    def note(self, what: str, situation: str, server: str, seen: Seen) -> None:
        """Adds a round."""
        self.seen.setdefault((what, situation, server), []).append(seen)

    def speed(self, what: str, of: tuple[str, str], over: tuple[str, str]) -> float:
        """Answers a second, each (situation, server), in the round where the first does worst; NaN without rounds."""
        pairs = zip(self.seen.get((what, *of), []), self.seen.get((what, *over), []), strict=False)
        return min((ours.per_second / max(theirs.per_second, 1e-9) for ours, theirs in pairs), default=float("nan"))

    def patience(self, what: str, situation: str, of: str, over: str) -> float:
        """By how much the slowest percent of one waits longer than that of the other, at the least."""
        pairs = zip(self.seen.get((what, situation, of), []), self.seen.get((what, situation, over), []), strict=False)
        return min((theirs.p99_s / max(ours.p99_s, 1e-9) for theirs, ours in pairs), default=float("nan"))

    def rows(self) -> list[list[str]]:
        """Every round as cells of a table."""
        return [
            [
                ", ".join(key),
                f"{seen.per_second:.1f}",
                f"{seen.p50_s * 1000:.0f}",
                f"{seen.p99_s * 1000:.0f}",
                str(seen.failed),
            ]
            for key, rounds in self.seen.items()
            for seen in rounds
        ]


def main() -> int:
    """Exit code 0 when every limit holds."""
    options = _options()
    try:
        wrk = find_wrk(options.wrk)
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # or the servers would be left
    print(f"instruction set: {instruction_set()}; {_versions(options.peers)}\n")
    measured = Measured()
    with tempfile.TemporaryDirectory(prefix="serving-") as name:
        folder = Path(name)
        for size in options.sizes:
            measure_texts(measured, size, folder / size, wrk, options)
        measure_versions(measured, folder / "versions", wrk, options)
        measure_pictures(measured, folder / "pictures", wrk, options)
    print_table(["server", "answers /s", "p50 ms", "p99 ms", "failed"], measured.rows())
    kept = {name: limit for name, limit in LIMITS.items() if name in measured.ratios}
    if left_out := [name for name in LIMITS if name not in kept]:
        print(f"\nnot measured, and so not held: {'; '.join(left_out)}")
    return print_result("serving", measured.ratios, kept, options.json)


def measure_texts(measured: Measured, size: TextSize, folder: Path, wrk: str, options: argparse.Namespace) -> None:
    """Asks all servers of texts by turns, and notes the ratios of this size."""
    contestants = TextContestants(folder, size, options.peers)
    load = Load(wrk, options.seconds, contestants.bodies)
    with ExitStack() as stack:
        servers = [stack.enter_context(server) for server in contestants.servers(options.profile)]
        by_name = {server.name: server for server in servers}
        for number in range(options.rounds):
            for clients in (CROWD, 1):
                ask_by_turns(measured, (size, f"{clients} clients"), servers, load, clients=clients, number=number)
            with burners(BURNERS):
                both = [by_name["evergreen"], by_name["tutorial"]]
                ask_by_turns(
                    measured, (size, "beside burners"), both, load, clients=CROWD, number=number, beside=servers
                )
    if options.profile is not None:
        print(read_profile(options.profile))
    note_text_ratios(measured, size)
    note_start(measured, size, contestants, options.rounds)


def note_start(measured: Measured, size: str, contestants: TextContestants, rounds: int) -> None:
    """Notes the seconds from start to ready, and the memory once the same few requests were answered, of torch's over
    ours. Ours has its engine from the start, and in another process has changed over to it: the larger memory counts.
    """
    starts = {
        "torch": lambda: contestants.evergreen({"EVERGREEN_ENGINE": "torch"}),
        "ours": lambda: contestants.evergreen({}),
        "changed over": contestants.elsewhere,
    }
    bodies = contestants.few()
    ready: dict[str, list[float]] = {name: [] for name in starts}
    memory: dict[str, list[float]] = {name: [] for name in starts}
    for _ in range(rounds):
        for name, start in starts.items():
            with start() as server:
                wait_changed_over(server.log)
                server.answer(bodies)
                ready[name].append(server.ready_s)
                memory[name].append(server.memory_mib())
    print_table(
        ["memory, MiB", *map(str, range(1, rounds + 1))],
        [[name, *map("{:.0f}".format, memory[name])] for name in memory],
    )
    started = zip(ready["torch"], ready["ours"], strict=True)
    measured.ratios[f"{size}, start to ready, torch's over ours"] = min(torch / ours for torch, ours in started)
    held = zip(*memory.values(), strict=True)
    measured.ratios[f"{size}, memory, torch's over ours"] = min(torch / max(ours) for torch, *ours in held)


def note_text_ratios(measured: Measured, size: str) -> None:
    """Notes how the servers of one size compare."""
    one, many, beside = "1 clients", f"{CROWD} clients", "beside burners"
    named = {"tutorial": "the tutorial", "litserve": "LitServe", "mlflow": "MLflow"}
    for rival, name in named.items():
        if (size, many, rival) in measured.seen:
            for situation, clients in ((many, f"{CROWD} clients"), (one, "1 client")):
                speed = measured.speed(size, (situation, "evergreen"), (situation, rival))
                measured.ratios[f"{size}, {clients}, over {name}"] = speed
            patience = measured.patience(size, many, rival, "evergreen")
            measured.ratios[f"{size}, {CROWD} clients, p99 of {name} over ours"] = patience
    own = measured.speed(size, (beside, "evergreen"), (many, "evergreen"))
    measured.ratios[f"{size}, beside burners, over itself alone"] = own
    there = measured.speed(size, (beside, "evergreen"), (beside, "tutorial"))
    measured.ratios[f"{size}, beside burners, over the tutorial there"] = there


def measure_versions(measured: Measured, folder: Path, wrk: str, options: argparse.Namespace) -> None:
    """Asks the local endpoint with all traffic at one version, and with half of it at another."""
    what = "local endpoint"
    with two_versions(folder) as (endpoint, versions, url, bodies):
        load = Load(wrk, options.seconds, bodies)
        for number in range(options.rounds):
            for situation, shares in (("one version", (100, 0)), ("two at 50/50", (50, 50))):
                endpoint.set_traffic(dict(zip(versions, shares, strict=True)))
                measured.note(what, situation, "evergreen", load.ask(url, CROWD, number))
    speed = measured.speed(what, ("two at 50/50", "evergreen"), ("one version", "evergreen"))
    measured.ratios["two versions at 50/50 over one"] = speed


def measure_pictures(measured: Measured, folder: Path, wrk: str, options: argparse.Namespace) -> None:
    """Asks ours and the tutorial's server of pictures by turns, and prints what decoding and encoding take of it."""
    folder.mkdir()
    model, instances = picture_model(folder), pictures()
    decoding_s, encoding_s = picture_costs(model, instances)
    print(f"pictures: decoding one takes {decoding_s * 1000:.2f} ms, encoding its mask {encoding_s * 1000:.2f} ms\n")
    load = Load(wrk, options.seconds, write_bodies(folder / "bodies.jsonl", instances))
    with ExitStack() as stack:
        servers = [stack.enter_context(server) for server in picture_servers(folder, model, instances)]
        for number in range(options.rounds):
            ask_by_turns(measured, ("pictures", f"{CROWD} clients"), servers, load, clients=CROWD, number=number)
    crowd = f"{CROWD} clients"
    speed = measured.speed("pictures", (crowd, "evergreen"), (crowd, "one by one"))
    measured.ratios["pictures, 16 clients, over one by one"] = speed


def ask_by_turns(
    measured: Measured,
    what: tuple[str, str],
    servers: Sequence[ServerProcess],
    load: Load,
    *,
    clients: int,
    number: int,
    beside: Sequence[ServerProcess] = (),
) -> None:
    """Asks each server while the others, those of `beside` too, stand still; who begins changes with the round."""
    order = [*servers[number % len(servers) :], *servers[: number % len(servers)]]
    for server in order:
        with server.alone(beside or servers):
            measured.note(*what, server.name, load.of(server.bodies).ask(server.url, clients, number))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--wrk", help="the load generator, where it is not on the PATH")
    made = PEERS if PEERS.is_dir() else None
    parser.add_argument("--peers", type=Path, default=made, help="the environment that make peers made")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each measurement")
    parser.add_argument("--sizes", nargs="+", choices=["minilm", "distilbert"], default=["minilm", "distilbert"])
    parser.add_argument("--profile", type=Path, help="where to write what our server's threads were at")
    return parser.parse_args()


def _versions(peers: Path | None) -> str:
    def of(package: str) -> str:
        try:
            return f"{package} {version(package)}"
        except PackageNotFoundError:
            return f"no {package}"

    installed = peers.glob("lib/python*/site-packages/litserve-*.dist-info") if peers else ()
    litserve = next((folder.name.removesuffix(".dist-info").replace("-", " ") for folder in installed), "no litserve")
    return ", ".join([*map(of, ("torch", "onnxruntime", "transformers", "flask", "mlflow")), litserve])


if __name__ == "__main__":
    sys.exit(main())
