"""Twenty ramps of a model against itself on the local endpoint, while a burner takes the processor at random times.

Clients ask all the while. The two versions have the same weights and other names, so that whatever the judge sees of
one and not of the other is chance and the machine; each rollback is a false one.

    python -m bench.self_ramps [--ramps 20] [--json]
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench.models import write_text_model
from bench.report import print_result, print_table
from evergreen.adapters.local_endpoint.asking import post_predict
from evergreen.adapters.local_endpoint.endpoint import LocalEndpoint
from evergreen.adapters.local_endpoint.host import LocalHost
from evergreen.adapters.local_endpoint.settings import LocalHostSettings
from evergreen.core.deployment import Deployment
from evergreen.core.errors import EvergreenError
from evergreen.core.judge.settings import Expected, Judge
from evergreen.core.judging import Judging
from evergreen.core.ramp import Ramp
from evergreen.core.replay import Replay
from evergreen.core.rollout import Release, roll_out
from evergreen.requestlog.evidence import LogWitness

CLIENTS = 2
TEXT = "Shares of the country's largest bank rose after the company raised its profit forecast for the year."
SMOKE = [{"text": TEXT}]
RAMP = Ramp(shares=(25, 50), hold_s=10, judge=Judge(min_requests=200, settle_s=10, max_hold_s=300))
MINUTE_S = 10.0
"""Evidence comes in parts of ten seconds instead of minutes, so that twenty ramps take under an hour."""
BURNS_S = (1.0, 15.0)
RESTS_S = (1.0, 15.0)


def main() -> int:
    """Exit code 0 when no ramp ended in a rollback."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ramps", type=int, default=20)
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="self-ramps-") as folder:
        ended = ramps(Path(folder), given.ramps)
    rows = [[str(number), _outcome(one), _requests(one)] for number, one in enumerate(ended, 1)]
    print_table(["ramp", "outcome", "requests judged"], rows)
    live = sum(one.outcome == "live" for one in ended)
    return print_result("self_ramps", {"ramps that reached all traffic": live / len(ended)}, _LIMITS, given.json)


_LIMITS = {"ramps that reached all traffic": 1.0}


def ramps(folder: Path, number: int) -> list[Deployment]:
    """What became of so many ramps, one after the other."""
    host, ended = LocalHost(LocalHostSettings(port=0)), []
    endpoint, versions = host.open("self", folder / "state"), _twins(folder)
    for version, model in versions.items():
        endpoint.upload(version, model)
    champion, newcomer = versions
    endpoint.deploy(champion)
    endpoint.set_traffic({champion: 100})
    witness = LogWitness(host.request_log("self", folder / "state"), every_s=MINUTE_S)
    try:
        with _clients(endpoint), _burner():
            for _ in range(number):
                expected = Expected(lone_slowdown=host.lone_slowdown)
                judging = Judging(RAMP.judge or Judge(), champion, witness, lambda: Replay(SMOKE, "1 text"), expected)
                fetch = partial(versions.__getitem__, newcomer)
                release = Release("self", newcomer, fetch, SMOKE, RAMP, champion, judging=judging)
                ended.append(roll_out(endpoint, release, champion, lambda: None))
                print(f"{len(ended)}: {ended[-1].message}", flush=True)
                if ended[-1].outcome == "live":
                    champion, newcomer = newcomer, champion
    finally:
        endpoint.delete()
    return ended


def _twins(folder: Path) -> dict[str, Path]:
    """The same weights under two versions: a file more makes another one."""
    models = {}
    for name in ("first", "second"):
        (folder / name).mkdir()
        (folder / name / "twin.txt").write_text(name, encoding="utf-8")
        models[write_text_model(folder / name).version] = folder / name
    return models


@contextmanager
def _clients(endpoint: LocalEndpoint) -> Iterator[None]:
    """Ask one text after the other until the block ends."""
    url, stop = endpoint.status().url or "", threading.Event()

    def ask() -> None:
        while not stop.wait(0.02):
            try:
                post_predict(url, SMOKE)
            except EvergreenError as error:
                print(error, file=sys.stderr)

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)


@contextmanager
def _burner() -> Iterator[None]:
    """A process that now and then takes a core."""
    process = multiprocessing.get_context("spawn").Process(target=burn, daemon=True)
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join()


def burn() -> None:
    """Works and rests by turns, for times drawn by chance, until it is ended."""
    draws = random.Random(0)  # noqa: S311 - the same times in each run, no secret
    while True:
        until = time.monotonic() + draws.uniform(*BURNS_S)
        while time.monotonic() < until:
            pass
        time.sleep(draws.uniform(*RESTS_S))


def _outcome(deployment: Deployment) -> str:
    return deployment.outcome.replace("_", " ")


def _requests(deployment: Deployment) -> str:
    judgements = [share.judgement for share in deployment.transitions if share.judgement]
    return f"{judgements[-1].newcomer_requests:,}" if judgements else "-"


if __name__ == "__main__":
    sys.exit(main())
