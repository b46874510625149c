"""Rows of the source as Parquet shards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from zenml import step
from zenml.config import CachePolicy
from zenml.logger import get_logger

from evergreen.adapters.kinds import AnySource
from evergreen.core.artifacts import Dataset, ResolvedWindow, SourceIdentity
from evergreen.core.coverage import Coverage
from evergreen.core.errors import EvergreenError
from evergreen.core.members import source_of
from evergreen.core.part import Part, PartOfSource
from evergreen.data.freshness import coverage_after
from evergreen.data.latest import latest_rows
from evergreen.data.stretch import read_stretch
from orchestration.freshness import load_coverage
from orchestration.scratch import scratch_directory

logger = get_logger(__name__)


# the identity tells which rows they are, whatever of the source's settings only says how they are fetched
@step(cache_policy=CachePolicy(include_step_code=False, include_step_parameters=False))
def fetch(
    source: AnySource,
    identity: SourceIdentity,
    part: Part,
    code: str,  # noqa: ARG001 - of the cache key
) -> tuple[Annotated[Dataset, "dataset"], Annotated[Coverage, "coverage"]]:
    """The dataset that the identity promised, and what a version covers that is trained on it.

    Of a source that is read atomically, the rows are those that it holds by now. Of rows with one id, where they tell
    when they arrived, the last to arrive is in the dataset; all of them are covered.

    Raises:
        EvergreenError: the rows changed between identification and reading, which may have given some of both; or the
            champion's coverage is lost.
    """
    known = part.beside(load_coverage(part.covered))
    dataset = _read(source, identity.window, known, scratch_directory("dataset"))
    if dataset.manifest.source.fingerprint != identity.fingerprint:
        if not identity.atomic:
            raise EvergreenError(
                f"{identity.description} changed while it was read; run again, with refresh.on_lost: train where lost "
                "results of an earlier run were to be made again"
            )
        logger.warning("%s has changed since; read as it is now", identity.description)
    coverage = coverage_after(dataset, known, identity.window, source)
    return latest_rows(dataset, scratch_directory("latest")), coverage


def _read(source: AnySource, window: ResolvedWindow | None, part: PartOfSource, directory: Path) -> Dataset:
    if part.until is not None:
        return source_of(source).read_new(part, directory)
    return source_of(source).read(window, directory) if part.adds else read_stretch(source, window, directory)
