"""Rows of a stretch of time, identified by what they say: rows of other times are nothing to them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from evergreen.core.artifacts import Dataset, ResolvedWindow
from evergreen.core.members import SourceSettings, source_of
from evergreen.data.rows_digest import RowsDigest
from evergreen.data.shards import iter_batches


def read_stretch(source: SourceSettings, window: ResolvedWindow | None, out_dir: Path) -> Dataset:
    """The rows of the window as the source reads them, with an identity that equal rows have whatever else is there.

    Ids count where a column tells them: others are made of where a row was found. Raises as the source's `read` does.
    """
    dataset = source_of(source).read(window, out_dir)
    columns = [name for name in dataset.manifest.columns if name != "id" or "id" in source.mapping]
    digest = RowsDigest()
    for batch in iter_batches(dataset.shards, columns):
        digest.add(batch)
    fingerprint = hashlib.sha256(digest.fingerprint.encode()).hexdigest()
    identity = dataset.manifest.source.model_copy(update={"fingerprint": fingerprint, "rows": dataset.manifest.rows})
    return Dataset.write(out_dir, dataset.manifest.model_copy(update={"source": identity}))
