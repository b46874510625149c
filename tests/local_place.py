"""This machine as the place of a model: rows and labels in files, and a local endpoint."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from evergreen.adapters.local_endpoint.state import EndpointFiles
from evergreen.core.artifacts import ResolvedWindow
from evergreen.requestlog.reading import FolderLog
from tests.days import Asked, Cells, minute_of_its_own
from tests.e2e.crowd import Crowd
from tests.noted import rows
from tests.waiting import wait_until

Write = Callable[[Path, Sequence[str], Cells], Path]
"""Writes rows to a file of this name, but for its suffix; gives its path."""
SOON = timedelta(minutes=1)
PAUSE_S = 0.3
"""Of each client of a crowd, after an answer."""


def write_csv(path: Path, columns: Sequence[str], cells: Cells) -> Path:
    """Delimited text."""
    file = path.with_suffix(".csv")
    _append(file, [columns, *cells])
    return file


@dataclass
class LocalPlace:
    """A `Place`: `run` is `run.py` with these arguments, and what it prints; `state` is what the machine keeps of
    endpoints.
    """

    home: Path
    state: Path
    run: Callable[..., str]
    write: Write = write_csv
    model: str = "days"

    @property
    def document(self) -> Mapping[str, Any]:
        """The stack that its configurations are for."""
        return {"extra": {"stacks": ["local"]}}

    @property
    def source(self) -> Mapping[str, Any]:
        """A folder with a file for each day."""
        return {"kind": "files", "path": str(self.home / "rows")}

    @property
    def labels(self) -> Mapping[str, Any]:
        """A file that grows."""
        return {"kind": "files", "path": str(self.home / "labels.csv")}

    @property
    def host(self) -> Mapping[str, Any]:
        """On a free port."""
        return {"kind": "local_endpoint", "port": 0}

    def arrive(self, day: int, columns: Sequence[str], cells: Cells) -> None:
        """The day's file."""
        (self.home / "rows").mkdir(exist_ok=True)
        self.write(self.home / "rows" / f"{day:02}", columns, cells)

    def label(self, columns: Sequence[str], cells: Cells) -> None:
        """Lines at the end of the file."""
        path = self.home / "labels.csv"
        _append(path, cells if path.exists() else [columns, *cells])

    def ask(self, instances: Sequence[Mapping[str, Any]], *, from_a_minute: bool) -> Asked:
        """By HTTP."""
        began = minute_of_its_own(lambda since: len(self._noted(since))) if from_a_minute else datetime.now(UTC)
        with httpx.Client(trust_env=False, timeout=60) as client:
            answers = [_answer(client, self.url, instance) for instance in instances]
        wait_until(lambda: len(self._noted(began)) >= len(answers))
        return Asked(began, answers)

    @contextmanager
    def crowd(self, instances: Sequence[Mapping[str, Any]]) -> Iterator[Crowd]:
        """Threads of this process."""
        with Crowd(self.url, [instance["text"] for instance in instances], pause_s=PAUSE_S) as crowd:
            yield crowd

    def watch(self, config: Path, *options: str) -> str:
        """By the command."""
        return self.run("monitor", "--config", config, "--json", *options)

    def train(self, config: Path) -> str:
        """As cron does."""
        return self.run("--config", config, "--scheduled")

    @property
    def url(self) -> str:
        """Where the endpoint is asked."""
        address = self._files.read_address()
        assert address is not None
        return f"{address.url}/predict"

    @property
    def _files(self) -> EndpointFiles:
        return EndpointFiles(self.state / self.model)

    def _noted(self, since: datetime) -> list[dict[str, Any]]:
        return rows(FolderLog(self._files.requests), ResolvedWindow(start=since, end=datetime.now(UTC) + SOON))


def _append(path: Path, lines: Cells) -> None:
    with path.open("a", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(lines)


def _answer(client: httpx.Client, url: str, instance: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """The trace id of an answer, and its prediction."""
    answered = client.post(url, json={"instances": [instance]}).raise_for_status().json()
    return answered["metadata"]["trace_id"], answered["predictions"][0]
