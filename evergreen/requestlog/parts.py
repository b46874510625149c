"""Turns what servers have finished writing into Parquet, and keeps a log within its age and size.

The name of a file of lines becomes the name of its part. A part appears whole; its lines are removed after it. So who
reads finds each row in the one or the other, and an end at any moment leaves nothing that the next time does not mend.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from evergreen.requestlog.spool import LINES, PARQUET, unwritten

SKIPPED = b"evergreen.skipped"
"""Key of a part's metadata: how many damaged lines it was made without."""
ROW_GROUP = 16 * 1024
DAY_S = 86_400.0


def unfinished(folder: Path) -> list[Path]:
    """The files of lines that no server writes any more, oldest first."""
    waiting = []
    for path in sorted(folder.glob(f"[!.]*{LINES}")):
        with unwritten(path) as is_free:
            if is_free:
                waiting.append(path)
    return waiting


def turn_into_parquet(folder: Path) -> int:
    """Makes parts of all that is finished; how many. Raises OSError where the disk is full: the lines are kept."""
    made = 0
    for path in unfinished(folder):
        with unwritten(path) as is_free:
            if is_free:
                made += _turn(path)
    return made


def _turn(path: Path) -> bool:
    """Whether the file held rows."""
    import pyarrow.parquet as pq

    from evergreen.requestlog.arrow import SCHEMA, Batches

    part, half = path.with_suffix(PARQUET), path.with_name(f".{path.stem}{PARQUET}")
    rows = 0
    try:
        with path.open("rb") as lines, pq.ParquetWriter(half, SCHEMA, compression="zstd") as writer:
            batches = Batches(lines)
            for batch in batches:
                writer.write_batch(batch, row_group_size=ROW_GROUP)
                rows += batch.num_rows
            writer.add_key_value_metadata({SKIPPED: str(batches.skipped).encode()})
            skipped = batches.skipped
        if rows or skipped:
            _settle(half)
            half.replace(part)
    finally:
        half.unlink(missing_ok=True)
    path.unlink()
    return rows > 0


def _settle(path: Path) -> None:
    """Waits until the disk has the file, whose lines are about to be removed."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def enforce(folder: Path, keep_days: float, most_bytes: int) -> int:
    """Removes what is too old, and the oldest of what is too much; how many files. What is being written stays."""
    kept, removed = 0, 0
    for path in sorted(_files(folder), key=lambda path: path.name, reverse=True):
        try:
            stat = path.stat()
        except FileNotFoundError:
            continue
        kept += stat.st_size
        if kept <= most_bytes and time.time() - stat.st_mtime <= keep_days * DAY_S:
            continue
        with unwritten(path) as is_free:
            if is_free:
                path.unlink(missing_ok=True)
                removed += 1
    return removed


def _files(folder: Path) -> Iterator[Path]:
    """Parts and lines, and what was half made when its maker ended."""
    with suppress(FileNotFoundError):
        for entry in os.scandir(folder):
            if entry.name.endswith((LINES, PARQUET)):
                yield Path(entry.path)
