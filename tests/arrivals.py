"""Rows that arrive in random orders, and runs that take them: what is trained on, against a list of every row.

`python -m tests.arrivals 10000` plays so many orders, and prints what happened in them. In one of SPLIT_EVERY the runs
share their rows out too, which takes most of the time: each new row is then trained on, held out or set aside.
"""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar, Protocol

from evergreen.adapters.files.settings import FilesSettings
from evergreen.core.artifacts import Dataset
from evergreen.core.coverage import Coverage
from evergreen.core.errors import EvergreenError
from evergreen.core.gate import overtaken
from evergreen.core.members import source_of
from evergreen.core.part import NewRows, PartOfSource
from evergreen.core.protocols import Source
from evergreen.core.refresh import NullTimes
from evergreen.core.versions import Alias, ModelVersion, RecordState, SetAlias, crown, nominate, roll_back
from evergreen.data.freshness import coverage_after
from evergreen.data.latest import latest_rows
from evergreen.data.shards import iter_batches
from tests.shared_out import Key, Lineage, RunOfRows, words

START = datetime(2025, 3, 29, tzinfo=UTC)
"""The night after the next, clocks in Europe change."""
COLUMNS = {"id": "id", "text": "text", "label": "label", "timestamp": "told", "arrived": "arrived"}
LATEST_H, LAG = 2, "2h"
"""How long rows stay invisible at most, and how long runs expect them to."""
SPLIT_EVERY = 20

AT_ONCE = 100
"""Orders that a process plays before it tells how they went."""


@dataclass(frozen=True)
class Row:
    """One row; times in hours after START, None: it has none. It becomes visible `delay` hours after its arrival."""

    id: str
    told: int | None
    arrived: float | None
    delay: float = 0
    text: str = ""

    @property
    def key(self) -> Key:
        return self.id, self.arrived

    def fields(self, zone: timedelta) -> dict[str, str | None]:
        """By column, with its times in a zone of that offset."""
        plain = {"id": self.id, "text": self.text, "label": "a"}
        return plain | {"told": _written(self.told, zone), "arrived": _written(self.arrived, zone)}


def _written(hours: float | None, zone: timedelta) -> str | None:
    if hours is None:
        return None
    moment = START + timedelta(hours=hours)
    sign = "-" if zone < timedelta() else "+"
    return f"{(moment + zone).replace(tzinfo=None).isoformat()}{sign}{abs(zone).seconds // 3600:02d}:00"


class Place(Protocol):
    """Where rows lie. `has_states`: a run reads all of it as it was when it counted, whatever comes meanwhile.

    `came_h` is how much later than its arrival a row is told to have come; without `nulls` none lacks a time.
    """

    has_states: ClassVar[bool]
    came_h: ClassVar[float]
    nulls: ClassVar[bool]

    @property
    def rows(self) -> list[Row]:
        """What lies there."""

    @property
    def source(self) -> Source:
        """What reads it."""

    def until(self, now: float) -> datetime:
        """The present, as a run is told it, so many hours after START."""

    def add(self, rows: list[Row], zone: timedelta) -> None:
        """Some more rows."""

    def remove(self, row: Row) -> None:
        """One row of this key less, or all of them."""


@dataclass
class Folder:
    """Files of JSON lines, which grow and are sorted anew."""

    has_states: ClassVar[bool] = False
    came_h: ClassVar[float] = 0
    nulls: ClassVar[bool] = True

    path: Path
    draw: random.Random
    files: dict[str, list[Row]] = field(default_factory=dict)

    @property
    def rows(self) -> list[Row]:
        return [row for rows in self.files.values() for row in rows]

    @property
    def source(self) -> Source:
        return source_of(FilesSettings(path=str(self.path), columns=COLUMNS))

    def until(self, now: float) -> datetime:
        return START + timedelta(hours=now)

    def add(self, rows: list[Row], zone: timedelta) -> None:
        name = self.draw.choice([f"{len(self.files)}.jsonl", *self.files])
        self.files.setdefault(name, []).extend(rows)
        self.draw.shuffle(self.files[name])
        self._write(name, zone)

    def remove(self, row: Row) -> None:
        name = next(name for name, rows in self.files.items() if row in rows)
        self.files[name].remove(row)
        if self.files[name]:
            self._write(name, timedelta())
        else:
            (self.path / name).unlink()
            del self.files[name]

    def _write(self, name: str, zone: timedelta) -> None:
        text = "".join(f"{json.dumps(row.fields(zone))}\n" for row in self.files[name])
        (self.path / name).write_text(text, encoding="utf-8")


@dataclass(frozen=True)
class Version:
    """What a model covers, which rows were new to it and to those that it goes back to (`taken`), and the champion that
    it was judged against.
    """

    coverage: Coverage = field(default_factory=Coverage)
    taken: frozenset[Key] = frozenset()
    lineage: Lineage = field(default_factory=Lineage)
    judged_against: str | None = None


NONE = Version()


@dataclass
class Orders:
    """One history: rows that come and go, runs that die between any two writes or meet each other, rollbacks."""

    place: Place
    draw: random.Random
    counts: Counter[str]
    nulls: NullTimes = "refuse"
    now: float = 0
    coming: list[Row] = field(default_factory=list)
    versions: dict[str, Version] = field(default_factory=dict)
    record: RecordState = field(default_factory=RecordState)
    texts: dict[Key, str] = field(default_factory=dict)
    kept: Path | None = None
    """Where what the versions hold out is kept; None: rows are not shared out."""

    def play(self) -> None:
        """Eight moves, and two runs to which nothing happens."""
        self.nulls = self.draw.choice(["refuse", "include", "leave_out"]) if self.place.nulls else "refuse"
        for _ in range(8):
            self.now += self.draw.choice([0, 1, 5, 24])
            self._rows_come()
            self.draw.choice([self._run, self._run, self._two_runs, self._failing_run, self._roll_back, self._delete])()
        self.now += LATEST_H + 100
        self._rows_come(0)
        self._run(meanwhile=False)
        missing = {row.key for row in self._visible()} - self._champion.taken
        assert not missing, f"never taken: {missing}"
        assert self._found().new == 0

    @property
    def _crowned(self) -> str | None:
        return self.record.aliases.get(Alias.CHAMPION)

    @property
    def _champion(self) -> Version:
        return self.versions.get(self._crowned or "", NONE)

    def _rows_come(self, most: int = 6) -> None:
        for _ in range(self.draw.randint(0, most)):
            self.coming.append(self._row())
        ready = [row for row in self.coming if (row.arrived or 0) + row.delay <= self.now]
        self.coming = [row for row in self.coming if row not in ready]
        if ready:
            self.place.add(ready, timedelta(hours=self.draw.choice([-5, 0, 1, 2])))

    def _row(self) -> Row:
        """A new one, which may be like another; or an earlier one again, as it is, edited or merely loaded anew."""
        known = self.place.rows
        kind = self.draw.random()
        if known and kind < 0.1:
            self.counts["repeated"] += 1
            return replace(self.draw.choice(known), delay=0)
        if known and kind < 0.2:
            self.counts["edited"] += 1
            row = self.draw.choice(known)
            text = self.draw.choice([row.text, f"{row.text} e{self.now}", words(self.draw.randrange(10**9))])
            return self._told(replace(row, arrived=self.now, delay=0, text=text))
        self.counts["rows"] += 1
        text = words(self.counts["rows"])
        if known and kind < 0.35:
            self.counts["like another"] += 1
            text = self.draw.choice(known).text + self.draw.choice(["", f" l{self.counts['rows']}"])
        told = int(self.now) - self.draw.choice([0, 0, 3, 30, 700])
        row = Row(f"r{self.counts['rows']}", told, self.now, self.draw.choice([0, 0, 0.5, LATEST_H]), text)
        if self.nulls != "refuse" and kind > 0.9:
            self.counts["without a time"] += 1
            row = replace(row, told=None) if self.draw.random() < 0.5 else replace(row, arrived=None)
        return self._told(row)

    def _told(self, row: Row) -> Row:
        """With the one text of its key."""
        return replace(row, text=self.texts.setdefault(row.key, row.text))

    def _delete(self) -> None:
        if rows := self.place.rows:
            self.place.remove(self.draw.choice(rows))
            self.counts["deleted"] += 1

    def _visible(self) -> list[Row]:
        return [row for row in self.place.rows if self.nulls != "leave_out" or None not in (row.told, row.arrived)]

    def _new(self) -> set[Key]:
        """By the list of every row, what a run has to take that begins now."""
        return {row.key for row in self._visible()} - self._champion.taken

    def _found(self) -> NewRows:
        return self.place.source.find_new(
            PartOfSource(
                since=self._champion.coverage,
                until=self.place.until(self.now),
                replay_share=self.draw.choice([0, 0.3]),
                null_times=self.nulls,
                lag=LAG,
            )
        )

    def _trained(self, found: NewRows) -> Version | None:
        """The version of a run that has identified its rows; every new one is in it, and none twice.

        None: it has none, or they are told to have changed since.
        """
        if not found.new + found.replayed:
            return None
        with TemporaryDirectory() as scratch:
            try:
                dataset = self.place.source.read_new(found.part, Path(scratch))
            except EvergreenError:  # no row is left, or no file
                self._tell_change()
                return None
            if dataset.manifest.source.fingerprint != found.identity.fingerprint:
                self._tell_change()
                return None
            rows = [row for batch in iter_batches(dataset.shards) for row in batch.to_pylist()]
            read = self._keys(dataset)
            before = self._champion
            new = [key for key in read if key not in before.taken]
            self.counts["new"] += len(set(new))
            self.counts["replayed"] += len(read) - len(new)
            assert len({name for name, _ in new}) == found.new
            assert len(read) - len(new) == found.replayed
            assert [key for key, row in zip(read, rows, strict=True) if not row["replayed"]] == new
            covered = coverage_after(dataset, found.part, None)
            version = Version(covered, before.taken | set(new), judged_against=self._crowned)
            if self.kept is None:
                return version
            latest = latest_rows(dataset, Path(scratch, "latest"))
            stay = self._keys(latest)
            last = {name: max((came or 0 for other, came in read if other == name)) for name, _ in read}
            assert {name: came or 0 for name, came in stay} == last, "not the last of each id"
            assert len(stay) == len(last), "one id twice"
            self.counts["replaced by a later one, or repeated"] += len(read) - len(stay)
            run = RunOfRows(latest, stay, set(new).intersection(stay), self.texts, self.kept)
            return replace(version, lineage=before.lineage.after(run, self.counts))

    def _keys(self, dataset: Dataset) -> list[Key]:
        columns = (batch.select(["id", "arrived"]) for batch in iter_batches(dataset.shards))
        return [(row["id"], self._hours(row["arrived"])) for batch in columns for row in batch.to_pylist()]

    def _hours(self, came: datetime | None) -> float | None:
        return None if came is None else (came - START) / timedelta(hours=1) - self.place.came_h

    def _tell_change(self) -> None:
        assert not self.place.has_states, "another state was read than the one that was counted"
        self.counts["runs that told of changed rows"] += 1

    def _run(self, *, meanwhile: bool = True) -> None:
        """A run that lives; rows may come and go between its count and its read."""
        if not self.place.rows:
            return
        expected, found = self._new(), self._found()
        changes: list[Callable[[], None]] = [lambda: None, self._rows_come, self._delete] if meanwhile else []
        before = self.counts["runs that told of changed rows"]
        if changes:
            self.draw.choice(changes)()
        version = self._trained(found)
        if self.counts["runs that told of changed rows"] == before:
            self._promote(version, expected)

    def _promote(self, version: Version | None, expected: set[Key], most: int | None = None) -> None:
        """Writes the version and makes it champion unless it was overtaken, in so many writes at most (None: all)."""
        if version is None:
            self.counts["quiet runs"] += 1
            assert not expected
            return
        assert version.taken - self.versions.get(version.judged_against or "", NONE).taken == expected
        name = f"v{len(self.versions)}"
        self.versions[name] = version
        self.record = self.record.model_copy(update={"versions": (*self.record.versions, _entry(name))})
        for number, move in enumerate(self._moves(name)):
            if number == most:
                return
            kept = {alias: held for alias, held in self.record.aliases.items() if alias != move.alias}
            aliases = kept if move.version is None else kept | {move.alias: move.version}
            self.record = self.record.model_copy(update={"aliases": aliases})
        self.counts["runs"] += 1

    def _moves(self, name: str) -> Iterator[SetAlias]:
        """The writes of a promotion; each is told once those before it are written."""
        yield from nominate(self.record, name)
        if overtaken(name, self.versions[name].judged_against, self._crowned):
            self.counts["overtaken runs"] += 1
        else:
            yield from crown(self.record, name)

    def _two_runs(self) -> None:
        """Both begin with one champion; rows arrive in between, and whichever is first makes the other stale."""
        if not self.place.rows:
            return
        runs = [(self._new(), self._trained(self._found()))]
        self._rows_come()
        runs.append((self._new(), self._trained(self._found())))
        if self.draw.random() < 0.5:
            runs.reverse()
            self.counts["later runs that end first"] += all(version for _, version in runs)
        for expected, version in runs:
            self._promote(version, expected)
        (_, first), (_, second) = runs
        assert first is None or second is None or self._champion is first, "a run that was overtaken became champion"

    def _failing_run(self) -> None:
        """Killed after it identified its rows, after it read them, or between any two writes."""
        if not self.place.rows:
            return
        self.counts["failed runs"] += 1
        expected, found = self._new(), self._found()
        writes = self.draw.randint(-2, 3)
        if writes > -2:
            version = self._trained(found)
            if version is not None and writes >= 0:
                self._promote(version, expected, writes)

    def _roll_back(self) -> None:
        try:
            withdrawn, target = roll_back(self.record)
        except EvergreenError:
            return
        self.counts["rollbacks"] += 1
        aliases = self.record.aliases | {Alias.CHAMPION: target.version, Alias.PREVIOUS: withdrawn.version}
        self.record = self.record.model_copy(update={"aliases": aliases})


def _entry(name: str) -> ModelVersion:
    return ModelVersion(
        version=name, artifact=name, report=name, recipe=name, run=name, judged_against=None, metrics={}, examples=()
    )


def play(orders: int, seed: int = 0, first: int = 0) -> Counter[str]:
    """What happened in so many orders. Raises AssertionError naming the first in which a row was not taken once."""
    counts: Counter[str] = Counter()
    for number in range(first, first + orders):
        with TemporaryDirectory(prefix="evergreen-orders-") as folder, TemporaryDirectory() as kept:
            draw = random.Random(f"{seed} {number}")
            orders_of = Orders(Folder(Path(folder), draw), draw, counts)
            if number % SPLIT_EVERY == 0:
                counts["orders that share rows out"] += 1
                orders_of.kept = Path(kept)
            play_one(orders_of, f"order {number} of seed {seed}")
    return counts


def play_one(orders: Orders, name: str) -> None:
    """One history. Raises AssertionError with its name where a row was not taken once."""
    try:
        orders.play()
    except AssertionError as error:
        raise AssertionError(f"{name}: {error}") from error


def told(counts: Counter[str]) -> str:
    """The counts in words."""
    return ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items()))


def main() -> None:
    """Plays as many orders as the command line says, on every core, and tells on the way how many are done."""
    orders, counts = int(sys.argv[1]), Counter[str]()
    firsts = range(0, orders, AT_ONCE)
    sizes = [min(AT_ONCE, orders - first) for first in firsts]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        for first, found in zip(firsts, pool.map(play, sizes, [0] * len(sizes), firsts), strict=True):
            counts += found
            sys.stderr.write(f"{min(first + AT_ONCE, orders):,} orders\r")
    sys.stdout.write(f"{orders:,} orders: {told(counts)}\n")


if __name__ == "__main__":
    main()
