"""What a run reads: all, a window, or what the champion was not trained on."""

from __future__ import annotations

from datetime import UTC, datetime

from zenml.logger import get_logger

from evergreen.core.artifacts import SourceIdentity
from evergreen.core.base import Frozen
from evergreen.core.coverage import Coverage
from evergreen.core.members import SourceSettings, source_of
from evergreen.core.part import NewRows, Part
from evergreen.core.refresh import Backfill, Refresh
from evergreen.core.versions import ModelVersion
from evergreen.core.window import Window
from evergreen.data.freshness import check_known_by
from orchestration.artifacts import load_artifact

logger = get_logger(__name__)


class RowsToRead(Frozen):
    """What a run reads; `words` says it of incremental runs, `too_few` why it is too little to train on, if it is."""

    identity: SourceIdentity
    part: Part
    words: str | None = None
    too_few: str | None = None

    @property
    def incremental(self) -> bool:
        """Whether it is what the champion was not trained on."""
        return self.part.until is not None


def rows_to_read(
    source: SourceSettings,
    champion: ModelVersion | None,
    refresh: Refresh,
    window: Window | None,
    backfill: Backfill | None,
) -> RowsToRead:
    """The rows of a run that begins now, counted where they are what the champion's coverage lacks.

    Raises:
        InputError: the source cannot be found, does not tell which rows are new, or tells it by other columns by now.
        EvergreenError: the champion's coverage is lost.
    """
    if backfill is not None:
        part = Part(since=coverage_of(champion), adds=False, held_out=held_out_of(champion))
        return RowsToRead(identity=source_of(source).identity(backfill.window), part=part)
    if refresh.policy(window) != "incremental":
        identity = source_of(source).identity(window.resolve() if window else None)
        return RowsToRead(identity=identity, part=Part(lag=refresh.lag))
    part = Part(
        since=coverage_of(champion),
        until=datetime.now(UTC),
        replay_share=refresh.replay_share,
        null_times=refresh.null_times,
        lag=refresh.lag,
        held_out=held_out_of(champion),
    )
    check_known_by(part.since, source.known_by)
    found = source_of(source).find_new(part)
    few = champion is not None and found.new < refresh.min_new_rows
    return RowsToRead(
        identity=found.identity,
        part=found.part,
        words=_words(found, champion),
        too_few=f"nothing is trained on fewer than {refresh.min_new_rows:,}" if few else None,
    )


def _words(found: NewRows, champion: ModelVersion | None) -> str:
    again = f", {found.replayed:,} read once more" if found.replayed else ""
    return f"{found.new:,} new to {f'champion {champion.version}' if champion else 'a first model'}{again}"


def held_out_of(champion: ModelVersion | None) -> str | None:
    """Where the rows are that it and those before it were tested on or selected by; None where that is not known."""
    if champion is None or champion.coverage is None:  # which `coverage_of` tells
        return None
    if champion.held_out is None:
        logger.warning(
            "champion %s does not tell which rows it was tested on: new rows like them are not set aside",
            champion.version,
        )
    return champion.held_out


def coverage_of(champion: ModelVersion | None) -> Coverage:
    """What the champion covers; nothing where there is none, or where it was trained before that was recorded.

    Raises:
        EvergreenError: it is recorded, and lost.
    """
    if champion is None:
        return Coverage()
    if champion.coverage is None:
        logger.warning("champion %s does not tell which rows it was trained on: all count as new", champion.version)
        return Coverage()
    return load_artifact(champion.coverage, Coverage)
