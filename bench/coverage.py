"""What telling new rows from old costs: a coverage of 1,000 days and a million keys, and how a night looks at its rows.

Seconds are those of the processor. Baselines: one second and 200 MB for the coverage; for reading what is new of a
million rows, a tenth or all of them, a plain read of those rows. Before it reads them, a night counts them, which takes
a look at every row more: it is shown beside, and what both take. Each is done in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench.data_memory import peak_rss_bytes
from bench.report import instruction_set, parse_arguments, print_result, print_table
from evergreen.adapters.files.settings import FilesSettings
from evergreen.core.coverage import DAY_US, Coverage, Rows, coverage_of, gaps, micros, union
from evergreen.core.members import source_of
from evergreen.core.part import PartOfSource
from evergreen.data.freshness import coverage_after

DAYS, KEYS = 1_000, 1_000_000
SECONDS, MEGABYTES = 1.0, 200.0
ROWS, NEW_SHARE, ROUNDS = 1_000_000, 0.1, 3
START = datetime(2024, 1, 1, tzinfo=UTC)
PLAIN = "all, plainly"
COUNTED = "counted"
LIMITS = {
    **{f"coverage: {what}": 1.0 for what in ("time", "memory")},
    **{f"{name}: {what}": 0.8 for name in ("a tenth is new", "all are new") for what in ("seconds", "bytes")},
}


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


def measure(rows: str, part: str, out_dir: str) -> None:
    """Reads a part of the rows in this process, or all of them plainly, and prints its peak bytes and seconds.

    With COUNTED as `out_dir` the part's rows are counted.
    """
    source = source_of(_settings(rows))
    given = None if part == PLAIN else PartOfSource.model_validate_json(Path(part).read_text(encoding="utf-8"))
    started = time.process_time()
    if given is None:
        source.read(None, Path(out_dir))
    elif out_dir == COUNTED:
        source.find_new(given)
    else:
        source.read_new(given, Path(out_dir))
    print(json.dumps({"bytes": peak_rss_bytes(), "seconds": time.process_time() - started}))


def _settings(folder: str) -> FilesSettings:
    return FilesSettings(path=folder, columns={name: name for name in ("id", "text", "label", "timestamp", "arrived")})


def _run(rows: Path, part: str, out_dir: Path | str) -> dict[str, float]:
    """Peak bytes and seconds of one read, or count, in a process of its own."""
    code = "import sys; from bench.coverage import measure; measure(*sys.argv[1:])"
    argv = [sys.executable, "-c", code, str(rows), part, str(out_dir)]
    measured: dict[str, float] = json.loads(subprocess.run(argv, check=True, stdout=subprocess.PIPE).stdout)
    return measured


def _parts(rows: Path, scratch: Path) -> dict[str, str]:
    """What is read of a million rows: all plainly, the tenth that is new, and all where all are new."""
    rows.mkdir()
    old = round(ROWS * (1 - NEW_SHARE))
    _write(rows / "old.parquet", 0, old)
    source = source_of(_settings(str(rows)))
    since = coverage_after(source.read(None, scratch / "covered"), PartOfSource(), None)
    _write(rows / "new.parquet", old, ROWS)
    now = datetime.now(UTC)
    parts = {"a tenth is new": PartOfSource(since=since, until=now), "all are new": PartOfSource(until=now)}
    for name, part in parts.items():
        (scratch / f"{name}.json").write_text(source.find_new(part).part.model_dump_json(), encoding="utf-8")
    return {PLAIN: PLAIN} | {name: str(scratch / f"{name}.json") for name in parts}


def _reading() -> dict[str, float]:
    """Reads of what is new of a million rows, against a plain read of all of them; the counts before them are shown."""
    with tempfile.TemporaryDirectory(prefix="evergreen-bench-") as folder:
        scratch = Path(folder)
        parts = _parts(scratch / "rows", scratch)
        runs = [
            {name: _run(scratch / "rows", part, scratch / "out") for name, part in parts.items()} for _ in range(ROUNDS)
        ]
        counts = [
            {name: _run(scratch / "rows", part, COUNTED) for name, part in parts.items() if name != PLAIN}
            for _ in range(ROUNDS)
        ]
    found, counted = _medians(runs), _medians(counts)
    lines = [[name, f"{one['seconds']:.2f}", f"{one['bytes'] / 1e6:.0f}"] for name, one in found.items()]
    for name, one in counted.items():
        both = one["seconds"] + found[name]["seconds"]
        lines.append([f"{name}, counted", f"{one['seconds']:.2f}", f"{one['bytes'] / 1e6:.0f}"])
        lines.append([f"{name}, counted and read", f"{both:.2f}", ""])
    print_table([f"{ROWS:,} rows of Parquet", "s", "peak MB"], lines)
    plain = found.pop(PLAIN)
    return {f"{name}: {what}": plain[what] / one[what] for name, one in found.items() for what in plain}


def _medians(runs: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    return {name: {what: median(run[name][what] for run in runs) for what in runs[0][name]} for name in runs[0]}


def main() -> int:
    """Measures, prints, and returns the exit code."""
    as_json = parse_arguments(__doc__ or "")
    found = _coverage()
    found |= _reading()
    print(f"on a machine with {instruction_set()}")
    return print_result("coverage", found, LIMITS, as_json)


if __name__ == "__main__":
    sys.exit(main())
