"""Single objects of a bucket, whole and in memory."""

from __future__ import annotations

from evergreen.adapters.gcs.bucket import bucket_files
from evergreen.core.errors import InputError


def read_bytes(address: str, max_bytes: int) -> bytes:
    """The content of `gs://bucket/file`.

    Raises:
        InputError: the address is none, nothing is there, it may not be read, or is larger than `max_bytes`.
        StorageError: Cloud Storage does not answer.
    """
    with bucket_files(address, "name an object that is there") as files:
        size = int(files.info(address)["size"])
        if size > max_bytes:
            raise InputError(f"{address} has {size:,} bytes, at most {max_bytes:,} are read; make it smaller")
        content: bytes = files.cat_file(address, end=max_bytes)
    return content
