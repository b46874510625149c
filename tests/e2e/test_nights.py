"""Ten nights of `configs/prod.yaml` in the box, fired by its schedule: two are killed, a backfill lies in between, one
has new code, one comes after artifacts were pruned; `make nights` runs them.

What a quiet night moves, `tests/integration/cloudbox/test_three_nights.py` counts.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.production import Production, last_midnight, production_in
from tests.e2e.project import first_json
from tests.own_zenml import ROOT
from tests.waiting import wait_until

pytestmark = [pytest.mark.emulated, pytest.mark.nights, pytest.mark.timeout(7200)]

END = datetime.fromisoformat(last_midnight())
"""When the last row arrives, and until when rows tell of: midnight may pass."""
ARRIVALS = 5
CACHED = ("fetch", "validate", "split", "train", "evaluate")
CODE = ("run.py", "commands", "configs", "evergreen", "orchestration", "pipelines", "stacks", "steps")
MOST_S, LOOK_EVERY_S = 1500.0, 5.0
"""Each look is a process of its own."""


@dataclass
class Nights:
    """The model's schedule, and what its firings did."""

    production: Production
    schedule: str = ""

    def set_schedule(self, checkout: Path = ROOT) -> None:
        """The schedule anew, with the code of a checkout."""
        command = [sys.executable, "run.py", "schedule", "--config", self.production.config, "--cron", "0 3 1 1 *"]
        environment = {**self.production.environment, "PYTHONPATH": str(checkout)}
        done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        self.schedule = done.stdout.splitlines()[0].rpartition("(")[2].rstrip(")")

    def told(self, *options: str) -> list[dict[str, Any]]:
        lines = self.production.python("-m", "tests.e2e.nights_told", "news", *options).stdout.splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def fire(self) -> dict[str, Any]:
        """What the firing did, once it has ended."""
        before = len(self.told())
        self.production.fire(self.schedule)
        wait_until(lambda: len(self.told()) > before, timeout_s=MOST_S, every_s=LOOK_EVERY_S)
        wait_until(lambda: self.ended() not in {"running", "initializing"}, timeout_s=MOST_S, every_s=LOOK_EVERY_S)
        night = self.told()[-1] | {"status": self.ended()}
        assert night["scheduled"]
        return night

    def ended(self) -> str:
        """How the last run ended, as Vertex AI says where ZenML does not know."""
        return str(self.production.status()["last_run"]["status"])

    def trains(self, new: int, outcomes: Collection[str] = ("live",)) -> None:
        """A night that makes a champion of so many new rows."""
        before = self.production.status()["champion"]
        night = self.fire()
        assert night["status"] == "completed", night
        assert night["outcome"] in outcomes, night
        assert f"{new} new to " in night["words"]
        after = self.production.status()
        assert after["champion"] != before
        assert after["endpoint"]["traffic"][after["champion"]["version"]] == 100

    def trained_on(self) -> list[str]:
        """What was new to the nights that the champion's weights go back to; a backfill repeats some of it."""
        told = self.production.python("run.py", "lineage", "champion", "--config", self.production.config, "--json")
        lineage = first_json(told.stdout)
        assert lineage["oldest"], lineage
        runs = [lineage["run"]["name"], *(parent["run"] for parent in lineage["parents"])]
        nights = {night["name"]: night for night in self.told("--rows")}
        return [row for name in runs if nights[name]["scheduled"] for row in nights[name]["rows"]]

    def is_quiet(self, words: str, *again: str) -> None:
        """A success that trains nothing; steps of which something was lost run `again`."""
        before = self.production.status()
        night = self.fire()
        assert night["status"] == "completed", night
        assert words in night["words"]
        assert {name for name in CACHED if night["steps"][name] != "cached"} == set(again)
        after = self.production.status()
        assert (after["champion"], after["coverage"]) == (before["champion"], before["coverage"])


@pytest.fixture
def nights(tmp_path: Path) -> Iterator[Nights]:
    document = yaml.safe_load((ROOT / "configs" / "prod.yaml").read_text(encoding="utf-8"))
    parameters = document["parameters"]
    parameters["refresh"] |= {"min_new_rows": 40}
    parameters["gate"] = {"min_test_rows": 1, "margin": {}, "baselines": "report", "beat_baseline": False}
    parameters["rollout"] = {"shares": []}
    parameters["engines"] = {"max_train_rows": 0}
    parameters["task"] |= {"epochs": 1, "max_length_tokens": 64}
    config = tmp_path / "prod.yaml"
    config.write_text(yaml.safe_dump(document), encoding="utf-8")
    with production_in(tmp_path / "box", str(config)) as production:
        yield Nights(production)


def edited(folder: Path) -> Path:
    """The project with other code in a step that makes the model."""
    folder.mkdir()
    for name in CODE:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    with (folder / "steps" / "split.py").open("a", encoding="utf-8") as file:
        file.write("\n\nEDITED = True\n")
    return folder


def prune(production: Production, result: str) -> None:
    """Removes what the bucket holds of a step's result, as a rule of it might."""
    places = list((production.home / "gcs").rglob(f"artifacts/{result}"))
    assert places
    for place in places:
        shutil.rmtree(place)


def test_ten_nights_train_on_each_row_once(nights: Nights, tmp_path: Path) -> None:
    production, kept = nights.production, tmp_path / "arrivals.json"
    counts = [0]

    def arrivals() -> dict[str, str]:
        """By id."""
        return dict(json.loads(kept.read_text(encoding="utf-8")))

    def arrived(share: float) -> int:
        """How many rows are new to the table: of each of ARRIVALS days some, over an hour and more."""
        production.prepare(share, END.isoformat())
        end = END - timedelta(days=ARRIVALS - len(counts))
        production.python("-m", "tests.e2e.nights_arrivals", str(kept), end.isoformat())
        counts.append(len(arrivals()))
        return counts[-1] - counts[-2]

    first = arrived(0.2)
    nights.set_schedule()
    nights.trains(first)  # 1
    nights.is_quiet("0 new to champion")  # 2

    new = arrived(0.3)
    with production.task_killed(production.keeps_a_checkpoint):
        assert nights.fire()["status"] == "failed"  # 3
    nights.trains(new)  # 4

    few = arrived(0.31)
    nights.is_quiet(f"{few} new to champion")  # 5
    new = few + arrived(0.4)
    production.fault("slow", "UpdateEndpoint", seconds=40, times=1)
    with production.task_killed(lambda: not production.faults()):
        assert nights.fire()["status"] == "failed"  # 6
    nights.trains(new, ("live", "kept"))  # 7; kept: the killed one may have moved the traffic already

    covered = production.status()["coverage"]
    stretch = f"{(END - timedelta(days=1)).isoformat()}..{END.isoformat()}"
    production.python("run.py", "--config", production.config, "--window", stretch)
    assert production.status()["coverage"] == covered

    nights.trains(arrived(0.5))  # 8
    nights.set_schedule(edited(tmp_path / "edited"))
    nights.is_quiet("the code changed, on which refresh.on_code trains nothing")  # 9
    nights.set_schedule()
    prune(production, "split/splits")
    nights.is_quiet("results of split of run", "split")  # 10

    coverage = production.status()["coverage"]
    until = END - timedelta(hours=1)
    assert datetime.fromisoformat(coverage["until"]) == until
    at_edge = [name for name, came in arrivals().items() if datetime.fromisoformat(came) >= until]
    assert coverage["edge_rows"] == len(at_edge) < counts[-1] - counts[-2]
    assert coverage["gaps"] == []
    trained = nights.trained_on()
    assert len(trained) == len(set(trained)) == counts[-1]
