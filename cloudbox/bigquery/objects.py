"""Objects in gs://, fetched from the box's own storage for a load."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Sequence
from pathlib import Path

from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from cloudbox.bigquery.failures import BigQueryError, not_found


def fetch(uris: Sequence[str], folder: Path) -> list[Path]:
    """The objects as files below `folder`; one `*` in a name stands for anything.

    Raises:
        BigQueryError: no such object, or no storage in the box.
    """
    if not os.environ.get("STORAGE_EMULATOR_HOST"):
        raise BigQueryError("backendError", "STORAGE_EMULATOR_HOST is not set: the box has no storage to load from")
    client = storage.Client(project="box", credentials=AnonymousCredentials())  # type: ignore[no-untyped-call]
    files: list[Path] = []
    for uri in uris:
        bucket, _, pattern = uri.removeprefix("gs://").partition("/")
        names = [blob.name for blob in client.list_blobs(bucket, prefix=pattern.partition("*")[0])]
        matching = [name for name in names if fnmatch.fnmatchcase(name, pattern)]
        if not matching:
            raise not_found("URI", uri)
        for name in matching:
            files.append(folder / f"{len(files):05d}{Path(name).suffix}")
            client.bucket(bucket).blob(name).download_to_filename(str(files[-1]))
    return files
