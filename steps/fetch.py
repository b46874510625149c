"""Rows of the source as Parquet shards."""

from __future__ import annotations

from typing import Annotated

from zenml import step
from zenml.logger import get_logger

from evergreen.adapters.kinds import AnySource
from evergreen.core.artifacts import Dataset, SourceIdentity
from evergreen.core.errors import EvergreenError
from evergreen.core.members import source_of
from orchestration.scratch import scratch_directory

logger = get_logger(__name__)


@step
def fetch(
    source: AnySource,
    identity: SourceIdentity,
    code: str,  # noqa: ARG001 - of the cache key
) -> Annotated[Dataset, "dataset"]:
    """The dataset that the identity promised; of a source that is read atomically, the rows that it holds by now.

    Raises:
        EvergreenError: the rows changed between identification and reading, which may have given some of both.
    """
    dataset = source_of(source).read(identity.window, scratch_directory("dataset"))
    if dataset.manifest.source.fingerprint == identity.fingerprint:
        return dataset
    if not identity.atomic:
        raise EvergreenError(f"{identity.description} changed while it was read; run again")
    logger.warning("%s has changed since; read as it is now", identity.description)
    return dataset
