"""The verdict on a window of a version's requests.

verdict = watch(Watched("news", "36df30fb3710", log, window, reference), DriftRules())
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from evergreen.core.artifacts import ResolvedWindow
from evergreen.core.counted import counted, counted_are
from evergreen.core.errors import InputError
from evergreen.core.monitor import DriftRules
from evergreen.core.names import listed, nearest, quoted
from evergreen.core.protocols import RequestLog
from evergreen.core.quality import Quality
from evergreen.core.traces import INDEX
from evergreen.core.verdict import Labels, Verdict
from evergreen.core.window import parse_duration
from evergreen.monitoring.compare import Comparison, compare
from evergreen.monitoring.distributions import Distributions
from evergreen.monitoring.examples import examples_of
from evergreen.monitoring.labels import ARRIVED, KEY, Joined, join_labels
from evergreen.monitoring.quality import below_floors, quality_of
from evergreen.monitoring.reference import Reference
from evergreen.monitoring.rows import RowsOf

if TYPE_CHECKING:
    import pyarrow as pa

MOST_NAMED = 3
"""So many labels that the model does not have are told by name."""
NEW_CLASS = "where it is a new one, train with it among task.labels"


@dataclass(frozen=True)
class Watched:
    """The requests of a model's `version` in a window, of a task of this `kind` with these `labels`; `reference` is
    None where the version has none, and `lacks` says why.
    """

    model: str
    version: str
    kind: str
    labels: tuple[str, ...]
    log: RequestLog
    window: ResolvedWindow
    reference: Reference | None = None
    lacks: str = ""

    @cached_property
    def rows(self) -> RowsOf:
        """Those that the version answered; each reading begins anew."""
        return RowsOf(self.log.read(self.window), self.version)


def watch(watched: Watched, rules: DriftRules) -> Verdict:
    """What the window says: nothing, `enough` false, where there is too little or nothing to compare with.

    Raises:
        EvergreenError: the log or the reference cannot be read.
    """
    reference, refusal = _usable(watched)
    if reference is None:
        compared = compare(None, watched.rows, rules, watched.window)
        return _verdict(watched, replace(compared, notes=()), (refusal,))
    distributions = Distributions(reference)
    compared = compare(reference, distributions.counting(watched.rows), rules, watched.window)
    verdict = _verdict(watched, compared, tuple(_told(watched, reference, compared)))
    if not compared.rows:
        return verdict
    if len(watched.labels) > 1 and (label := distributions.only_class()):
        verdict = verdict.model_copy(update={"notes": (*verdict.notes, f"every answer of the window is '{label}'")})
    examples = examples_of(reference, watched.rows) if verdict.drifted else ()
    return verdict.model_copy(update={"distributions": distributions.shown(), "examples": examples})


def with_quality(verdict: Verdict, watched: Watched, labels: pa.Table, quality: Quality) -> Verdict:
    """The verdict with what its version's answers were worth, by labels that came.

    Raises:
        InputError: labels have other columns than they need, or a floor is of a metric that they do not give.
        EvergreenError: the log cannot be read.
    """
    window, reach = watched.window, parse_duration(quality.reach)
    after = timedelta(0) if ARRIVED in labels.column_names else reach
    now = datetime.now(UTC)
    until = max(window.end, min(window.end + after, now))
    read = watched.log.read(ResolvedWindow(start=window.start - reach, end=until))
    joined = join_labels(labels, read, watched.version, window, classes=watched.labels, now=now)
    came = joined.labels
    measured = quality_of(joined, watched.labels) if joined.labels.used >= quality.min_rows else {}
    notes = [*verdict.notes, *joined.notes, *_not_of_model(joined, watched.labels, is_measured=bool(measured))]
    notes += _of_counts(came, labels.column_names, quality.min_rows)
    update = {"labels": came, "quality": measured, "below": below_floors(measured, quality.floors)}
    return verdict.model_copy(update={**update, "notes": tuple(notes)})


def _not_of_model(joined: Joined, classes: Sequence[str], *, is_measured: bool) -> Iterator[str]:
    """Labels that the model does not have: misspelt ones, and those of other classes, which it cannot answer."""
    for label, count in (slips := _most_frequent(joined.misspelt)):
        yield f"{counted_are(count, 'label')} {quoted(label)}{nearest(label, classes)}, and left out: correct that"
    if more := sum(joined.misspelt.values()) - sum(count for _, count in slips):
        yield f"{counted_are(more, 'label')} misspelt in other ways, and left out (the model has {listed(classes)})"
    others = Counter(label for label in joined.truth if classes and label not in classes)
    counts = ", and counted as wrong" if is_measured else ""
    for label, count in (named := _most_frequent(others)):
        of_class = f"{counted_are(count, 'label')} {quoted(label)}{nearest(label, classes)}"
        yield f"{of_class}, a class that the model does not have{counts}; {NEW_CLASS}"
    if more := others.total() - sum(count for _, count in named):
        yield f"{counted_are(more, 'label')} of more classes that it does not have (it has {listed(classes)})"


def _most_frequent(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:MOST_NAMED]


def _of_counts(came: Labels, columns: Sequence[str], least: int) -> Iterator[str]:
    if came.contradicting and not {INDEX, KEY} & set(columns):
        yield (
            f"{counted_are(came.contradicting, 'label')} left out, which contradict each other: where a request had "
            f"several instances, name labels.columns.{INDEX}, or a {KEY}"
        )
    if came.future:
        yield (
            f"{counted_are(came.future, 'label')} of a time to come, and counted in no window before it: correct "
            "labels.columns.arrived, or the clock or time zone that wrote it"
        )
    if came.used < least:
        yield (
            f"{counted_are(came.used, 'label')} too few to measure anything: at least {least:,} do; wait for more, "
            "look at a longer window, or lower quality.min_rows"
        )


def _usable(watched: Watched) -> tuple[Reference | None, str]:
    """The reference, or why it cannot be compared with."""
    if watched.reference is None:
        return None, watched.lacks
    try:
        watched.reference.check(watched.kind, watched.labels)
    except InputError as error:
        return None, str(error)
    return watched.reference, ""


def _verdict(watched: Watched, compared: Comparison, notes: tuple[str, ...]) -> Verdict:
    return Verdict(
        model=watched.model,
        version=watched.version,
        window=watched.window,
        rows=compared.rows,
        requests=compared.requests,
        enough=compared.enough,
        drifted=compared.drifted,
        moved=compared.moved,
        class_shares=compared.class_shares,
        notes=(*notes, *compared.notes, *_of_log(watched.rows)),
        created=datetime.now(UTC),
    )


def _told(watched: Watched, reference: Reference, compared: Comparison) -> Iterator[str]:
    if not compared.rows:
        yield f"version {watched.version} answered no request in the window: `status` says whether it has traffic"
    engine = reference.manifest.engine
    if other := {name: rows for name, rows in watched.rows.engines.items() if name != engine}:
        named = ", ".join(f"{rows:,} by {name}" for name, rows in sorted(other.items()))
        yield f"the reference was computed by {engine}; of the window's rows {named}, whose answers may differ a little"


def _of_log(rows: RowsOf) -> Iterator[str]:
    """What the log holds beside the rows that were compared."""
    if rows.refused:
        yield f"{counted(rows.refused, 'request')} had no answer: refused, or failed"
    if others := {version: count for version, count in rows.others.items() if version}:
        named = ", ".join(f"{count:,} of version {version}" for version, count in sorted(others.items()))
        yield f"rows of other versions are left out: {named}"
    if rows.skipped:
        yield f"{counted_are(rows.skipped, 'line or file', 'lines or files')} damaged in the log, and left out"
