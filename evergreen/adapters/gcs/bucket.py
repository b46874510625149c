"""The file system of a bucket, as all that reads or writes `gs://…` opens it.

    with bucket_files("gs://news/csv", "set source.path") as files:
        files.find("news/csv")

Credentials are found as Google's clients find them; STORAGE_EMULATOR_HOST is honoured. gcsfs repeats transient errors.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evergreen.adapters.gcs.failures import StorageError, translated
from evergreen.core.errors import InputError

SCHEME = "gs://"


@contextmanager
def bucket_files(address: str, to_correct: str) -> Iterator[Any]:
    """The file system, its errors translated; `to_correct` is what to do where nothing is at the address.

    Raises:
        InputError: the address is none, nothing is there, or it may not be used.
        EvergreenError: Cloud Storage does not answer, or a file of this machine cannot be read or written.
    """
    import gcsfs

    if not address.startswith(SCHEME) or not _bucket(address):
        raise InputError(f"{address!r} is no Cloud Storage address; write gs://bucket/folder")
    with translated(address, to_correct):
        yield gcsfs.GCSFileSystem(token="google_default", skip_instance_cache=True, use_listings_cache=False)  # noqa: S106 - names a way to find credentials


def check_bucket(uri: str) -> None:
    """Returns when the bucket of `uri` can be listed.

    Raises:
        StorageError: it cannot.
        InputError: `uri` is no address.
    """
    with bucket_files(uri, "create the bucket") as files:
        if not files.exists(_bucket(uri)):
            raise StorageError(f"bucket gs://{_bucket(uri)} does not exist, or is not shown to these credentials")


def md5_of(local: Path) -> str:
    """The MD5 of a file in the form of a bucket's metadata: `XrY7u+Ae7tCTyyK7j1rNww==`."""
    with local.open("rb") as content:
        digest = hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).digest()
    return base64.b64encode(digest).decode()


def _bucket(address: str) -> str:
    return address.removeprefix(SCHEME).partition("/")[0]
