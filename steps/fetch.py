"""Rows of the source as Parquet shards."""

from __future__ import annotations

from typing import Annotated

from zenml import step

from evergreen.adapters import AnySource
from evergreen.core.artifacts import Dataset, SourceIdentity
from evergreen.core.errors import EvergreenError
from orchestration.scratch import scratch_directory


@step
def fetch(source: AnySource, identity: SourceIdentity) -> Annotated[Dataset, "dataset"]:
    """The dataset that the identity promised.

    Raises:
        EvergreenError: the rows changed between identification and reading.
    """
    dataset = source.read(identity.window, scratch_directory("dataset"))
    if dataset.manifest.source.fingerprint != identity.fingerprint:
        raise EvergreenError(f"{identity.description} changed while it was read; run again")
    return dataset
