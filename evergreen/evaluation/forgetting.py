"""New test rows and those that the champion knows, measured apart: what a version learnt, and what it forgot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from evergreen.core.artifacts import REPLAYED, SplitName, SplitsManifest
from evergreen.core.sections import Forgetting, PartScores
from evergreen.evaluation.measure import Counts, Measure
from evergreen.evaluation.resampling import intervals
from evergreen.evaluation.slices import Slice

PARTS = {str(False): "new", str(True): "replayed"}
"""What rows with each value of the column `replayed` are called."""


def parted_by(manifest: SplitsManifest) -> tuple[str, ...]:
    """The column that tells the parts of the test rows; none where the champion knows none of these."""
    return (REPLAYED,) if manifest.replayed.get(SplitName.TEST) else ()


def forgetting(
    slices: Iterable[Slice], ours: Counts, champion: Counts | None, measure: Measure, min_rows: int
) -> Iterator[Forgetting]:
    """One section, of the slices by `replayed`, of which those of fewer than `min_rows` are not measured; or none."""
    parts = []
    for _, value, rows in slices:
        scores = PartScores(part=PARTS[value], rows=len(rows))
        if len(rows) >= min_rows:
            scored = measure.score(ours[rows], (), None if champion is None else champion[rows])
            theirs = scored.champion
            scores = PartScores(
                part=scores.part,
                rows=scores.rows,
                metrics=intervals(scored.overall),
                champion=intervals(theirs.scores) if theirs else {},
                differences=intervals(theirs.differences) if theirs else {},
            )
        parts.append(scores)
    if parts:
        yield Forgetting(metric=measure.metrics[0].name, parts=tuple(parts))
