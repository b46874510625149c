"""The project's commands in Google Cloud in a box, as a shell has them that `stacks/box.sh` led there."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from cloudbox import faults
from cloudbox.box import open_box
from cloudbox.home import Home
from tests.e2e.project import first_json
from tests.own_zenml import ROOT
from tests.waiting import wait_until

LABEL_NAMES = "business=Business,entertainment=World,politics=World,sports=Sports,tech=Sci/Tech"


def last_midnight() -> str:
    """When rows that are prepared arrive, unless told otherwise: the same all day."""
    return f"{datetime.now(UTC):%Y-%m-%d}T00:00:00Z"


@dataclass(frozen=True)
class Production:
    """The commands of a checkout with one configuration; `environment` leads them into the box at `home`."""

    home: Path
    environment: dict[str, str]
    config: str

    def python(self, *arguments: str, check: bool = True, timeout_s: int = 900) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(
                f"{arguments} exited with {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
            )
        return done

    def run_pipeline(self, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.python("run.py", "--config", self.config, check=check, timeout_s=1800)

    def dry_run(self) -> str:
        """The plan."""
        return self.python("run.py", "--config", self.config, "--dry-run").stdout

    def command(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A finished `python run.py NAME --config …`."""
        return self.python("run.py", name, "--config", self.config, *arguments)

    def status(self) -> dict[str, Any]:
        return dict(first_json(self.command("status", "--json").stdout))

    def recorded(self, model: str = "news") -> dict[str, Any]:
        """What ZenML, MLflow and the Model Registry hold of the newest run, which is one of the model."""
        return dict(first_json(self.python("-m", "tests.e2e.production_records", model).stdout))

    def prepare(self, share: float, end: str | None = None) -> None:
        """A share of the articles, of two days that end at `end`, by default the last midnight, when they arrive."""
        origin = ("--from", "local.yaml", "--label-names", LABEL_NAMES, "--share", str(share))
        self.command("prepare", *origin, "--days", "2", "--end", end or last_midnight())

    def fault(self, kind: faults.Kind, target: str, **rule: Any) -> None:
        """Puts a fault in force in the box."""
        faults.add(Home(self.home), faults.Fault(kind=kind, target=target, **rule))

    def restart(self, service: str) -> None:
        """Returns once the box's service answers again, as after a restart of its machine."""
        self.python("-m", "cloudbox", "--home", str(self.home), "restart", service)

    def fire(self, schedule: str) -> None:
        """A firing of a schedule on Vertex AI, as if its time had come."""
        home = Home(self.home)
        vertex = f"https://{open_box(home).address('vertex', 'https')}"
        trust = ssl.create_default_context(cafile=str(home.ca))
        httpx.post(f"{vertex}/box/{schedule}:fire", verify=trust, trust_env=False, timeout=60).raise_for_status()

    def spared(self) -> list[faults.Fault]:
        """Lifts all faults; returns those that did not act as often as they were meant to."""
        return [rule for rule in faults.clear(Home(self.home)) if rule.times is not None]

    @contextmanager
    def task_killed(self, reached: Callable[[], bool]) -> Iterator[None]:
        """SIGKILL to the task that runs when `reached` first holds, as when its machine is lost."""

        def kill() -> None:
            wait_until(reached, timeout_s=600)
            started = self.home.glob("vertex/containers/job-*/process.json")
            newest = max(started, key=lambda file: file.stat().st_mtime)
            os.killpg(json.loads(newest.read_text(encoding="utf-8"))["pid"], signal.SIGKILL)

        with ThreadPoolExecutor(max_workers=1) as beside:
            killing = beside.submit(kill)
            yield
            killing.result()

    def kept(self, result: str) -> list[Path]:
        """What the bucket holds of a step's results that are values."""
        return list((self.home / "gcs").glob(f"**/artifacts/{result}/**/data_v2.json"))

    def faults(self) -> list[faults.Fault]:
        """The rules in force; one that has acted as often as it was meant to is gone."""
        return faults.listed(Home(self.home))

    def keeps_a_checkpoint(self) -> bool:
        """Whether the bucket holds a whole one."""
        return any(self.home.glob("gcs/buckets/**/checkpoint-*/trainer_state.json"))

    def files_holding(self, text: str) -> list[str]:
        """Files of Google's side that hold the text: specifications, task logs, artifacts, MLflow's records."""
        wanted = text.encode()
        places = (self.home / name for name in ("vertex", "gcs", "mlflow", "bigquery", "logs"))
        files = (file for place in places for file in place.rglob("*") if file.is_file())
        return sorted(str(file) for file in files if wanted in file.read_bytes())

    @contextmanager
    def started(self) -> Iterator[subprocess.Popen[bytes]]:
        """The command that runs the pipeline, killed when the block ends."""
        command = [sys.executable, "run.py", "--config", self.config]
        with subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=subprocess.DEVNULL) as process:
            try:
                yield process
            finally:
                process.kill()

    @contextmanager
    def asked(self, model: str = "news", *options: str) -> Iterator[dict[str, Any]]:
        """A client asks all the while; what it saw is in the dictionary afterwards."""
        seen: dict[str, Any] = {}
        with subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.vertex_client", model, *options],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
        ) as client:
            assert client.stdout is not None
            assert client.stdout.readline() == "asking\n"
            try:
                yield seen
            finally:
                client.send_signal(signal.SIGTERM)
                seen |= json.loads(client.communicate(timeout=120)[0])


@contextmanager
def production_in(home: Path, config: str = "prod.yaml") -> Iterator[Production]:
    """The commands in a box at `home`, which is stopped when the block ends."""
    folder = shlex.quote(str(Path(sys.executable).parent))
    script = f"set -eu; export PATH={folder}:$PATH EVERGREEN_BOX={shlex.quote(str(home))}; . stacks/box.sh >&2; env -0"
    mine = {
        name: value for name, value in os.environ.items() if not name.startswith(("ZENML_", "MLFLOW_", "EVERGREEN_"))
    }
    try:
        led = subprocess.run(
            [shutil.which("bash") or "bash", "-c", script],
            cwd=ROOT,
            env=mine,
            capture_output=True,
            timeout=300,
            check=False,
        )
        assert led.returncode == 0, led.stderr.decode()
        pairs = (one.partition("=") for one in led.stdout.decode().split("\0") if "=" in one)
        yield Production(home, {name: value for name, _, value in pairs}, config)
    finally:
        subprocess.run(
            [sys.executable, "-m", "cloudbox", "--home", str(home), "down"], cwd=ROOT, timeout=120, check=True
        )
