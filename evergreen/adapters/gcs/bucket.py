"""The file system of a bucket, as all that reads or writes `gs://…` opens it.

    with bucket_files("gs://news/csv", "set source.path") as files:
        files.find("news/csv")

Credentials are found as Google's clients find them; STORAGE_EMULATOR_HOST is honoured. gcsfs repeats transient errors.
It lists and reads; whole files are copied by `transfers`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from evergreen.adapters.gcs.failures import StorageError, translated
from evergreen.core.errors import InputError

SCHEME = "gs://"
CONNECT_TIMEOUT_S = 30.0
READ_TIMEOUT_S = 60.0
"""How long a connection may stay silent; without it, gcsfs waits for ever."""


@contextmanager
def bucket_files(address: str, to_correct: str) -> Iterator[Any]:
    """The file system, its errors translated; `to_correct` is what to do where nothing is at the address.

    Raises:
        InputError: the address is none, nothing is there, or it may not be used.
        EvergreenError: Cloud Storage does not answer, or a file of this machine cannot be read or written.
    """
    import gcsfs
    from aiohttp import ClientTimeout

    check_address(address)
    with translated(address, to_correct):
        yield gcsfs.GCSFileSystem(
            token="google_default",  # noqa: S106 - names a way to find credentials
            requests_timeout=ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=READ_TIMEOUT_S),
            skip_instance_cache=True,
            use_listings_cache=False,
        )


def check_address(address: str) -> None:
    """Returns when it is `gs://bucket…`. Raises InputError otherwise."""
    if not address.startswith(SCHEME) or not _bucket(address):
        raise InputError(f"{address!r} is no Cloud Storage address; write gs://bucket/folder")


def check_bucket(uri: str) -> None:
    """Returns when the bucket of `uri` can be listed.

    Raises:
        StorageError: it cannot.
        InputError: `uri` is no address.
    """
    with bucket_files(uri, "create the bucket") as files:
        if not files.exists(_bucket(uri)):
            raise StorageError(f"bucket gs://{_bucket(uri)} does not exist, or is not shown to these credentials")


def _bucket(address: str) -> str:
    return address.removeprefix(SCHEME).partition("/")[0]
