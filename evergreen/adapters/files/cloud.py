"""Files in Google Cloud Storage, `gs://bucket/folder`: listed by their metadata, fetched side by side as they are read.

Credentials are found as Google's clients find them; STORAGE_EMULATOR_HOST is honoured. gcsfs repeats transient errors.
"""

from __future__ import annotations

import base64
import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from evergreen.core.errors import EvergreenError, InputError

SCHEME = "gs://"
_AT_ONCE = 8
_AHEAD = 16
"""Files fetched before they are read: what bounds the disk that is taken, however many there are."""
_NOT_FOUND = 404
_REFUSALS = {400, 401, 403}


@dataclass(frozen=True)
class CloudFile:
    """One object; `checksum` is what the bucket says of its bytes, `path` is `bucket/key`.

    `encoding` is what the bucket itself undoes when it serves the object.
    """

    path: str
    bytes: int
    checksum: str
    encoding: str | None = None

    @classmethod
    def of(cls, listed: dict[str, Any]) -> CloudFile:
        """From the metadata that the bucket lists; objects that were composed of parts have no MD5."""
        md5, crc, generation = (listed.get(name) for name in ("md5Hash", "crc32c", "generation"))
        checksum = f"md5:{md5}" if md5 else f"crc32c:{crc}" if crc else f"generation:{generation}"
        return cls(listed["name"], int(listed["size"]), checksum, listed.get("contentEncoding"))


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
        found = files.info(place)
        if found["type"] == "file":
            return place.rpartition("/")[0], _objects({place: found}), False
        return place, _objects(files.find(place, detail=True)), True


def fetched(path: str, files: Sequence[CloudFile]) -> Iterator[Path]:
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
        cloud_files(path) as storage,
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


def _fetch(storage: Any, file: CloudFile, local: Path) -> Path:
    storage.get_file(file.path, str(local))
    if file.checksum.startswith("md5:"):
        with local.open("rb") as content:
            digest = hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).digest()
        now = f"md5:{base64.b64encode(digest).decode()}"
    else:
        now = CloudFile.of(storage.info(file.path)).checksum
    if now != file.checksum:
        raise EvergreenError(f"{SCHEME}{file.path} changed while it was read; run again")
    return local


@contextmanager
def cloud_files(path: str) -> Iterator[Any]:
    """The file system of the bucket that `path` leads into, its errors translated.

    Raises:
        InputError: nothing is there, or it may not be read.
        EvergreenError: Cloud Storage does not answer.
    """
    import gcsfs
    from aiohttp import ClientError
    from google.auth.exceptions import GoogleAuthError

    try:
        yield gcsfs.GCSFileSystem(token="google_default", skip_instance_cache=True, use_listings_cache=False)  # noqa: S106 - names a way to find credentials
    except FileNotFoundError as error:
        raise InputError(f"nothing at '{path}', or it is not shown to these credentials; set source.path") from error
    except GoogleAuthError as error:
        raise InputError(
            f"no credentials for {path}: {_line(error)}; run `gcloud auth application-default login`"
        ) from error
    except (gcsfs.retry.HttpError, gcsfs.retry.ChecksumError, ClientError) as error:
        raise _of_answer(path, error) from error
    except OSError as error:
        if str(error).startswith("Forbidden"):
            raise _refused(path, error) from error
        raise


def _objects(listed: dict[str, dict[str, Any]]) -> list[CloudFile]:
    """Sorted, without the empty objects that stand for folders."""
    return [CloudFile.of(one) for name, one in sorted(listed.items()) if one["type"] == "file" and name[-1] != "/"]


def _of_answer(path: str, error: Exception) -> EvergreenError:
    """By the HTTP status, which the metadata's client calls `code` and that of the bytes `status`."""
    told = error.status if hasattr(error, "status") else getattr(error, "code", None)
    status = int(told or 0)
    if status in _REFUSALS:
        return _refused(path, error)
    if status == _NOT_FOUND:
        return EvergreenError(f"a file of {path} went away while it was read; run again")
    return EvergreenError(f"Cloud Storage does not answer for {path}: {_line(error)}; try again later")


def _refused(path: str, error: Exception) -> InputError:
    return InputError(
        f"{path} may not be used: {_line(error)}; the account needs roles/storage.objectViewer on the bucket, "
        "to prepare rows there roles/storage.objectUser"
    )


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
