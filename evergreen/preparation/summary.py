"""What came of a part, and of all parts together: small enough to travel, whatever the rows were."""

from __future__ import annotations

from collections.abc import Iterable

from evergreen.core.base import Frozen
from evergreen.core.errors import EvergreenError
from evergreen.core.intake import MOST_EXAMPLES, NOTHING, Intake, LeftOut, LeftOutReason

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
    """What came of `seen` rows: `bad` counts unusable rows, of which `examples` tells some by id; `duplicates` counts
    rows that were dropped; `left_out` is what was never among them, such as what lies beside the files that are read.
    """

    shards: tuple[Shard, ...] = ()
    seen: int = 0
    rows: int = 0
    bad: int = 0
    duplicates: int = 0
    examples: dict[str, str] = {}
    counts: dict[str, dict[str, int]] = {}
    failures: tuple[Failure, ...] = ()
    left_out: LeftOut = NOTHING

    def intake(self) -> Intake:
        """What was read of what was seen. Raises EvergreenError where rows were lost on the way."""
        rows = {LeftOutReason.UNUSABLE_ROW: self.bad, LeftOutReason.REPEATED_ROW: self.duplicates}
        examples = {LeftOutReason.UNUSABLE_ROW: tuple(self.examples)[:MOST_EXAMPLES]} if self.examples else {}
        of_rows = LeftOut(counts={reason: count for reason, count in rows.items() if count}, examples=examples)
        left_out = self.left_out + of_rows
        seen = self.seen + self.left_out.total
        try:
            return Intake(seen=seen, read=self.rows, left_out=left_out.counts, examples=left_out.examples)
        except ValueError as error:
            raise EvergreenError(f"rows were lost: {seen:,} seen, {self.rows:,} written") from error


def merged(summaries: Iterable[Summary]) -> Summary:
    """All of them as one; the order in which they come does not matter."""
    collected = list(summaries)
    examples = sorted(item for summary in collected for item in summary.examples.items())
    return Summary(
        shards=tuple(
            sorted((shard for summary in collected for shard in summary.shards), key=lambda shard: shard.name)
        ),
        seen=sum(summary.seen for summary in collected),
        rows=sum(summary.rows for summary in collected),
        bad=sum(summary.bad for summary in collected),
        duplicates=sum(summary.duplicates for summary in collected),
        examples=dict(examples[:EXAMPLES]),
        counts=added(summary.counts for summary in collected),
        left_out=sum((summary.left_out for summary in collected), NOTHING),
        failures=tuple(
            sorted(
                (failure for summary in collected for failure in summary.failures), key=lambda failure: failure.message
            )
        )[:EXAMPLES],
    )


def added(counts: Iterable[dict[str, dict[str, int]]]) -> dict[str, dict[str, int]]:
    """The sums, names in order."""
    total: dict[str, dict[str, int]] = {}
    for part in counts:
        for what, numbers in part.items():
            of = total.setdefault(what, {})
            for name, number in numbers.items():
                of[name] = of.get(name, 0) + number
    return {what: dict(sorted(numbers.items())) for what, numbers in sorted(total.items())}
