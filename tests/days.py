"""Days of a model: news are asked of its endpoint, some join its rows, their labels come late, and each day ends with
monitoring and with the training by schedule.

days.day(1, [("shares rose", "business"), …], joining=12)  ->  Day(accuracy=0.97, verdict=Verdict(…), night="rows …")
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import yaml

from evergreen.adapters.local_endpoint.state import EndpointFiles
from evergreen.core.artifacts import ResolvedWindow
from evergreen.core.verdict import Verdict
from evergreen.requestlog.reading import FolderLog
from tests.noted import rows
from tests.waiting import wait_until

Article = tuple[str, str]
"""A text, and its label."""
START = datetime(2026, 5, 1, tzinfo=UTC)
"""When the first rows arrive."""
DAY = timedelta(minutes=3)
"""How long a day of requests is by the clock; a verdict is read within it, so that it is none of long ago."""
NO_REQUEST = ["0" * 32, "nobody", START.isoformat()]
"""A label of a request that no log has."""
REPEATED, LATE = 5, 2
"""So many rows of the first day and of the last one come again each day; so many tell of a time long ago."""


class Day(NamedTuple):
    """How many of the day's answers were right, what monitoring said of them, and what the training by schedule did."""

    accuracy: float
    verdict: Verdict
    night: str


@dataclass
class Days:
    """The life of a model on a local endpoint; `run` is `run.py` with these arguments, and what it prints.

    `home` holds the rows, the labels and the configurations, `state` what the machine keeps of endpoints.
    """

    home: Path
    state: Path
    run: Callable[..., str]
    parameters: Mapping[str, Any]
    monitoring: Mapping[str, Any]
    model: str = "days"
    stack: str = "local"
    began: datetime = START
    """When the present day's first request came."""
    _arrived: list[list[Any]] = field(default_factory=list)
    _unlabelled: list[tuple[str, str]] = field(default_factory=list)

    @property
    def config(self) -> Path:
        """Of the model, whose scheduled runs train for drift alone."""
        columns = {"id": "id", "text": "text", "label": "label", "timestamp": "day", "arrived": "arrived"}
        given = {
            "model_name": self.model,
            "source": {"kind": "files", "path": str(self._rows), "columns": columns},
            "refresh": {
                "data": "incremental",
                "min_new_rows": 5,
                "replay_share": 0.1,
                "when": {"new_rows": False, "drift": {"k": 1, "of": 1}},
            },
            "host": {"kind": "local_endpoint", "port": 0},
            **self.parameters,
        }
        return self._written("days", given, {"stacks": [self.stack]})

    @property
    def monitor(self) -> Path:
        """Of its monitoring."""
        columns = {"trace_id": "trace_id", "label": "label", "arrived": "arrived"}
        given = {
            "model_name": self.model,
            "host": {"kind": "local_endpoint", "port": 0},
            "labels": {"kind": "files", "path": str(self.home / "labels.csv"), "columns": columns},
            **self.monitoring,
        }
        return self._written("monitor", given, {"pipeline": "monitoring", "stacks": [self.stack]})

    def first(self, articles: Sequence[Article]) -> str:
        """The first model, which is trained on these."""
        _append(self.home / "labels.csv", ["trace_id", "label", "arrived"], NO_REQUEST)
        self._arrive(articles, 0)
        return self.night()

    def day(self, number: int, articles: Sequence[Article], joining: int) -> Day:
        """All of a day, whose first `joining` articles become rows."""
        return Day(self.ask(articles), self.end(number, articles[:joining]), self.night())

    def end(self, number: int, joining: Sequence[Article]) -> Verdict:
        """What monitoring says of the day, once its rows arrived."""
        self._arrive(joining, number)
        stretch = f"{self.began.isoformat()}..{(self.began + DAY).isoformat()}"
        printed = self.run("monitor", "--config", self.monitor, "--json", "--window", stretch)
        return Verdict.model_validate_json(next(line for line in printed.splitlines() if line.startswith("{")))

    def night(self) -> str:
        """What the training by schedule prints."""
        return self.run("--config", self.config, "--scheduled")

    def ask(self, articles: Sequence[Article]) -> float:
        """How many answers of the endpoint are right. The labels of half of them come on the same day, of the others on
        the next one.
        """
        self.began, url = datetime.now(UTC), self.url
        with httpx.Client(trust_env=False, timeout=60) as client:
            answers = [_answer(client, url, text) for text, _ in articles]
        told = [(trace, label) for (trace, _), (_, label) in zip(answers, articles, strict=True)]
        half = len(told) // 2
        self._label([*self._unlabelled, *told[:half]])
        self._unlabelled = told[half:]
        wait_until(lambda: len(self.noted()) >= len(articles))
        right = sum(answer == label for (_, answer), (_, label) in zip(answers, articles, strict=True))
        return right / len(articles)

    def noted(self) -> list[dict[str, Any]]:
        """Rows of the log of the present day."""
        return rows(FolderLog(self._files.requests), ResolvedWindow(start=self.began, end=self.began + DAY))

    @property
    def url(self) -> str:
        """Where the endpoint is asked."""
        address = self._files.read_address()
        assert address is not None
        return f"{address.url}/predict"

    @property
    def _files(self) -> EndpointFiles:
        return EndpointFiles(self.state / self.model)

    @property
    def _rows(self) -> Path:
        return self.home / "rows"

    def _arrive(self, articles: Sequence[Article], day: int) -> None:
        """The rows of a day in a file of its own; the last of them tell of a time long ago, and some come again."""
        self._rows.mkdir(exist_ok=True)
        new = []
        for number, (text, label) in enumerate(articles):
            arrived = START + timedelta(days=day, seconds=number)
            told = arrived - timedelta(days=30) if day and number >= len(articles) - LATE else arrived
            new.append([f"{day}-{number}", text, label, told.date().isoformat(), arrived.isoformat()])
        known = self._arrived[:REPEATED] + self._arrived[-REPEATED:]
        _append(self._rows / f"{day:02}.csv", ["id", "text", "label", "day", "arrived"], *known, *new)
        self._arrived += new

    def _label(self, told: Iterable[tuple[str, str]]) -> None:
        now = datetime.now(UTC).isoformat()
        _append(self.home / "labels.csv", [], *([trace, label, now] for trace, label in told))

    def _written(self, name: str, parameters: Mapping[str, Any], extra: Mapping[str, Any]) -> Path:
        path = self.home / f"{name}.yaml"
        path.write_text(yaml.safe_dump({"parameters": dict(parameters), "extra": dict(extra)}), encoding="utf-8")
        return path


def new_rows(*joined: int) -> int:
    """How many rows a champion finds new after days on which so many joined: on all but the first of them some come
    again that it was not trained on.
    """
    return sum(joined) + REPEATED * (len(joined) - 1)


def _answer(client: httpx.Client, url: str, text: str) -> tuple[str, str]:
    """The trace id of an answer, and the label that it gives."""
    answered = client.post(url, json={"instances": [{"text": text}]}).raise_for_status().json()
    return answered["metadata"]["trace_id"], answered["predictions"][0]["label"]


def _append(path: Path, header: Sequence[str], *told: Sequence[Any]) -> None:
    with path.open("a", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *told] if header else told)
