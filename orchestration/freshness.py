"""What a run reads: all, a window, or what the champion was not trained on."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from zenml.logger import get_logger

from evergreen.core.artifacts import SourceIdentity
from evergreen.core.base import Frozen
from evergreen.core.coverage import Coverage
from evergreen.core.errors import EvergreenError
from evergreen.core.members import SourceSettings, TaskSettings, source_of
from evergreen.core.part import NewRows, Part
from evergreen.core.refresh import Backfill, Refresh
from evergreen.core.versions import ModelVersion
from evergreen.core.window import Window
from evergreen.data.freshness import check_read_as_before, check_shaped_as_before
from evergreen.data.stretch import read_stretch
from orchestration.artifacts import load_of_champion, missing_of_champion

logger = get_logger(__name__)


class RowsToRead(Frozen):
    """What a run reads; `words` says it of incremental runs, `too_few` why it is too little to train on, if it is.

    `new` is how many of an incremental run's the champion was not trained on, `least` what the task needs of rows,
    where the run may do without training on these. `goes_on` tells whether the model goes on from the champion; None:
    as its task says.
    """

    identity: SourceIdentity
    part: Part
    goes_on: bool | None = None
    words: str | None = None
    too_few: str | None = None
    new: int | None = None
    least: int = 1

    @property
    def incremental(self) -> bool:
        """Whether it is what the champion was not trained on."""
        return self.part.until is not None

    @property
    def lack(self) -> str | None:
        """Of what there is too little for any training; None: there is enough."""
        rows = self.identity.rows
        if not rows:
            return "no rows"
        return f"fewer than {self.least:,} rows" if rows < self.least else None

    def for_task(self, task: TaskSettings) -> RowsToRead:
        """The same, where a run beside a champion trains on no fewer rows than the task needs, new and replayed."""
        if not (self.incremental and self.goes_on):
            return self
        needed = self.model_copy(update={"least": task.least_rows})
        few = f"the task needs at least {task.least_rows:,} rows, new and read once more (its rules.min_rows)"
        return needed.model_copy(update={"too_few": self.too_few or few}) if needed.lack else needed


def rows_to_read(
    source: SourceSettings,
    champion: ModelVersion | None,
    refresh: Refresh,
    window: Window | None,
    backfill: Backfill | None,
) -> RowsToRead:
    """The rows of a run that begins now, counted where they are what the champion's coverage lacks, and read where
    they are those of a backfill.

    Raises:
        InputError: the source cannot be found, does not tell which rows are new, or is not read as the champion's was.
        EvergreenError: the champion's coverage or held-out rows are lost, or in another stack's artifact store.
    """
    if backfill is None and refresh.policy(window) != "incremental":
        identity = source_of(source).identity(window.resolve() if window else None)
        return RowsToRead(identity=identity, part=Part(lag=refresh.lag))
    base = _base(champion)
    covered, held_out = (base.coverage, base.held_out) if base else (None, None)
    if missing := missing_of_champion({"Coverage": covered, "HeldOut": held_out}):
        raise EvergreenError(missing)
    since = load_coverage(covered)
    if backfill is not None:
        check_shaped_as_before(since, source)
        with TemporaryDirectory(prefix="evergreen-backfill-") as folder:
            identity = read_stretch(source, backfill.window, Path(folder)).manifest.source
        part = Part(adds=False, covered=covered, held_out=held_out)
        return RowsToRead(identity=identity, part=part, goes_on=base is not None)
    check_read_as_before(since, source)
    part = Part(
        until=datetime.now(UTC),
        replay_share=refresh.replay_share,
        null_times=refresh.null_times,
        lag=refresh.lag,
        covered=covered,
        held_out=held_out,
    )
    found = source_of(source).find_new(part.beside(since))
    few = base is not None and found.new < refresh.min_new_rows
    return RowsToRead(
        identity=found.identity,
        part=found.part.without_coverage,
        goes_on=base is not None,
        words=_words(found, champion),
        too_few=f"nothing is trained on fewer than {refresh.min_new_rows:,}" if few else None,
        new=found.new,
    )


def _words(found: NewRows, champion: ModelVersion | None) -> str:
    again = f", {found.replayed:,} read once more" if found.replayed else ""
    return f"{found.new:,} new to {f'champion {champion.version}' if champion else 'a first model'}{again}"


def _base(champion: ModelVersion | None) -> ModelVersion | None:
    """The champion, where a model may go on from it: where it tells which rows it was trained on and which tested on.

    Else its weights may know what is tested on now, and a model that went on from them could not tell, either.
    """
    if champion is None or (champion.coverage and champion.held_out):
        return champion
    logger.warning(
        "champion %s does not tell which rows it was %s on: all count as new, and no model goes on from it",
        champion.version,
        "tested" if champion.coverage else "trained",
    )
    return None


def load_coverage(artifact: str | None) -> Coverage:
    """What a champion covers, by the artifact that it is kept in; nothing where none is: it was trained before that was
    recorded, or without times of arrival.

    Raises:
        EvergreenError: it is recorded, and lost.
    """
    return load_of_champion(artifact, Coverage) if artifact else Coverage()
