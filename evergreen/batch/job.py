"""One batch prediction: rows cut into shards, those that are not there yet predicted, and the output made of all.

A job that was cut off goes on where it ended: a part that is there is not made again, and the output appears at once.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain, islice

from evergreen.batch.pool import Here, processes
from evergreen.batch.work import Done, Shard, Work
from evergreen.core.batch import BatchReport, OwnTurn, Part, Row, Table, Turn
from evergreen.core.errors import InputError

SHARD_ROWS = 4_000
SHARD_BYTES = 32 << 20
"""Of what rows hold themselves, such as pictures."""
MOST_REASONS = 5

Told = Callable[[int], None]
"""Is told after each shard how many rows are done."""


@dataclass(frozen=True)
class Job:
    """Which rows are predicted: those of `table`, which is from `origin`, for a model's `name`. `note` goes into the
    report; the output is made while it is the job's `turn`.
    """

    name: str
    origin: str
    table: Table
    work: Work
    shard_rows: int = SHARD_ROWS
    note: str | None = None
    turn: Turn = field(default_factory=OwnTurn)


def run(job: Job, workers: int, told: Told = lambda _: None) -> BatchReport:
    """Predicts all rows by so many processes of this machine.

    Raises:
        InputError: there is no row, or columns are missing.
        EvergreenError: the model, the output or a process fails; parts that are done stay.
    """
    began = time.monotonic()
    job.work.store.check()
    rows, work = opened(job)
    known = known_parts(work)
    total = Total()
    with processes(workers) as started:
        traits = started.traits(work.model)
        pool = Here() if traits.takes_turns else started
        work = replace(work.told(traits), threads=pool.threads)
        shards = unknown(work, cut(rows, job.shard_rows, pool.workers), known, total)
        for done in pool.done(work, shards):
            total.add(done, new=True)
            told(total.rows)
    return finished(replace(job, work=work), total, "1 process" if workers == 1 else f"{workers} processes", began)


def finished(job: Job, total: Total, runner: str, began: float) -> BatchReport:
    """What was done, once the output is made of all parts; `began` is by the monotonic clock."""
    parts, work = sorted(total.parts), job.work
    job.turn.fence()  # `finish` removes what is of no part of this job
    return BatchReport(
        output=work.store.finish(parts),
        model=job.name,
        version=work.model.version,
        engine=" and ".join(sorted(total.engines)) or work.engine,
        origin=job.origin,
        runner=runner,
        rows=total.rows,
        predicted=total.predicted,
        unusable=sum(part.unusable for part in parts),
        parts=len(parts),
        reasons=dict(total.reasons.most_common(MOST_REASONS)),
        seconds=time.monotonic() - began,
        note=job.note,
    )


def opened(job: Job) -> tuple[Iterator[Row], Work]:
    """The rows, and the work by the columns that the first of them has."""
    rows = job.table.rows
    first = next(rows, None)
    if first is None:
        raise InputError(f"{job.origin} holds no rows")
    columns = job.work.columns.of(list(first), job.origin)
    schema = job.table.schema() if job.table.schema else None
    return chain([first], rows), replace(job.work, columns=columns, schema=schema)


def known_parts(work: Work) -> dict[tuple[int, str], Part]:
    """The parts that are there, by the numbers and keys of their shards."""
    return {(part.number, part.key): part for part in work.store.known()}


def cut(rows: Iterator[Row], shard_rows: int, workers: int) -> Iterator[Shard]:
    """The rows in shards of equal size; where there are few rows, each worker has a shard of them.

    A shard ends before `shard_rows` where its rows hold more than SHARD_BYTES.
    """
    ahead = list(islice(rows, shard_rows * workers))
    size = min(shard_rows, -(-len(ahead) // workers)) or 1
    number, held, held_bytes = 0, list[Row](), 0
    for row in chain(_emptied(ahead), rows):
        held.append(row)
        held_bytes += sum(len(value) for value in row.values() if isinstance(value, str | bytes))
        if len(held) == size or held_bytes >= SHARD_BYTES:
            yield Shard(number, held)
            number, held, held_bytes = number + 1, [], 0
    if held:
        yield Shard(number, held)


def _emptied(rows: list[Row]) -> Iterator[Row]:
    """The rows, each forgotten as it is given."""
    rows.reverse()
    while rows:
        yield rows.pop()


class Total:
    """What came of all shards."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.rows = self.predicted = 0
        self.reasons: Counter[str] = Counter()
        self.engines: set[str] = set()

    def add(self, done: Done, *, new: bool) -> None:
        """Counts a shard, whichever comes next."""
        self.parts.append(done.part)
        self.rows += done.rows
        self.predicted += done.rows * new
        self.reasons += done.reasons
        self.engines |= {done.engine} - {""}


def unknown(
    work: Work, shards: Iterable[Shard], known: Mapping[tuple[int, str], Part], total: Total
) -> Iterator[Shard]:
    """The shards whose parts are not there yet, by their keys; the others are counted."""
    for cut_off in shards:
        shard = replace(cut_off, key=work.key(cut_off.rows))
        part = known.get((shard.number, shard.key))
        if part is None:
            yield shard
        else:
            total.add(Done(part, len(shard.rows)), new=False)
