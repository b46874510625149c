"""One preparation, from the raw data as they are now to the set that the source reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec

from evergreen.adapters.files.destination import listed_set, opened_files, prepared_set
from evergreen.adapters.files.prepared import PreparedSet
from evergreen.core.errors import InputError
from evergreen.core.preparation import PreparationReport, Raw
from evergreen.preparation.plan import Part, Plan, parts_of
from evergreen.preparation.store import check, known_parts, read_results, store, write_statistics
from evergreen.preparation.summary import Summary, merged


@dataclass(frozen=True)
class Work:
    """The parts of the raw data; those of them that are `new`, and what came of the others by the names of their
    shards. Where rows are compared, a single new part may change any other: all are looked at then.
    """

    raw: Raw
    parts: tuple[Part, ...]
    new: tuple[Part, ...]
    known: Mapping[str, Summary]
    before: PreparedSet

    @property
    def words(self) -> str:
        """`2 of 8 parts to be prepared`."""
        count = f"{len(self.new):,}" if self.new else "none"
        return f"{count} of {len(self.parts):,} parts to be prepared"


def work_of(plan: Plan) -> Work:
    """What the plan would do now; nothing is written.

    Raises:
        InputError: there are no raw data, or the folder holds what nobody prepared.
    """
    with plan.reading():
        raw = plan.raw()
        parts = tuple(parts_of(raw))
    with opened_files(plan.folder) as files:
        before = prepared_set(files, plan.folder)
        known = known_parts(files, plan, before)
    if plan.compares:
        is_same = before.whole == plan.whole(parts) and known.keys() == before.parts.keys()
        new = () if is_same else parts
    else:
        new = tuple(part for part in parts if plan.shards_of(part) not in known)
    return Work(raw, parts, new, known, before)


def check_beam(work: Work) -> None:
    """Raises InputError where Apache Beam, which the work needs, is not installed."""
    if find_spec("apache_beam") is None:
        raise InputError(
            f"{work.words}, which needs Apache Beam; it is in the pipeline's image, and here comes with the packages "
            "for development: make install-dev"
        )


def prepare(plan: Plan) -> tuple[PreparationReport, Summary]:
    """Prepares what is new of the rows, and makes all of them the set that the source reads, at once.

    Where nothing is new, nothing is written.

    Raises:
        InputError: there is nothing to prepare, rows cannot be used, or the folder holds what nobody prepared.
        EvergreenError: the runner failed, or raw data or prepared ones were changed by somebody else meanwhile.
    """
    work = work_of(plan)
    results: dict[str, Summary | None] = {}
    try:
        if work.new:
            results = _worked_on(plan, work)
        parts = _parts(plan, work, results)
        summary = merged([*parts.values(), Summary(left_out=work.raw.left_out)])
        check(summary, plan.preparation.max_bad_share)
        now = PreparedSet(
            files=tuple(shard.name for shard in summary.shards),
            whole=plan.whole(work.parts),
            parts={name: part.model_dump(mode="json", exclude_defaults=True) for name, part in sorted(parts.items())},
        )
        with opened_files(plan.folder) as files:
            store(files, plan, work.before, now)
            write_statistics(files, plan, parts, summary)
    finally:
        _clean(plan)
    report = PreparationReport(
        origin=work.raw.description,
        folder=plan.folder,
        runner=plan.preparation.runner.kind,
        parts=len(work.parts),
        written=sum(result is not None for result in results.values()),
        shards=len(summary.shards),
        intake=summary.intake(),
        counts=summary.counts,
    )
    return report, summary


def _worked_on(plan: Plan, work: Work) -> dict[str, Summary | None]:
    check_beam(work)
    from evergreen.preparation.runners import run

    with opened_files(plan.folder) as files:
        listed_set(files, plan.folder)
    _clean(plan)
    run(plan, list(work.new), work.known)
    with opened_files(plan.folder) as files:
        return read_results(files, plan)


def _parts(plan: Plan, work: Work, results: Mapping[str, Summary | None]) -> dict[str, Summary]:
    """What came of each part, now or before."""
    compared = sorted(results) or sorted(work.known)
    names = compared if plan.compares else [plan.shards_of(part) for part in work.parts]
    return {name: results.get(name) or work.known[name] for name in names}


def _clean(plan: Plan) -> None:
    """Removes what this very preparation left unfinished."""
    with opened_files(plan.folder) as files:
        if files.exists(plan.staging):
            files.rm(plan.staging, recursive=True)
