"""Whole files to a bucket and back by Google's own client, each in bounded time and held against the bucket's checksum.

    with transfers("gs://news/models/3fa41c02be17", "create the bucket") as bucket:
        bucket.put(Path("model/task.json"), "gs://news/models/3fa41c02be17/task.json")

A chunk that failed is sent again, a download that broke off goes on where it stopped. gcsfs, which lists buckets, does
neither: docs/decisions/0013-two-clients-for-a-bucket.md.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evergreen.adapters.gcs.bucket import CONNECT_TIMEOUT_S, READ_TIMEOUT_S, SCHEME, check_address
from evergreen.adapters.gcs.clients import limits, storage_client
from evergreen.adapters.gcs.failures import translated
from evergreen.adapters.google.calls import Kind, passing_over

REPEAT_FOR_S = 600.0
"""How long a chunk, or a download, is tried again."""
CHUNK_BYTES = 16 * 1024 * 1024
"""What is sent at once of a file that is larger; a multiple of 256 KiB, as Cloud Storage asks."""
CHECKSUM = "crc32c"
_READ_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Transfers:
    """Copies of whole files; `client` is Google's."""

    client: Any

    def put(self, local: Path, address: str) -> None:
        """Uploads the file; the object appears whole or not at all."""
        blob = self._blob(address, chunk_size=CHUNK_BYTES)
        blob.upload_from_filename(
            str(local), content_type="application/octet-stream", checksum=CHECKSUM, **self._limits()
        )

    def get(self, address: str, local: Path, generation: str | None = None) -> None:
        """Downloads the object, as it was in that generation; a file of half of it does not appear."""
        blob = self._blob(address, generation=generation)
        part = local.with_name(f".{local.name}.part")
        try:
            blob.download_to_filename(str(part), checksum=CHECKSUM, **self._limits())
            part.replace(local)
        finally:
            part.unlink(missing_ok=True)

    def holds(self, address: str, local: Path) -> bool:
        """Whether the object has the file's size and MD5; of one without an MD5 (composed of parts) nobody knows."""
        blob = self._blob(address)
        with passing_over(Kind.MISSING):
            blob.reload(**self._limits())
            return bool(blob.size == local.stat().st_size and blob.md5_hash == md5_of(local))
        return False

    def _blob(self, address: str, **options: object) -> Any:
        name, _, key = address.removeprefix(SCHEME).partition("/")
        return self.client.bucket(name).blob(key, **options)

    def _limits(self) -> dict[str, Any]:
        return limits((CONNECT_TIMEOUT_S, READ_TIMEOUT_S), REPEAT_FOR_S)


@contextmanager
def transfers(address: str, to_correct: str) -> Iterator[Transfers]:
    """Copies to and from the bucket of `address`, failures translated; `to_correct` is what to do where nothing is.

    Raises:
        InputError: the address is none, nothing is there, or it may not be used.
        EvergreenError: Cloud Storage does not answer, or a file of this machine cannot be read or written.
    """
    check_address(address)
    with translated(address, to_correct), storage_client(project=None) as client:
        yield Transfers(client)


def md5_of(local: Path) -> str:
    """The MD5 of a file in the form of a bucket's metadata: `XrY7u+Ae7tCTyyK7j1rNww==`."""
    with local.open("rb") as content:
        digest = hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).digest()
    return base64.b64encode(digest).decode()


def crc32c_of(local: Path) -> str:
    """The CRC32C of a file in the form of a bucket's metadata: `yZRlqg==`."""
    import google_crc32c

    checksum = 0
    with local.open("rb") as content:
        while block := content.read(_READ_BYTES):
            checksum = int(google_crc32c.extend(checksum, block))
    return base64.b64encode(checksum.to_bytes(4, "big")).decode()
