"""Objects of a bucket, read by google-auth and requests alone: all that a server needs of Cloud Storage.

    with objects("gs://news/models/3fa41c02be17", "upload the model again") as bucket:
        bucket.get({"gs://news/models/3fa41c02be17/task.json": Path("model/task.json")})

Large objects come in parts, several at once; a part that breaks off goes on where it stopped. What has arrived is held
against the bucket's checksum. STORAGE_EMULATOR_HOST is honoured.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from evergreen.adapters.gcs.bucket import SCHEME, check_address
from evergreen.adapters.gcs.failures import StorageError, of_answer, of_credentials, of_disk, of_silence
from evergreen.adapters.gcs.transfers import crc32c_of
from evergreen.adapters.google.calls import auth_errors
from evergreen.core.errors import InputError

CONNECT_TIMEOUT_S = 30.0
READ_TIMEOUT_S = 60.0
REPEAT_FOR_S = 600.0
"""How long a part is tried again, unless whoever reads has less time."""
LONGEST_WAIT_S = 15.0
PART_BYTES = 16 * 1024 * 1024
AT_ONCE = 8
OK, PARTIAL = 200, 206
TRANSIENT = (408, 429, 500, 502, 503, 504)
_SCOPE = "https://www.googleapis.com/auth/devstorage.read_only"
_EMULATOR = "STORAGE_EMULATOR_HOST"
_BLOCK_BYTES = 1024 * 1024
T = TypeVar("T")


@dataclass(frozen=True)
class _Object:
    """What the bucket says of an object."""

    address: str
    url: str
    size: int
    checksum: str | None

    def parts(self) -> Iterator[tuple[int, int]]:
        """The first byte of each part, and the one behind its last."""
        for start in range(0, self.size, PART_BYTES):
            yield start, min(start + PART_BYTES, self.size)


@dataclass(frozen=True)
class Objects:
    """What of a bucket is read; `to_correct` is what to do where nothing is at an address, `patience_s` is for how long
    a request is tried again.
    """

    session: Any
    host: str
    to_correct: str
    patience_s: float

    def get(self, files: Mapping[str, Path]) -> None:
        """Downloads objects by their addresses; a file of half of one does not appear.

        Raises:
            RefusedError: one is not there, or may not be read.
            StorageError: Cloud Storage does not answer, or gives other bytes than it has.
            EvergreenError: a file of this machine cannot be written.
        """
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="gcs") as pool:
            described = list(pool.map(self._described, files))
            unfinished = [local.with_name(f".{local.name}.part") for local in files.values()]
            try:
                for one, local in zip(described, unfinished, strict=True):
                    _make_room(local, one)
                parts = (
                    (one, local, *span)
                    for one, local in zip(described, unfinished, strict=True)
                    for span in one.parts()
                )
                for _ in pool.map(lambda part: self._part(*part), parts):
                    pass
                for one, part, local in zip(described, unfinished, files.values(), strict=True):
                    if one.checksum is not None and crc32c_of(part) != one.checksum:
                        raise of_silence(one.address, "the bytes that came have another checksum")
                    part.replace(local)
            finally:
                for part in unfinished:
                    part.unlink(missing_ok=True)

    def read(self, address: str, max_bytes: int) -> bytes:
        """The content of an object. Raises as `get` does, and InputError when it is larger than `max_bytes`."""
        described = self._described(address)
        if described.size > max_bytes:
            raise _too_large(address, described.size, max_bytes)

        def content() -> bytes:
            read = bytearray()
            with self._asked(described.url, address, stream=True) as answer:
                for block in answer.iter_content(_BLOCK_BYTES):
                    read += block
                    if len(read) > max_bytes:  # stored compressed, it is given unpacked
                        raise _too_large(address, len(read), max_bytes)
            return bytes(read)

        return self._patiently(address, content)

    def _described(self, address: str) -> _Object:
        check_address(address)
        bucket, _, name = address.removeprefix(SCHEME).partition("/")
        path = f"storage/v1/b/{quote(bucket, safe='')}/o/{quote(name, safe='')}"
        told = self._patiently(address, lambda: self._asked(f"{self.host}/{path}", address).json())
        url = f"{self.host}/download/{path}?alt=media&generation={told['generation']}"
        return _Object(address, url, int(told["size"]), None if "contentEncoding" in told else told.get("crc32c"))

    def _part(self, one: _Object, local: Path, start: int, end: int) -> None:
        """Writes bytes of an object to where they belong."""
        at = start

        def more() -> None:
            nonlocal at
            headers = {"Range": f"bytes={at}-{end - 1}"}
            with self._asked(one.url, one.address, headers, stream=True) as answer, local.open("r+b") as file:
                if answer.status_code != PARTIAL and (start, end) != (0, one.size):
                    raise StorageError(f"{one.address} is not given in parts; check what answers at {self.host}")
                if answer.status_code != PARTIAL:
                    at = 0
                file.seek(at)
                for block in answer.iter_content(_BLOCK_BYTES):
                    file.write(block)
                    at += len(block)

        while at < end:
            self._patiently(one.address, more)

    def _asked(self, url: str, address: str, headers: Mapping[str, str] | None = None, *, stream: bool = False) -> Any:
        answer = self.session.get(
            url,
            headers={"Accept-Encoding": "identity", **(headers or {})},
            timeout=(min(CONNECT_TIMEOUT_S, self.patience_s), min(READ_TIMEOUT_S, self.patience_s)),
            stream=stream,
        )
        if answer.status_code in TRANSIENT:
            raise _TransientError(answer)
        if answer.status_code not in (OK, PARTIAL):
            raise of_answer(address, self.to_correct, answer.status_code, _reason(answer))
        return answer

    def _patiently(self, address: str, ask: Callable[[], T]) -> T:
        """What a request gives that is repeated while it fails for now."""
        import requests

        unheard, refused = auth_errors()
        until, wait_s = time.monotonic() + self.patience_s, 0.5
        while True:
            try:
                return ask()
            except requests.JSONDecodeError as error:
                raise of_silence(address, "what answers is no Cloud Storage") from error
            except (_TransientError, requests.RequestException, unheard) as error:
                if time.monotonic() + wait_s > until:
                    if isinstance(error, _TransientError):
                        status, reason = error.answer.status_code, _reason(error.answer)
                        raise of_answer(address, self.to_correct, status, reason) from error
                    raise of_silence(address, type(error).__name__) from error
            except refused as error:
                raise of_credentials(address, error) from error
            except OSError as error:
                raise of_disk(address, error) from error
            time.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)


class _TransientError(Exception):
    """An answer that may be another one later."""

    def __init__(self, answer: Any) -> None:
        super().__init__(answer.status_code)
        self.answer = answer


@contextmanager
def objects(address: str, to_correct: str, patience_s: float | None = None) -> Iterator[Objects]:
    """What is read of the bucket of `address`, with the credentials that Google's clients would find.

    Raises:
        InputError: the address is none, or there are no credentials.
    """
    check_address(address)
    emulator = os.environ.get(_EMULATOR, "").rstrip("/")
    host = emulator if "://" in emulator or not emulator else f"http://{emulator}"
    with _session(address, emulated=bool(emulator)) as session:
        yield Objects(session, host or "https://storage.googleapis.com", to_correct, patience_s or REPEAT_FOR_S)


def _session(address: str, *, emulated: bool) -> Any:
    import requests
    from requests.adapters import HTTPAdapter

    if emulated:
        session = requests.Session()
    else:
        import google.auth
        from google.auth.transport.requests import AuthorizedSession

        try:
            credentials, _ = google.auth.default(scopes=[_SCOPE])
        except auth_errors() as error:
            raise of_credentials(address, error) from error
        session = AuthorizedSession(credentials)  # type: ignore[no-untyped-call]  # google.auth has no types
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=AT_ONCE))
    return session


def _make_room(local: Path, one: _Object) -> None:
    try:
        local.parent.mkdir(parents=True, exist_ok=True)
        with local.open("wb") as file:
            file.truncate(one.size)
    except OSError as error:
        raise of_disk(one.address, error) from error


def _too_large(address: str, size: int, most: int) -> InputError:
    return InputError(f"{address} has {size:,} bytes, at most {most:,} are read; make it smaller")


def _reason(answer: Any) -> str:
    """What Google says of a refusal, on one line."""
    try:
        said = answer.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):
        said = answer.reason
    return f"{' '.join(str(said).split())[:300].rstrip('.')}, {answer.status_code}"
