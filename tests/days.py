"""Days of a model: its endpoint is asked, some of what it was asked joins its rows, and each day ends with monitoring
and with the training by schedule. What a row is, subclasses say: `ArticleDays`, `PictureDays`; where the model lives,
its `Place`: this machine (`LocalPlace`), or Vertex AI in the box (`VertexPlace`).

days.day(1, [("shares rose", "business"), …], joining=12)  ->  Day(quality=0.97, verdict=Verdict(…), night="rows …")
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar

import yaml

from commands.monitor import Monitored
from evergreen.core.verdict import Verdict
from tests.waiting import wait_until

START = datetime(2026, 5, 1, tzinfo=UTC)
"""When the first rows arrive."""
AHEAD_MIN = 4
"""A day's window ends so many minutes from now: a verdict is stale once it is older than its window is long."""
REPEATED, LATE = 5, 2
"""So many rows of the first day and of the last one come again each day; so many tell of a time long ago."""
Row = TypeVar("Row")
Answers = Sequence[Mapping[str, Any]]
"""Predictions of an endpoint, one a row."""
Cells = Sequence[Sequence[Any]]
"""What rows hold, column by column."""


class Day(NamedTuple):
    """How good the day's answers were, what monitoring said of them, and what the training by schedule did."""

    quality: float
    verdict: Verdict
    night: str


class Asked(NamedTuple):
    """Requests of a day: since when, and each one's trace id and prediction, all of them noted."""

    began: datetime
    answers: Sequence[tuple[str, Mapping[str, Any]]]


class Clients(Protocol):
    """Who asks an endpoint while something else happens."""

    def failed(self) -> Mapping[str, int]:
        """Requests that were answered with no prediction, by what they met; known once the clients are done."""


class Place(Protocol):
    """Where a model lives: what its configurations say of that, and how it is reached there.

    `document` holds what its configurations have beside parameters, `source`, `labels` and `host` what these
    parameters have; the columns of the first two come on top.
    """

    model: str

    @property
    def home(self) -> Path:
        """Where configurations are written."""

    @property
    def document(self) -> Mapping[str, Any]:
        """Of each configuration."""

    @property
    def source(self) -> Mapping[str, Any]:
        """Of the rows."""

    @property
    def labels(self) -> Mapping[str, Any]:
        """Of the labels."""

    @property
    def host(self) -> Mapping[str, Any]:
        """Of the endpoint."""

    def arrive(self, day: int, columns: Sequence[str], cells: Cells) -> None:
        """Rows come."""

    def label(self, columns: Sequence[str], cells: Cells) -> None:
        """Labels come."""

    def ask(self, instances: Sequence[Mapping[str, Any]], *, from_a_minute: bool) -> Asked:
        """Asks the endpoint one after the other, in minutes of their own where asked to; returns once all is noted."""

    def crowd(self, instances: Sequence[Mapping[str, Any]]) -> AbstractContextManager[Clients]:
        """Clients that ask all the while."""

    def watch(self, config: Path, *options: str) -> str:
        """What `run.py monitor --json` prints."""

    def train(self, config: Path) -> str:
        """What the training by schedule says."""


@dataclass
class Days(ABC, Generic[Row]):
    """The life of a model in a place. `content` names the columns of a row beside its id and its times."""

    content: ClassVar[tuple[str, str]]

    place: Place
    parameters: Mapping[str, Any]
    monitoring: Mapping[str, Any]
    began: datetime = START
    """Since when the present day's requests come."""
    _arrived: list[list[Any]] = field(default_factory=list)

    @abstractmethod
    def cells(self, row: Row) -> tuple[Any, Any]:
        """What the columns of `content` hold."""

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
    def model(self) -> str:
        """Its name."""
        return self.place.model

    @property
    def tells(self) -> bool:
        """Whether anybody is told of what moved: not of a stretch of the past, only of the configured window."""
        return "alerts" in self.monitoring

    @property
    def config(self) -> Path:
        """Of the model, whose scheduled runs train for drift alone."""
        given = {
            "model_name": self.model,
            "source": {**self.place.source, "columns": self.columns},
            "refresh": {
                "data": "incremental",
                "min_new_rows": 5,
                "replay_share": 0.1,
                "when": {"new_rows": False, "drift": {"k": 1, "of": 1}},
            },
            "host": dict(self.place.host),
            **self.parameters,
        }
        return self._written("days", given)

    @property
    def monitor(self) -> Path:
        """Of its monitoring, whose window is the day's where the day begins with a minute."""
        end = self._end
        minutes = (end - minute_of(self.began)) // timedelta(minutes=1)
        given = {
            "model_name": self.model,
            "host": dict(self.place.host),
            "window": {"end": end.isoformat(), "length": f"{minutes}m", "grain": "1m"},
            **self.watching(),
            **self.monitoring,
        }
        return self._written("monitor", given, pipeline="monitoring")

    @property
    def columns(self) -> dict[str, str]:
        """Columns of the rows, in their order, by canonical name."""
        content = {name: name for name in self.content}
        return {"id": "id", **content, "timestamp": "day", "arrived": "arrived"}

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
        stretch = f"{self.began.isoformat()}..{self._end.isoformat()}"
        printed = self.place.watch(self.monitor, *(() if self.tells else ("--window", stretch)))
        return Monitored.model_validate_json(next(line for line in printed.splitlines() if line.startswith("{")))

    def night(self) -> str:
        """What the training by schedule says."""
        return self.place.train(self.config)

    def night_among(self, asked: Sequence[Row]) -> tuple[str, Clients]:
        """The same, with the clients that asked these all the while."""
        with self.place.crowd([self.instance(row) for row in asked]) as clients:
            night = self.night()
        return night, clients

    def ask(self, asked: Sequence[Row]) -> float:
        """How good the endpoint's answers are."""
        self.began, told = self.place.ask([self.instance(row) for row in asked], from_a_minute=self.tells)
        self.answered([trace for trace, _ in told], asked)
        return self.quality([answer for _, answer in told], asked)

    def apart(self, name: str, given: Sequence[Row]) -> list[list[Any]]:
        """Rows that do not arrive, as the source has them."""
        return [self._dated(f"{name}-{number}", row, START) for number, row in enumerate(given)]

    @property
    def _end(self) -> datetime:
        """Where the day's window ends: with a whole minute, as Monitoring cuts it."""
        return minute_of(datetime.now(UTC)) + timedelta(minutes=AHEAD_MIN)

    def _arrive(self, arriving: Sequence[Row], day: int) -> None:
        """The rows of a day; the last of them tell of a time long ago, and some come again."""
        new = []
        for number, row in enumerate(arriving):
            arrived = START + timedelta(days=day, seconds=number)
            late = timedelta(days=30) if day and number >= len(arriving) - LATE else timedelta()
            new.append(self._dated(f"{day}-{number}", row, arrived, late))
        known = self._arrived[:REPEATED] + self._arrived[-REPEATED:]
        self.place.arrive(day, list(self.columns.values()), [*known, *new])
        self._arrived += new

    def _dated(self, name: str, row: Row, arrived: datetime, late: timedelta = timedelta()) -> list[Any]:
        return [name, *self.cells(row), (arrived - late).date().isoformat(), arrived.isoformat()]

    def _written(self, name: str, parameters: Mapping[str, Any], **extra: str) -> Path:
        path, given = self.place.home / f"{name}.yaml", dict(self.place.document)
        document = {**given, "parameters": dict(parameters), "extra": {**given.get("extra", {}), **extra}}
        path.write_text(yaml.safe_dump(document), encoding="utf-8")
        return path


def minute_of_its_own(noted: Callable[[datetime], int]) -> datetime:
    """The present minute, once it is one in which nothing is noted (`noted` counts what is from a time on)."""
    wait_until(lambda: not noted(minute_of(datetime.now(UTC))), timeout_s=90, every_s=1)
    return minute_of(datetime.now(UTC))


def minute_of(time: datetime) -> datetime:
    """When its minute began."""
    return time.replace(second=0, microsecond=0)


def new_rows(*joined: int) -> int:
    """How many rows a champion finds new after days on which so many joined: those that come again are no new ones."""
    return sum(joined)
