"""What a run reads: all, a window, or what the champion was not trained on; and what it does if that is too little."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from zenml.client import Client
from zenml.logger import get_logger

from evergreen.core.artifacts import SourceIdentity
from evergreen.core.base import Frozen
from evergreen.core.coverage import Coverage
from evergreen.core.errors import EvergreenError
from evergreen.core.members import SourceSettings, source_of
from evergreen.core.part import NewRows, Part
from evergreen.core.refresh import Backfill, Refresh
from evergreen.core.versions import ModelVersion
from evergreen.core.window import Window
from orchestration.artifacts import load_artifact

logger = get_logger(__name__)


class RowsToRead(Frozen):
    """What a run reads; `words` says it of incremental runs, `quiet` that it is too little to train on."""

    identity: SourceIdentity
    part: Part
    words: str | None = None
    quiet: bool = False


def rows_to_read(
    source: SourceSettings,
    champion: ModelVersion | None,
    refresh: Refresh,
    window: Window | None,
    backfill: Backfill | None,
) -> RowsToRead:
    """The rows of a run that begins now, counted where they are what the champion's coverage lacks.

    Raises:
        InputError: the source cannot be found, or does not tell which rows are new.
        EvergreenError: the champion's coverage is lost.
    """
    if backfill is not None:
        part = Part(since=coverage_of(champion), adds=False)
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
    )
    found = source_of(source).find_new(part)
    quiet = champion is not None and found.new < refresh.min_new_rows
    return RowsToRead(
        identity=found.identity,
        part=found.part,
        words=_words(found, champion)
        + (f"; nothing is trained on fewer than {refresh.min_new_rows:,}" if quiet else ""),
        quiet=quiet,
    )


def _words(found: NewRows, champion: ModelVersion | None) -> str:
    again = f", {found.replayed:,} read once more" if found.replayed else ""
    return f"{found.new:,} new to {f'champion {champion.version}' if champion else 'a first model'}{again}"


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


def recorded_outputs(champion: ModelVersion) -> tuple[Any, ...]:
    """What the champion's own run identified, word for word: all steps behind are then answered from cache.

    Raises:
        EvergreenError: the run, or an output of it, is gone.
    """
    try:
        found = Client().get_pipeline_run(champion.run).steps["identify"]
        return tuple(found.outputs[name][0].load() for name in found.config.outputs)
    except (KeyError, IndexError) as error:
        raise EvergreenError(
            f"there is too little to train on, and run {champion.run} of champion {champion.version}, which would be "
            f"repeated, is gone ({error}); the endpoint stays as it is; run again when there are more rows"
        ) from error
