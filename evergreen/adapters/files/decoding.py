"""Opening text files, and where in one the text cannot be decoded."""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from evergreen.adapters.files.settings import FilesSettings
from evergreen.core.errors import InputError
from evergreen.core.lfs import FETCH_IT, HEAD_BYTES, is_lfs_pointer

LONGEST_FIELD = 16 << 20
"""Characters; one that is longer is a quote that nothing closes, or no text."""
_LONGEST_LINE = 8 * LONGEST_FIELD
"""Characters of a row as JSON, which may escape each by six."""
_BLOCK_BYTES = 1 << 20
_SAMPLE_BYTES = 4096
_MARKS = {  # the longer ones first: UTF-32's begins with UTF-16's
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_NO_TEXT = {
    b"\x1f\x8b": ("gzip", "name it with .gz at the end, or unpack it"),
    b"PK\x03\x04": ("a zip archive or a workbook of Excel", "unpack it, or save the sheet as CSV"),
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": ("a workbook of Excel (.xls)", "save the sheet as CSV"),
    b"PAR1\x15": ("Parquet", "name it with .parquet at the end"),
    b"ARROW1\0\0": ("Arrow", "write it as Parquet"),
    **{b"BZh%d1AY&SY" % level: ("bzip2", "unpack it") for level in range(1, 10)},
    b"\xfd7zXZ\x00": ("xz", "unpack it"),
    b"\x28\xb5\x2f\xfd": ("zstd", "unpack it"),
    b"%PDF-": ("PDF", "give the texts as CSV or JSON Lines"),
    b"SQLite format 3\x00": ("a database of SQLite", "write the table as CSV"),
}
"""What people name as if it were delimited text or JSON Lines, by first bytes that no table begins with."""
_WIDE = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
_MOST_NULS = 0.02
"""Of a text's bytes; those of several bytes a character have more, if only for spaces and line ends."""
_MOST_ARE = 0.9
"""Of the NULs of UTF-16, that stand beside an ASCII character."""
_WESTERN, _CHINESE = "cp1252", "gb18030"
_FEW = 20
"""Bytes above ASCII from which on their company says something."""


def is_compressed(path: Path) -> bool:
    """Whether the name ends in `.gz`, in whatever case."""
    return path.suffix.lower() == ".gz"


def open_bytes(path: Path) -> IO[bytes]:
    """The bytes of the file, decompressed when its name says that it is compressed."""
    return gzip.open(path, "rb") if is_compressed(path) else path.open("rb")  # type: ignore[return-value]


@contextmanager
def reading(path: Path, name: str) -> Iterator[None]:
    """Raises InputError where the file cannot be read, is a Git LFS pointer, or no whole gzip file though named so."""
    try:
        with path.open("rb") as file:
            if is_lfs_pointer(file.read(HEAD_BYTES)):
                raise InputError(f"{name} {FETCH_IT}")
        yield
    except (OSError, EOFError, zlib.error) as error:
        if is_compressed(path) and not (isinstance(error, OSError) and error.filename):
            raise InputError(
                f"{name} is no whole gzip file: {error}; write it again, or name it without .gz"
            ) from error
        raise InputError(f"{name} cannot be read: {error}; check the file and its permissions") from error


def lines_of(file: IO[str], name: str) -> Iterator[str]:
    """The lines with their ends. Raises InputError for one that is longer than any row."""
    number = 0
    while line := file.readline(_LONGEST_LINE):
        number += 1
        if len(line) == _LONGEST_LINE:
            raise InputError(
                f"{name}:{number} is longer than {_LONGEST_LINE:,} characters; write one row a line, or set "
                "source.format"
            )
        yield line


def python_encoding(encoding: str) -> str:
    """The codec that also drops a UTF-8 byte order mark, as spreadsheets write it."""
    return "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding


def encoding_of(file: Path, name: str, settings: FilesSettings, head: bytes | None = None) -> str:
    """The encoding of one file: what its byte order mark says, else the fallback if there is one and it needs it.

    `head` is its beginning, where that has been read.

    Raises:
        InputError: it is no text by its first bytes, or written with several bytes a character, and neither mark
            nor configuration says so.
    """
    head = _head(file, _SAMPLE_BYTES) if head is None else head
    marked = next((encoding for mark, encoding in _MARKS.items() if head.startswith(mark)), None)
    if marked is not None:
        return marked
    _check_text(head, name)
    _check_width(head, name, settings.encoding)
    if settings.fallback_encoding is None or decodes(file, settings.encoding):
        return settings.encoding
    return settings.fallback_encoding


def _check_text(head: bytes, name: str) -> None:
    """Raises InputError where a file that begins so is of a known kind that is no text, whatever its name says."""
    for beginning, (what, advice) in _NO_TEXT.items():
        if head.startswith(beginning):
            raise InputError(f"{name} is no text but {what}, by its first bytes; {advice}")


def _check_width(head: bytes, name: str, encoding: str) -> None:
    """Raises InputError where a file that begins so, without a mark, is UTF-16 or UTF-32 and `encoding` is neither."""
    if codecs.lookup(encoding).name.startswith(("utf-16", "utf-32")):
        return
    wide = _wide_encoding(head[:_SAMPLE_BYTES])
    if wide is not None:
        raise InputError(f"{name} is not {encoding} but seems to be {wide}; set source.encoding: {wide}")


def _wide_encoding(head: bytes) -> str | None:
    """That of several bytes a character in which the NULs of a file's beginning are no characters."""
    if head.count(0) <= _MOST_NULS * len(head):
        return None
    read: dict[str, int] = {}
    for encoding in _WIDE:
        with suppress(UnicodeDecodeError):
            text = codecs.getincrementaldecoder(encoding)().decode(head)
            if "\0" not in text:
                read[encoding] = sum(map(str.isascii, text))  # separators at least
    likely = max(read, key=read.__getitem__, default=None)
    if likely is None or not likely.startswith("utf-16"):  # hardly anything else decodes as UTF-32
        return likely
    return likely if read[likely] >= _MOST_ARE * head.count(0) else None


def _head(path: Path, size: int) -> bytes:
    with open_bytes(path) as file:
        return file.read(size)


def decodes(path: Path, encoding: str) -> bool:
    """Whether the whole file is in `encoding`; reads in blocks."""
    return _first_undecodable(path, encoding) is None


def check_decodes(path: Path, name: str, encoding: str) -> None:
    """Raises InputError naming position, line and byte of the first place that is not in `encoding`."""
    place = _first_undecodable(path, encoding)
    if place is None:
        return
    position, line, byte = place
    fits = _fitting(path, encoding)
    raise InputError(
        f"{name} is not {encoding}: byte 0x{byte:02x} at position {position} (line {line}); "
        f"set source.encoding: {fits} if all files are written so, source.fallback_encoding: {fits} if some are"
    )


def _fitting(path: Path, refused: str) -> str:
    """The encoding that a file that is not in the `refused` is most likely in."""
    wide = _wide_encoding(_head(path, _SAMPLE_BYTES))
    if wide is not None:
        return wide
    if decodes(path, "utf-8"):
        return "utf-8"
    name = codecs.lookup(refused).name
    for ordered in (f"{name}-le", f"{name}-be") if name in ("utf-16", "utf-32") else ():
        if decodes(path, ordered):  # without the mark that says which
            return ordered
    if _is_of_pairs(path) and decodes(path, _CHINESE):
        return _CHINESE
    return _WESTERN if decodes(path, _WESTERN) else "latin-1"


def _is_of_pairs(path: Path) -> bool:
    """Whether the bytes above ASCII mostly come side by side: Chinese has them so, Western languages seldom."""
    head = _head(path, _BLOCK_BYTES)
    alone = sum(len(run) for run in re.findall(rb"[\x80-\xff]+", head) if len(run) == 1)
    total = sum(byte >= 0x80 for byte in head)
    return total >= _FEW and alone < total / 10


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
            except UnicodeError as error:  # a missing byte order mark has no place: it is the beginning
                data, start = held + block, getattr(error, "start", 0)
                return read - len(held) + start, lines + data[:start].count(b"\n"), data[start]
            if not block:
                return None
            read += len(block)
            lines += block.count(b"\n")
