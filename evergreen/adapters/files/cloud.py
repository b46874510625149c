"""Files in Google Cloud Storage, `gs://bucket/folder`: listed by their metadata, fetched side by side when read."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from evergreen.adapters.gcs.bucket import SCHEME, bucket_files
from evergreen.adapters.gcs.transfers import Transfers, crc32c_of, md5_of, transfers
from evergreen.core.errors import EvergreenError, InputError

TO_CORRECT = "set source.path"
_AT_ONCE = 8
_AHEAD = 16
"""Files fetched before they are read: what bounds the disk that is taken, however many there are."""


@dataclass(frozen=True)
class CloudFile:
    """One object; `checksum` is what the bucket says of its bytes, `path` is `bucket/key`, `created` when it was
    written as it is: another generation has another time, new metadata has not.

    `encoding` is what the bucket itself undoes when it serves the object.
    """

    path: str
    bytes: int
    checksum: str
    created: datetime
    encoding: str | None = None

    @classmethod
    def of(cls, listed: dict[str, Any]) -> CloudFile:
        """From the metadata that the bucket lists; objects that were composed of parts have no MD5."""
        md5, crc, generation = (listed.get(name) for name in ("md5Hash", "crc32c", "generation"))
        checksum = f"md5:{md5}" if md5 else f"crc32c:{crc}" if crc else f"generation:{generation}"
        created = datetime.fromisoformat(listed["timeCreated"])
        return cls(listed["name"], int(listed["size"]), checksum, created, listed.get("contentEncoding"))


@dataclass(frozen=True)
class Bucket:
    """Objects by their paths, as the bucket that `path` leads into lists them."""

    path: str
    objects: Mapping[Path, CloudFile]

    def of(self, files: Sequence[Path]) -> Self:
        """Those of the objects alone."""
        return replace(self, objects={file: self.objects[file] for file in files})

    def place(self, folder: Path) -> str:
        """Its path in the bucket, which has no links."""
        return f"{SCHEME}{folder.as_posix()}"

    def checksum(self, file: Path, name: str) -> tuple[str, int]:  # noqa: ARG002 - a file's that has to be read
        """As the bucket lists it; nothing is read."""
        return self.objects[file].checksum, self.objects[file].bytes

    def created(self, file: Path) -> datetime:
        """As the bucket lists it."""
        return self.objects[file].created

    def opened(self, files: Sequence[Path]) -> Iterator[Path]:
        """Fetched to this machine, several at a time, and removed again. Raises EvergreenError where one changed."""
        return fetch_each(self.path, [self.objects[file] for file in files])


def is_cloud(path: str) -> bool:
    """Whether the path leads into a bucket."""
    return path.startswith(SCHEME)


def list_cloud(path: str) -> tuple[str, list[CloudFile], bool]:
    """The folder that names are relative to, the objects that the path of an object, a folder or a glob means, and
    whether it was a folder.

    Raises:
        InputError: nothing is there, or it may not be read.
        EvergreenError: Cloud Storage does not answer.
    """
    with cloud_files(path) as files:
        place = path.removeprefix(SCHEME).rstrip("/")
        if any(sign in place for sign in "*?["):
            parts = place.split("/")
            fixed = next(index for index, part in enumerate(parts) if any(sign in part for sign in "*?["))
            return "/".join(parts[:fixed]), _objects(files.glob(place, detail=True)), False
        info = files.info(place)
        if info["type"] == "file":
            return place.rpartition("/")[0], _objects({place: info}), False
        return place, _objects(files.find(place, detail=True)), True


def fetch_each(path: str, files: Sequence[CloudFile]) -> Iterator[Path]:
    """Each file on this machine, in order, until the next is asked for; those that follow are fetched meanwhile.

    Raises:
        InputError: a file is stored in a form whose bytes cannot be checked.
        EvergreenError: a file changed since it was listed, or Cloud Storage does not answer.
    """
    for file in files:
        if file.encoding:
            raise InputError(
                f"{SCHEME}{file.path} is stored with Content-Encoding {file.encoding}, so its bytes cannot be checked; "
                "upload it without that, as a file whose name ends in .gz if it is compressed"
            )
    with (
        transfers(path, TO_CORRECT) as storage,
        TemporaryDirectory(prefix="evergreen-") as folder,
        ThreadPoolExecutor(_AT_ONCE, "fetch") as pool,
    ):
        waiting: deque[Future[Path]] = deque()
        ahead = iter(enumerate(files))
        try:
            for _ in files:
                while len(waiting) < _AHEAD and (following := next(ahead, None)):
                    number, file = following
                    # The name's end tells how a file is read: `.csv`, `.gz`.
                    local = Path(folder) / f"{number}-{file.path.rpartition('/')[2]}"
                    waiting.append(pool.submit(_fetch, storage, file, local))
                local = waiting.popleft().result()
                yield local
                local.unlink()
        finally:
            for future in waiting:
                future.cancel()


def _fetch(storage: Transfers, file: CloudFile, local: Path) -> Path:
    kind, _, expected = file.checksum.partition(":")
    storage.get(SCHEME + file.path, local, generation=expected if kind == "generation" else None)
    digest = {"md5": md5_of, "crc32c": crc32c_of}.get(kind)
    if digest is not None and digest(local) != expected:
        raise EvergreenError(f"{SCHEME}{file.path} changed while it was read; run again")
    return local


def cloud_files(path: str) -> AbstractContextManager[Any]:
    """The file system of the bucket that a source's path leads into. Raises as `bucket_files` does."""
    return bucket_files(path, TO_CORRECT)


def _objects(listed: dict[str, dict[str, Any]]) -> list[CloudFile]:
    """Sorted, without the empty objects that stand for folders."""
    return [
        CloudFile.of(entry) for name, entry in sorted(listed.items()) if entry["type"] == "file" and name[-1] != "/"
    ]
