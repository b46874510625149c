"""Rows that arrive in random orders, and runs that take them: what is trained on, against a list of every row.

`python -m tests.arrivals 10000` plays so many orders, and prints what happened in them.
"""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from evergreen.adapters.files.settings import FilesSettings
from evergreen.core.coverage import Coverage
from evergreen.core.members import source_of
from evergreen.core.part import NewRows, Part
from evergreen.core.protocols import Source
from evergreen.core.refresh import NullTimes
from evergreen.data.freshness import coverage_after
from evergreen.data.shards import iter_batches

START = datetime(2026, 3, 28, tzinfo=UTC)
"""The night after the next, clocks in Europe change."""
COLUMNS = {"id": "id", "text": "text", "label": "label", "timestamp": "told", "arrived": "arrived"}
LATEST_H, LAG = 2, "2h"
"""How long rows stay invisible at most, and how long runs expect them to."""


@dataclass(frozen=True)
class Row:
    """One row; times in hours after START, None: it has none. It becomes visible `delay` hours after its arrival."""

    id: str
    told: int | None
    arrived: float | None
    delay: float = 0

    @property
    def key(self) -> tuple[str, float | None]:
        return self.id, self.arrived

    def line(self, zone: timedelta) -> str:
        """As JSON, with its times in a zone of that offset."""
        fields = {"id": self.id, "text": f"words of row {self.id} at {self.arrived}", "label": "a"}
        times = {"told": _written(self.told, zone), "arrived": _written(self.arrived, zone)}
        return json.dumps(fields | times)


def _written(hours: float | None, zone: timedelta) -> str | None:
    if hours is None:
        return None
    moment = START + timedelta(hours=hours)
    sign = "-" if zone < timedelta() else "+"
    return f"{(moment + zone).replace(tzinfo=None).isoformat()}{sign}{abs(zone).seconds // 3600:02d}:00"


@dataclass(frozen=True)
class Version:
    """What a model covers, and which rows were new to it and to those that it goes back to."""

    coverage: Coverage = field(default_factory=Coverage)
    trained_on: frozenset[tuple[str, float | None]] = frozenset()


@dataclass
class Orders:
    """One history: files that change, runs that fail at any point or meet each other, rollbacks."""

    folder: Path
    draw: random.Random
    counts: Counter[str]
    nulls: NullTimes = "refuse"
    now: float = 0
    coming: list[Row] = field(default_factory=list)
    files: dict[str, list[Row]] = field(default_factory=dict)
    champion: Version = Version()
    previous: Version = Version()

    def play(self) -> None:
        """Eight moves, and two runs to which nothing happens."""
        self.nulls = self.draw.choice(["refuse", "include", "leave_out"])
        for _ in range(8):
            self.now += self.draw.choice([0, 1, 5, 24])
            self._rows_come()
            self.draw.choice([self._run, self._run, self._two_runs, self._failing_run, self._roll_back, self._delete])()
        self.now += LATEST_H + 100
        self._rows_come(0)
        self._run()
        missing = {row.key for row in self._visible()} - self.champion.trained_on
        assert not missing, f"never trained on: {missing}"
        assert self._found().new == 0

    def _rows_come(self, most: int = 6) -> None:
        for _ in range(self.draw.randint(0, most)):
            self.coming.append(self._row())
        ready = [row for row in self.coming if (row.arrived or 0) + row.delay <= self.now]
        self.coming = [row for row in self.coming if row not in ready]
        if ready:
            name = self.draw.choice([f"{len(self.files)}.jsonl", *self.files])
            self.files.setdefault(name, []).extend(ready)
            self.draw.shuffle(self.files[name])
            self._write(name)

    def _row(self) -> Row:
        """A new one; or an earlier one again, as it is or edited."""
        known = [row for rows in self.files.values() for row in rows]
        kind = self.draw.random()
        if known and kind < 0.1:
            self.counts["repeated"] += 1
            return replace(self.draw.choice(known), delay=0)
        if known and kind < 0.2:
            self.counts["edited"] += 1
            return replace(self.draw.choice(known), arrived=self.now, delay=0)
        self.counts["rows"] += 1
        told = int(self.now) - self.draw.choice([0, 0, 3, 30, 700])
        row = Row(f"r{self.counts['rows']}", told, self.now, self.draw.choice([0, 0, 0.5, LATEST_H]))
        if self.nulls != "refuse" and kind > 0.9:
            self.counts["without a time"] += 1
            return replace(row, told=None) if self.draw.random() < 0.5 else replace(row, arrived=None)
        return row

    def _write(self, name: str) -> None:
        zone = timedelta(hours=self.draw.choice([-5, 0, 1, 2]))
        text = "".join(f"{row.line(zone)}\n" for row in self.files[name])
        (self.folder / name).write_text(text, encoding="utf-8")

    def _delete(self) -> None:
        if any(self.files.values()):
            name = self.draw.choice([name for name, rows in self.files.items() if rows])
            self.files[name].pop(self.draw.randrange(len(self.files[name])))
            self.counts["deleted"] += 1
            if self.files[name]:
                self._write(name)
            else:
                (self.folder / name).unlink()
                del self.files[name]

    def _visible(self) -> list[Row]:
        rows = [row for rows in self.files.values() for row in rows]
        return [row for row in rows if self.nulls != "leave_out" or None not in (row.told, row.arrived)]

    def _found(self) -> NewRows:
        return self._source.find_new(
            Part(
                since=self.champion.coverage,
                until=START + timedelta(hours=self.now),
                replay_share=0.3,
                null_times=self.nulls,
                lag=LAG,
            )
        )

    @property
    def _source(self) -> Source:
        return source_of(FilesSettings(path=str(self.folder), columns=COLUMNS))

    def _trained(self, found: NewRows) -> Version | None:
        """The version of a run that has identified its rows; every new one is in it, and none twice."""
        if not found.new + found.replayed:
            return None
        with TemporaryDirectory() as scratch:
            dataset = self._source.read_new(found.part, Path(scratch))
            assert dataset.manifest.source.fingerprint == found.identity.fingerprint
            read = [
                (row["id"], None if row["arrived"] is None else (row["arrived"] - START) / timedelta(hours=1))
                for batch in iter_batches(dataset.shards, ["id", "arrived"])
                for row in batch.to_pylist()
            ]
            coverage = coverage_after(dataset, found.part, None)
        new = [one for one in read if one not in self.champion.trained_on]
        self.counts["trained on"] += len(set(new))
        self.counts["replayed"] += len(read) - len(new)
        assert len(new) == found.new
        assert len(read) - len(new) == found.replayed
        return Version(coverage, self.champion.trained_on | set(new))

    def _run(self) -> None:
        if not self.files:
            return
        found = self._found()
        expected = {row.key for row in self._visible()} - self.champion.trained_on
        self._crown(self._trained(found), expected)

    def _crown(self, version: Version | None, expected: set[tuple[str, float | None]]) -> None:
        if version is None:
            self.counts["quiet runs"] += 1
            assert not expected
            return
        self.counts["runs"] += 1
        assert version.trained_on - self.champion.trained_on == expected
        self.previous, self.champion = self.champion, version

    def _two_runs(self) -> None:
        """Both begin with one champion; rows arrive in between, and the one that is first makes the other stale."""
        if not self.files:
            return
        first = self._found()
        expected = {row.key for row in self._visible()} - self.champion.trained_on
        version = self._trained(first)
        self._rows_come()
        other = self._trained(self._found())
        self.counts["overtaken runs"] += other is not None
        self._crown(version, expected)

    def _failing_run(self) -> None:
        """Killed between any two writes, or its model kept out: the champion stays."""
        if self.files:
            self.counts["failed runs"] += 1
            found = self._found()
            if self.draw.random() < 0.5:
                self._trained(found)

    def _roll_back(self) -> None:
        self.counts["rollbacks"] += 1
        self.champion, self.previous = self.previous, self.champion


def play(orders: int, seed: int = 0) -> Counter[str]:
    """What happened in so many orders. Raises AssertionError naming the first in which a row was not taken once."""
    counts: Counter[str] = Counter()
    for number in range(orders):
        with TemporaryDirectory(prefix="evergreen-orders-") as folder:
            try:
                Orders(Path(folder), random.Random(f"{seed} {number}"), counts).play()
            except AssertionError as error:
                raise AssertionError(f"order {number} of seed {seed}: {error}") from error
    return counts


def told(counts: Counter[str]) -> str:
    """The counts in words."""
    return ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items()))


def main() -> None:
    """Plays as many orders as the command line says."""
    orders = int(sys.argv[1])
    counts = play(orders)
    sys.stdout.write(f"{orders:,} orders: {told(counts)}\n")


if __name__ == "__main__":
    main()
