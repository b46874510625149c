"""What came of a part, and of all parts together: small enough to travel, whatever the rows were."""

from __future__ import annotations

from collections.abc import Iterable

from evergreen.core.base import Frozen

EXAMPLES = 10


class Shard(Frozen):
    """A Parquet file below the staging folder."""

    name: str
    rows: int
    sha256: str


class Failure(Frozen):
    """What ended the work on a part: `exit_code` is that of the error."""

    message: str
    exit_code: int


class Summary(Frozen):
    """`bad` counts unusable rows, of which `examples` tells some by id; `duplicates` counts rows that were dropped."""

    shards: tuple[Shard, ...] = ()
    rows: int = 0
    bad: int = 0
    duplicates: int = 0
    examples: dict[str, str] = {}
    counts: dict[str, dict[str, int]] = {}
    failures: tuple[Failure, ...] = ()


def merged(summaries: Iterable[Summary]) -> Summary:
    """All of them as one; the order in which they come does not matter."""
    ones = list(summaries)
    examples = sorted(item for one in ones for item in one.examples.items())
    return Summary(
        shards=tuple(sorted((shard for one in ones for shard in one.shards), key=lambda shard: shard.name)),
        rows=sum(one.rows for one in ones),
        bad=sum(one.bad for one in ones),
        duplicates=sum(one.duplicates for one in ones),
        examples=dict(examples[:EXAMPLES]),
        counts=added(one.counts for one in ones),
        failures=tuple(sorted((one for each in ones for one in each.failures), key=lambda one: one.message))[:EXAMPLES],
    )


def added(counts: Iterable[dict[str, dict[str, int]]]) -> dict[str, dict[str, int]]:
    """The sums, names in order."""
    total: dict[str, dict[str, int]] = {}
    for one in counts:
        for what, numbers in one.items():
            of = total.setdefault(what, {})
            for name, number in numbers.items():
                of[name] = of.get(name, 0) + number
    return {what: dict(sorted(numbers.items())) for what, numbers in sorted(total.items())}
