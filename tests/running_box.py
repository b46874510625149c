"""A box of a test's own, driven by its command line, and stopped when the test is done."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloudbox import environment
from cloudbox.box import Box, open_box
from cloudbox.home import Home
from tests.waiting import wait_until

REPOSITORY = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class RunningBox:
    """A box below `home`; the person who uses it has settings of her own that must not matter."""

    home: Path
    services: Sequence[str]

    @property
    def box(self) -> Box:
        return open_box(Home(self.home))

    def command(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """`python -m cloudbox …`."""
        command = [sys.executable, "-m", "cloudbox", "--home", str(self.home), *arguments]
        return subprocess.run(command, check=check, capture_output=True, text=True, cwd=REPOSITORY)

    def up(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.command("up", "--services", ",".join(self.services), *arguments, check=check)

    def status(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.command("status", "--json").stdout)
        return content

    def pids(self) -> dict[str, int]:
        services = self.status()["services"]
        return {name: services[name]["pid"] for name in self.services}

    def wait_for(self, service: str) -> None:
        wait_until(lambda: self.status()["services"][service]["state"] == "answers", timeout_s=20)

    def refused(self) -> list[str]:
        return [refusal["what"] for refusal in map(json.loads, self.box.home.refusals.read_text().splitlines())]

    def client(self, script: str) -> str:
        """What a script prints in a process that has nothing but the box's network; gRPC reads it only once."""
        inherited = {name: os.environ[name] for name in ("PATH", "VIRTUAL_ENV") if name in os.environ}
        return subprocess.run(
            [sys.executable, "-W", "ignore", "-c", textwrap.dedent(script)],
            env={**inherited, "HOME": str(self.home), **environment.network(self.box)},
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout


@contextlib.contextmanager
def running_box(home: Path, *services: str) -> Iterator[RunningBox]:
    """A box whose services answer, until the block ends."""
    box = RunningBox(home, services)
    try:
        box.up()
        yield box
    finally:
        box.command("down")
