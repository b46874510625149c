"""The contents of all files, by SHA-256, below `<home>/hub/objects/`; what holds equal bytes is kept once.

Uploads and downloads of large files go to addresses signed for one object and purpose: there the client shows no token.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from cloudbox.hub.failures import HubError

SHA256 = re.compile(r"[0-9a-f]{64}")
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n"


class Objects:
    """Immutable contents."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for partial in folder.glob("partial-*"):  # of uploads that the last stop cut off
            partial.unlink()
        self._key = secrets.token_bytes(32)

    def path(self, sha256: str) -> Path:
        """Where a content is, or would be. Raises HubError for what is no SHA-256."""
        if not SHA256.fullmatch(sha256):
            raise HubError(400, f"{sha256[:80]!r} is no SHA-256")
        return self._folder / sha256

    def has(self, sha256: str, size: int | None = None) -> bool:
        """Whether a content is here whole."""
        path = self.path(sha256)
        return path.is_file() and size in (None, path.stat().st_size)

    def put(self, content: bytes) -> str:
        """SHA-256 of the content, which is kept."""
        sha256 = hashlib.sha256(content).hexdigest()
        if not self.has(sha256):
            partial = self._partial()
            partial.write_bytes(content)
            partial.replace(self.path(sha256))
        return sha256

    async def receive(self, sha256: str, chunks: AsyncIterator[bytes]) -> None:
        """Keeps an upload. Raises HubError when it is not what was announced."""
        partial, digest = self._partial(), hashlib.sha256()
        with partial.open("wb") as file:
            async for chunk in chunks:
                digest.update(chunk)
                file.write(chunk)
        if digest.hexdigest() != sha256:
            partial.unlink()
            raise HubError(400, f"The upload's SHA-256 is {digest.hexdigest()}, announced was {sha256}")
        partial.replace(self.path(sha256))

    def ticket(self, purpose: str, sha256: str) -> str:
        """What lets its holder do one thing with one object, until the service ends."""
        return hmac.new(self._key, f"{purpose} {sha256}".encode(), "sha256").hexdigest()

    def admit(self, purpose: str, sha256: str, ticket: str) -> None:
        """Raises HubError for a ticket that is not of this object and purpose."""
        if not hmac.compare_digest(ticket, self.ticket(purpose, sha256)):
            raise HubError(403, "The signature of this address is not valid")

    def _partial(self) -> Path:
        descriptor, name = tempfile.mkstemp(prefix="partial-", dir=self._folder)
        os.close(descriptor)
        return Path(name)


def git_oid(content: bytes) -> str:
    """The name that git gives to a file's content (SHA-1)."""
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content, usedforsecurity=False).hexdigest()
