"""`configs/prod.yaml` itself against Google Cloud in the box, from rows in BigQuery to the endpoint, twice, and back.

`make emulated-test` runs it; the stages build on each other, so they are one test.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.project import first_json
from tests.own_zenml import ROOT

pytestmark = [pytest.mark.emulated, pytest.mark.timeout(2400)]

LABEL_NAMES = "business=Business,entertainment=World,politics=World,sports=Sports,tech=Sci/Tech"


@dataclass(frozen=True)
class Production:
    """The project's commands in a shell that was led into a box."""

    environment: dict[str, str]

    def python(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(
                f"{arguments} exited with {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
            )
        return done

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.python("run.py", *arguments, check=check)

    def status(self) -> dict[str, Any]:
        return dict(first_json(self.run("status", "--config", "prod.yaml", "--json").stdout))

    def recorded(self) -> dict[str, Any]:
        """What ZenML, MLflow and the Model Registry hold of the newest run."""
        return dict(first_json(self.python("-m", "tests.e2e.production_records", "news").stdout))

    def prepare(self, share: float) -> None:
        origin = ("--from", "local.yaml", "--label-names", LABEL_NAMES, "--share", str(share))
        self.run("prepare", "--config", "prod.yaml", *origin, "--days", "2", "--end", midnight())

    @contextmanager
    def asked(self) -> Iterator[dict[str, Any]]:
        """A client asks all the while; what it saw is in the dictionary afterwards."""
        seen: dict[str, Any] = {}
        with subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.vertex_client", "news"],
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


@pytest.fixture
def production(tmp_path: Path) -> Iterator[Production]:
    """A shell in a box of its own, which is stopped afterwards."""
    home = tmp_path / "box"
    folder = shlex.quote(str(Path(sys.executable).parent))
    script = f"set -eu; export PATH={folder}:$PATH EVERGREEN_BOX={shlex.quote(str(home))}; . stacks/box.sh >&2; env -0"
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("ZENML_", "MLFLOW_", "EVERGREEN_"))
    }
    try:
        led = subprocess.run(
            [shutil.which("bash") or "bash", "-c", script],
            cwd=ROOT,
            env=kept,
            capture_output=True,
            timeout=300,
            check=False,
        )
        assert led.returncode == 0, led.stderr.decode()
        pairs = (one.partition("=") for one in led.stdout.decode().split("\0") if "=" in one)
        yield Production({name: value for name, _, value in pairs})
    finally:
        subprocess.run(
            [sys.executable, "-m", "cloudbox", "--home", str(home), "down"], cwd=ROOT, timeout=120, check=True
        )


def test_production_is_trained_served_replaced_and_rolled_back_in_the_box(
    production: Production, tmp_path: Path
) -> None:
    production.prepare(0.25)
    first = production.run("--config", "prod.yaml")
    assert re.search(r"^try it +curl .*gcloud auth print-access-token.*:predict", first.stdout, re.MULTILINE)
    before = production.status()
    one = before["champion"]["version"]
    assert before["endpoint"]["traffic"] == {one: 100}
    assert before["champion"]["metrics"]["accuracy"] > 0.8
    assert before["dashboard"].startswith("http://127.0.0.1:")
    recorded = production.recorded()
    assert (recorded["status"], recorded["orchestrator"]) == ("completed", "vertex")
    assert set(recorded["steps"].values()) == {"completed"}
    assert set(recorded["steps"]) >= {"identify", "fetch", "train", "deploy"}
    assert before["champion"]["mirrors"] == {name: recorded[name]["champion"] for name in ("mlflow", "vertex")}
    assert {"test/accuracy", "train/loss"} <= set(recorded["metrics"])
    answer = first_json(
        production.run("predict", "--config", "prod.yaml", "Shares fell after the profit warning").stdout
    )
    assert answer["label"] == "Business"

    production.prepare(1.0)
    with production.asked() as seen:
        production.run("--config", "prod.yaml")
        after = production.status()
        two = after["champion"]["version"]
        assert two != one
        assert after["previous"]["version"] == one
        assert after["endpoint"]["url"] == before["endpoint"]["url"]
        production.run("rollback", "--config", "prod.yaml")
    assert seen["failures"] == []
    assert seen["answered"] > 100
    assert seen["turns"] > 10  # the canary answered in between; without it two: to the new version, and back
    restored = production.status()
    assert (restored["champion"]["version"], restored["previous"]["version"]) == (one, two)
    assert restored["endpoint"]["traffic"][one] == 100
    recorded = production.recorded()
    for mirror in ("mlflow", "vertex"):
        assert recorded[mirror]["champion"] == restored["champion"]["mirrors"][mirror]
        assert recorded[mirror]["previous"] == restored["previous"]["mirrors"][mirror]
    assert not (tmp_path / "box" / "refusals.jsonl").exists()


def midnight() -> str:
    """Where the window of the configuration ends today."""
    return f"{datetime.now(UTC):%Y-%m-%d}T00:00:00Z"
