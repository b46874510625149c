"""What telling new rows from old costs: a coverage of 1,000 days and a million keys, and reading what is new.

Seconds are those of the processor. Baselines: one second and 200 MB for the coverage; for the new rows, a plain read of
all.
"""

from __future__ import annotations

import sys
import tempfile
import time
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from bench.report import parse_arguments, print_result, print_table
from evergreen.adapters.files.settings import FilesSettings
from evergreen.core.coverage import DAY_US, Coverage, Rows, coverage_of, gaps, micros, union
from evergreen.core.members import source_of
from evergreen.core.part import Part
from evergreen.data.freshness import coverage_after

DAYS, KEYS = 1_000, 1_000_000
SECONDS, MEGABYTES = 1.0, 200.0
ROWS, NEW_SHARE, ROUNDS = 1_000_000, 0.1, 3
START = datetime(2024, 1, 1, tzinfo=UTC)
LIMITS = {"coverage: time": 1.0, "coverage: memory": 1.0}


def _edge(first: int) -> Rows:
    """A million rows of the last hour, which tell of every other day."""
    draw = np.random.default_rng(first)
    last = micros(START) + 2 * DAYS * DAY_US
    days = micros(START) + 2 * np.arange(KEYS, dtype=np.int64) % (2 * DAYS) * DAY_US
    keys = draw.integers(0, 2**64 - 1, KEYS, dtype=np.uint64)
    return Rows(days, last - draw.integers(0, 3_000_000_000, KEYS, dtype=np.int64), keys)


def _work(rows: Rows, more: Rows) -> Coverage:
    """A coverage, written, read, asked for as many rows, and added to."""
    looked = START + timedelta(days=3 * DAYS)
    coverage = coverage_of([rows], looked, timedelta(hours=1))
    coverage = Coverage.model_validate_json(coverage.model_dump_json())
    covered = coverage.by_time(more.event, more.arrived) | coverage.by_key(more.keys)
    if covered.any() or len(gaps(coverage)) != DAYS - 1:
        raise RuntimeError("the coverage holds what it was not given")
    return coverage


def _coverage() -> dict[str, float]:
    rows, more = _edge(0), _edge(1)
    started = time.process_time()
    coverage = _work(rows, more)
    seconds = time.process_time() - started
    started = time.process_time()
    union(coverage, coverage)
    joined = time.process_time() - started
    tracemalloc.start()
    _work(rows, more)
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    print_table(
        [f"coverage of {len(coverage.spans):,} days, {len(coverage.keys):,} keys", "measured"],
        [["make, write, read, ask", f"{seconds:.2f} s"], ["union", f"{joined:.2f} s"], ["peak", f"{peak:.0f} MB"]],
    )
    return {"coverage: time": SECONDS / seconds, "coverage: memory": MEGABYTES / peak}


def _write(path: Path, first: int, last: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    numbers = np.arange(first, last)
    times = pa.array(micros(START) + numbers * 1_000_000).cast(pa.timestamp("us", tz="UTC"))
    table: dict[str, Any] = {
        "id": pa.array(numbers).cast(pa.string()),
        "text": [f"row {number} tells something of forty characters" for number in numbers],
        "label": ["ab"[number % 2] for number in numbers],
        "timestamp": times,
        "arrived": times,
    }
    pq.write_table(pa.table(table), path)


def _seconds(source: Any, part: Part | None, folder: Path) -> float:
    started = time.process_time()
    if part is None:
        source.read(None, folder)
    else:
        source.read_new(part, folder)
    return time.process_time() - started


def _reading() -> dict[str, float]:
    """A read of the new tenth of a million rows, against a plain read of all of them."""
    columns = {name: name for name in ("id", "text", "label", "timestamp", "arrived")}
    with tempfile.TemporaryDirectory(prefix="evergreen-bench-") as scratch:
        folder = Path(scratch)
        (folder / "rows").mkdir()
        old = round(ROWS * (1 - NEW_SHARE))
        _write(folder / "rows" / "old.parquet", 0, old)
        source = source_of(FilesSettings(path=str(folder / "rows"), columns=columns))
        since = coverage_after(source.read(None, folder / "covered"), Part(), None)
        _write(folder / "rows" / "new.parquet", old, ROWS)
        part = source.find_new(Part(since=since, until=datetime.now(UTC))).part
        pairs = [
            (_seconds(source, None, folder / "plain"), _seconds(source, part, folder / "new")) for _ in range(ROUNDS)
        ]
    plain, new = (sorted(times)[ROUNDS // 2] for times in zip(*pairs, strict=True))
    print_table([f"{ROWS:,} rows of Parquet", "s"], [["all, plainly", f"{plain:.1f}"], ["what is new", f"{new:.1f}"]])
    return {"reading what is new": plain / new}


def main() -> int:
    """Measures, prints, and returns the exit code."""
    as_json = parse_arguments(__doc__ or "")
    found = _coverage()
    found |= _reading()
    return print_result("coverage", found, LIMITS | {"reading what is new": 0.8}, as_json)


if __name__ == "__main__":
    sys.exit(main())
