"""Days of a model: its endpoint is asked, some of what it was asked joins its rows, and each day ends with monitoring
and with the training by schedule. What a row is, subclasses say: `ArticleDays`, `PictureDays`.

days.day(1, [("shares rose", "business"), …], joining=12)  ->  Day(quality=0.97, verdict=Verdict(…), night="rows …")
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import httpx
import yaml

from evergreen.adapters.local_endpoint.state import EndpointFiles
from evergreen.core.artifacts import ResolvedWindow
from evergreen.core.verdict import Verdict
from evergreen.requestlog.reading import FolderLog
from tests.noted import rows
from tests.waiting import wait_until

START = datetime(2026, 5, 1, tzinfo=UTC)
"""When the first rows arrive."""
DAY = timedelta(minutes=3)
"""How long a day of requests is by the clock; a verdict is read within it, so that it is none of long ago."""
REPEATED, LATE = 5, 2
"""So many rows of the first day and of the last one come again each day; so many tell of a time long ago."""
Row = TypeVar("Row")
Answers = Sequence[Mapping[str, Any]]
"""Predictions of an endpoint, one a row."""


class Day(NamedTuple):
    """How good the day's answers were, what monitoring said of them, and what the training by schedule did."""

    quality: float
    verdict: Verdict
    night: str


@dataclass
class Days(ABC, Generic[Row]):
    """The life of a model on a local endpoint; `run` is `run.py` with these arguments, and what it prints.

    `home` holds the rows, the labels and the configurations, `state` what the machine keeps of endpoints. `content`
    names the columns of a row beside its id and its times.
    """

    content: ClassVar[tuple[str, str]]
    suffix: ClassVar[str]

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

    @abstractmethod
    def cells(self, row: Row) -> tuple[Any, Any]:
        """What the columns of `content` hold."""

    @abstractmethod
    def write(self, path: Path, columns: Sequence[str], cells: Sequence[Sequence[Any]]) -> None:
        """A file of rows."""

    @abstractmethod
    def instance(self, row: Row) -> dict[str, str]:
        """What the endpoint is asked of it."""

    @abstractmethod
    def quality(self, answers: Answers, asked: Sequence[Row]) -> float:
        """How good answers are, from 0 to 1."""

    def answered(self, traces: Sequence[str], asked: Sequence[Row]) -> None:
        """Once the day's requests have these trace ids."""

    def watching(self) -> dict[str, Any]:
        """Further parameters of monitoring."""
        return {}

    @property
    def config(self) -> Path:
        """Of the model, whose scheduled runs train for drift alone."""
        given = {
            "model_name": self.model,
            "source": {"kind": "files", "path": str(self.home / "rows"), "columns": self._columns},
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
        given = {
            "model_name": self.model,
            "host": {"kind": "local_endpoint", "port": 0},
            **self.watching(),
            **self.monitoring,
        }
        return self._written("monitor", given, {"pipeline": "monitoring", "stacks": [self.stack]})

    def first(self, arriving: Sequence[Row]) -> str:
        """The first model, which is trained on these."""
        self._arrive(arriving, 0)
        return self.night()

    def day(self, number: int, asked: Sequence[Row], joining: int) -> Day:
        """All of a day, of which the first `joining` that are asked become rows."""
        return Day(self.ask(asked), self.end(number, asked[:joining]), self.night())

    def end(self, number: int, joining: Sequence[Row]) -> Verdict:
        """What monitoring says of the day, once its rows arrived."""
        self._arrive(joining, number)
        stretch = f"{self.began.isoformat()}..{(self.began + DAY).isoformat()}"
        printed = self.run("monitor", "--config", self.monitor, "--json", "--window", stretch)
        return Verdict.model_validate_json(next(line for line in printed.splitlines() if line.startswith("{")))

    def night(self) -> str:
        """What the training by schedule prints."""
        return self.run("--config", self.config, "--scheduled")

    def ask(self, asked: Sequence[Row]) -> float:
        """How good the endpoint's answers are."""
        self.began, url = datetime.now(UTC), self.url
        with httpx.Client(trust_env=False, timeout=60) as client:
            told = [_answer(client, url, self.instance(row)) for row in asked]
        self.answered([trace for trace, _ in told], asked)
        wait_until(lambda: len(self.noted()) >= len(asked))
        return self.quality([answer for _, answer in told], asked)

    def noted(self) -> list[dict[str, Any]]:
        """Rows of the log of the present day."""
        return rows(FolderLog(self._files.requests), ResolvedWindow(start=self.began, end=self.began + DAY))

    def apart(self, name: str, given: Sequence[Row]) -> Path:
        """Rows in a file of their own, as the source has them."""
        path = self.home / f"{name}{self.suffix}"
        cells = [self._dated(f"{name}-{number}", row, START) for number, row in enumerate(given)]
        self.write(path, list(self._columns.values()), cells)
        return path

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
    def _columns(self) -> dict[str, str]:
        """Columns of the rows, in their order, by canonical name."""
        content = {name: name for name in self.content}
        return {"id": "id", **content, "timestamp": "day", "arrived": "arrived"}

    def _arrive(self, arriving: Sequence[Row], day: int) -> None:
        """The rows of a day in a file of its own; the last of them tell of a time long ago, and some come again."""
        (self.home / "rows").mkdir(exist_ok=True)
        new = []
        for number, row in enumerate(arriving):
            arrived = START + timedelta(days=day, seconds=number)
            late = timedelta(days=30) if day and number >= len(arriving) - LATE else timedelta()
            new.append(self._dated(f"{day}-{number}", row, arrived, late))
        known = self._arrived[:REPEATED] + self._arrived[-REPEATED:]
        self.write(self.home / "rows" / f"{day:02}{self.suffix}", list(self._columns.values()), [*known, *new])
        self._arrived += new

    def _dated(self, name: str, row: Row, arrived: datetime, late: timedelta = timedelta()) -> list[Any]:
        return [name, *self.cells(row), (arrived - late).date().isoformat(), arrived.isoformat()]

    def _written(self, name: str, parameters: Mapping[str, Any], extra: Mapping[str, Any]) -> Path:
        path = self.home / f"{name}.yaml"
        path.write_text(yaml.safe_dump({"parameters": dict(parameters), "extra": dict(extra)}), encoding="utf-8")
        return path


def new_rows(*joined: int) -> int:
    """How many rows a champion finds new after days on which so many joined: on all but the first of them some come
    again that it was not trained on.
    """
    return sum(joined) + REPEATED * (len(joined) - 1)


def _answer(client: httpx.Client, url: str, instance: Mapping[str, str]) -> tuple[str, Mapping[str, Any]]:
    """The trace id of an answer, and its prediction."""
    answered = client.post(url, json={"instances": [instance]}).raise_for_status().json()
    return answered["metadata"]["trace_id"], answered["predictions"][0]
