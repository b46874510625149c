"""Vertex AI in the box as the place of a model: rows, labels and noted requests in BigQuery, an endpoint of Vertex AI,
and the Vertex orchestrator, as `configs/prod.yaml` has them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from tests.days import Asked, Cells
from tests.e2e.production import Production
from tests.e2e.project import first_json
from tests.own_zenml import ROOT

REQUESTS = "requests"
"""The dataset of noted requests."""
LABELS = "news.labels"
NEVER = "0 3 1 1 *"
"""Firings come by hand."""
ASKED_EVERY_S = 0.25
MOST_S = 3600
"""Of a run, on a machine that is busy with others."""


@dataclass
class Client:
    """What a client beside saw, known once it is done."""

    seen: dict[str, Any] = field(default_factory=dict)

    def failed(self) -> dict[str, int]:
        """Each failure once."""
        return dict.fromkeys(self.seen["failures"], 1)

    @property
    def versions(self) -> Mapping[str, int]:
        """How many requests each version answered."""
        return dict(self.seen["versions"])


@dataclass
class VertexPlace:
    """A `Place`. `secrets` are ZenML's, whose values steps have in their environment."""

    home: Path
    production: Production
    secrets: Sequence[str] = ()
    model: str = "days"
    schedule: str = ""

    def make(self) -> None:
        """What a person makes once: the dataset of requests, and the sink that fills it."""
        self.production.python("-m", "tests.e2e.box_tables", "sink", REQUESTS)

    @property
    def document(self) -> Mapping[str, Any]:
        """Of production, but for its parameters."""
        given = {name: part for name, part in _production().items() if name != "parameters"}
        return {**given, "secrets": list(self.secrets)}

    @property
    def source(self) -> Mapping[str, Any]:
        """Production's table."""
        return {name: given for name, given in _production()["parameters"]["source"].items() if name != "columns"}

    @property
    def labels(self) -> Mapping[str, Any]:
        """A table beside it."""
        return {**self.source, "table": LABELS}

    @property
    def host(self) -> Mapping[str, Any]:
        """Production's endpoint, which notes requests."""
        return {**_production()["parameters"]["host"], "log": {"dataset": f"${{GOOGLE_CLOUD_PROJECT}}.{REQUESTS}"}}

    def arrive(self, day: int, columns: Sequence[str], cells: Cells) -> None:
        """Rows at the end of the table."""
        self._append(self.production.environment["EVERGREEN_NEWS_TABLE"], f"rows-{day}", columns, cells)

    def label(self, columns: Sequence[str], cells: Cells) -> None:
        """The same."""
        self._append(LABELS, "labels", columns, cells)

    def ask(self, instances: Sequence[Mapping[str, Any]], *, from_a_minute: bool) -> Asked:
        """By Google's SDK, always from a minute of its own."""
        asked = self._written("asked", list(instances))
        told = self._log("ask", asked)
        return Asked(datetime.fromisoformat(told["began"]), [(trace, answer) for trace, answer in told["answers"]])

    @contextmanager
    def crowd(self, instances: Sequence[Mapping[str, Any]]) -> Iterator[Client]:
        """One client, in a process of its own."""
        client = Client()
        rows = self._written("crowd", list(instances))
        with self.production.asked(self.model, rows, str(ASKED_EVERY_S)) as client.seen:
            yield client

    def watch(self, config: Path, *options: str) -> str:
        """By the command, whose run is Vertex AI's."""
        asked = ("run.py", "monitor", "--config", str(config), "--json", *options)
        return self.production.python(*asked, timeout_s=MOST_S).stdout

    def train(self, config: Path) -> str:
        """A firing of the schedule, which the first one sets; what its run did, in JSON."""
        if not self.schedule:
            made = self.production.python("run.py", "schedule", "--config", str(config), "--cron", NEVER)
            self.schedule = made.stdout.splitlines()[0].rpartition("(")[2].rstrip(")")
        self.production.fire(self.schedule)
        ended = self.production.python("-m", "tests.e2e.firing", self.schedule, timeout_s=MOST_S).stdout
        told = self.production.python("-m", "tests.e2e.nights_told", self.model).stdout
        runs = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
        (newest,) = [run for run in runs if run["scheduled"]][-1:]
        assert ended == "PIPELINE_STATE_SUCCEEDED\n", newest
        return json.dumps(newest)

    def answered(self, start: datetime, end: datetime) -> dict[str, int]:
        """How many requests of a stretch of time each version answered, as noted."""
        return dict(self._log("versions", start.isoformat(), end.isoformat()))

    def _log(self, verb: str, *arguments: str) -> dict[str, Any]:
        done = self.production.python("-m", "tests.e2e.vertex_log", verb, str(self.home / "days.yaml"), *arguments)
        return dict(first_json(done.stdout))

    def _append(self, table: str, name: str, columns: Sequence[str], cells: Cells) -> None:
        file = self._written(name, {"columns": list(columns), "cells": [list(row) for row in cells]})
        self.production.python("-m", "tests.e2e.box_tables", "append", table, file)

    def _written(self, name: str, content: Any) -> str:
        path = self.home / f"{name}.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        return str(path)


def _production() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "configs" / "prod.yaml").read_text(encoding="utf-8")))
