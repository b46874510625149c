"""One batch prediction: rows cut into shards, those that are not there yet predicted, and the output made of all.

A job that was cut off goes on where it ended: a part that is there is not made again, and the output appears at once.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice

from evergreen.batch.pool import Here, Pool, processes
from evergreen.batch.work import Done, Shard, Work
from evergreen.core.batch import BatchReport, Part, Row, Table
from evergreen.core.errors import InputError

SHARD_ROWS = 4_000
SHARD_BYTES = 32 << 20
"""Of what rows hold themselves, such as pictures."""
MOST_REASONS = 5

Told = Callable[[int], None]
"""Is told after each shard how many rows are done."""


@dataclass(frozen=True)
class Job:
    """Which rows are predicted: those of `table`, which is from `origin`, for a model's `name`."""

    name: str
    origin: str
    table: Table
    work: Work
    shard_rows: int = SHARD_ROWS


def run(job: Job, workers: int, told: Told = lambda _: None) -> BatchReport:
    """Predicts all rows by so many processes of this machine.

    Raises:
        InputError: there is no row, or columns are missing.
        EvergreenError: the model, the output or a process fails; parts that are done stay.
    """
    began = time.monotonic()
    output = job.work.store.check()
    rows, work = _opened(job)
    known = {(part.number, part.key): part for part in work.store.known()}
    with processes(workers) as started:
        traits = started.traits(work.model)
        pool = Here() if traits.takes_turns else started
        work = replace(work.told(traits), threads=pool.threads)
        shards = cut(rows, job.shard_rows, pool.workers)
        total = _worked(pool, work, shards, known, told)
    output = work.store.finish(total.parts)
    return BatchReport(
        model=job.name,
        version=work.model.version,
        engine=work.engine,
        origin=job.origin,
        output=output,
        runner="1 process" if workers == 1 else f"{workers} processes",
        rows=total.rows,
        predicted=total.predicted,
        unusable=sum(part.unusable for part in total.parts),
        parts=len(total.parts),
        reasons=dict(total.reasons.most_common(MOST_REASONS)),
        seconds=time.monotonic() - began,
    )


def _opened(job: Job) -> tuple[Iterator[Row], Work]:
    """The rows, and the work by the columns that the first of them has."""
    rows = job.table.rows
    first = next(rows, None)
    if first is None:
        raise InputError(f"{job.origin} holds no rows")
    columns = job.work.columns.of(list(first), job.origin)
    return chain([first], rows), replace(job.work, columns=columns, schema=job.table.schema)


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

    def add(self, done: Done, *, new: bool) -> None:
        """Counts a shard, whichever comes next."""
        self.parts.append(done.part)
        self.rows += done.rows
        self.predicted += done.rows * new
        self.reasons += done.reasons


def _worked(
    pool: Here | Pool, work: Work, shards: Iterable[Shard], known: dict[tuple[int, str], Part], told: Told
) -> Total:
    total = Total()

    def unknown() -> Iterator[Shard]:
        for shard in shards:
            part = known.get((shard.number, work.key(shard.rows)))
            if part is None:
                yield shard
            else:
                total.add(Done(part, len(shard.rows)), new=False)

    for done in pool.done(work, unknown()):
        total.add(done, new=True)
        told(total.rows)
    total.parts.sort()
    return total
