"""Opening text files, and where in one the text cannot be decoded."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from evergreen.core.errors import InputError

_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class TextForm:
    """How bytes become fields; `delimiter` matters to CSV only."""

    encoding: str
    delimiter: str


def is_compressed(path: Path) -> bool:
    """Whether the name ends in `.gz`, in whatever case."""
    return path.suffix.lower() == ".gz"


def open_bytes(path: Path) -> IO[bytes]:
    """The bytes of the file, decompressed when its name says that it is compressed."""
    return gzip.open(path, "rb") if is_compressed(path) else path.open("rb")  # type: ignore[return-value]


@contextmanager
def reading(path: Path, name: str) -> Iterator[None]:
    """Raises InputError where the file cannot be read, or is no whole gzip file though named like one."""
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        if is_compressed(path) and not (isinstance(error, OSError) and error.filename):
            raise InputError(
                f"{name} is no whole gzip file: {error}; write it again, or name it without .gz"
            ) from error
        raise InputError(f"{name} cannot be read: {error}; check the file and its permissions") from error


def python_encoding(encoding: str) -> str:
    """The codec that also drops a UTF-8 byte order mark, as spreadsheets write it."""
    return "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding


def decodes(path: Path, encoding: str) -> bool:
    """Whether the whole file is in `encoding`; reads in blocks."""
    return _first_undecodable(path, encoding) is None


def check_decodes(path: Path, name: str, encoding: str) -> None:
    """Raises InputError naming position, line and byte of the first place that is not in `encoding`."""
    place = _first_undecodable(path, encoding)
    if place is None:
        return
    position, line, byte = place
    fits = "cp1252" if decodes(path, "cp1252") else "latin-1"
    raise InputError(
        f"{name} is not {encoding}: byte 0x{byte:02x} at position {position} (line {line}); "
        f"set source.encoding: {fits} if all files are written so, source.fallback_encoding: {fits} if some are"
    )


def _first_undecodable(path: Path, encoding: str) -> tuple[int, int, int] | None:
    """Position in bytes, line counted from 1, and the byte."""
    decoder = codecs.getincrementaldecoder(encoding)()
    read, lines = 0, 1
    with open_bytes(path) as file:
        while True:
            block = file.read(_BLOCK_BYTES)
            held: bytes = decoder.getstate()[0]  # bytes of a character that the last block cut
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                data = held + block
                return read - len(held) + error.start, lines + data[: error.start].count(b"\n"), data[error.start]
            if not block:
                return None
            read += len(block)
            lines += block.count(b"\n")
