"""What clients see that ask a server as fast as it answers, by wrk: a compiled load generator that takes little itself.

https://github.com/wg/wrk; Debian's package is `wrk`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from evergreen.core.errors import InputError

SCRIPT = Path(__file__).with_name("wrk.lua")
TIMEOUT_S = 30
BURN = "while True: pass"


@dataclass(frozen=True)
class Seen:
    """Answers a second, the seconds that half and 99 % of them took at most, and what came of no answer with 2xx."""

    per_second: float
    p50_s: float
    p99_s: float
    failed: int


@dataclass(frozen=True)
class Load:
    """A load generator: its program, how long it asks, and the bodies that it sends, a line each."""

    wrk: str
    seconds: float
    bodies: Path

    def of(self, bodies: Path | None) -> Load:
        """The same with other bodies, where there are such."""
        return self if bodies is None else replace(self, bodies=bodies)

    def ask(self, url: str, clients: int, seed: int) -> Seen:
        """What `clients` see that ask at once; equal seeds send equal bodies in equal order."""
        seconds = f"{max(1, round(self.seconds))}s"
        command = [self.wrk, "-t1", f"-c{clients}", f"-d{seconds}", f"--timeout={TIMEOUT_S}s", "-s", str(SCRIPT), url]
        command += ["--", str(self.bodies), str(seed)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        seen = json.loads(done.stdout.strip().splitlines()[-1])
        answered = max(seen["requests"] - seen["failed"], 0)
        return Seen(answered / seen["seconds"], seen["p50_s"], seen["p99_s"], seen["failed"])


def find_wrk(given: str | None) -> str:
    """The program. Raises InputError: it is nowhere."""
    wrk = shutil.which(given or "wrk")
    if wrk is None:
        raise InputError(f"{given or 'wrk'} is no program; install it (apt-get install wrk), or name it: --wrk PATH")
    return wrk


def write_bodies(path: Path, instances: Sequence[object], key: str = "instances") -> Path:
    """A file of one request a line, of one instance each; without a `key` the instance is the body."""
    lines = [json.dumps({key: [instance]} if key else instance) for instance in instances]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


@contextmanager
def burners(count: int) -> Iterator[None]:
    """Keeps so many cores busy until the block ends."""
    processes = [subprocess.Popen([sys.executable, "-c", BURN]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()
