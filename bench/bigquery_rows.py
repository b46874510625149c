"""Peak memory and rate of reading BigQuery into Parquet: 1,000,000 generated rows against 200,000, it must stay flat.

BigQuery is the box's, in processes of its own: the rate is that of the box and of this machine, not of Google. The
memory is the reader's alone; the ratio is the smaller read's peak over the larger one's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from bench.data_memory import peak_rss_bytes
from bench.report import parse_arguments, print_result, print_table
from cloudbox.bigquery.alone import PROJECT, running

SMALL, LARGE = 200_000, 1_000_000
LIMIT = 0.8
ROUNDS = 3
_END = datetime(2026, 1, 10, tzinfo=UTC)
_BLOCK_ROWS = 20_000
_LABELS = 4
_VOCABULARY = 30_000


def generate(path: Path, rows: int) -> None:
    """A Parquet file of `rows` articles with the lengths of AG News (mean 38 words), spread over two days."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    draw = np.random.default_rng(0)
    words = np.array([f"{number:x}" for number in draw.integers(16, 1 << 32, _VOCABULARY)])
    times = pa.timestamp("us", tz="UTC")
    kinds = [("text", pa.string()), ("label", pa.int64()), ("timestamp", times)]
    with pq.ParquetWriter(path, pa.schema(kinds)) as writer:
        for first in range(0, rows, _BLOCK_ROWS):
            lengths = np.clip(draw.normal(38, 10, _BLOCK_ROWS), 8, 120).astype(int)
            chosen = words[draw.integers(0, _VOCABULARY, lengths.sum())].tolist()
            texts = [
                " ".join(chosen[end - length : end]) for end, length in zip(lengths.cumsum(), lengths, strict=True)
            ]
            ages = range(first + 1, first + _BLOCK_ROWS + 1)
            moments = pa.array([_END - timedelta(days=2) * age / rows for age in ages], times)
            table = pa.table([texts, draw.integers(0, _LABELS, _BLOCK_ROWS), moments], schema=pa.schema(kinds))
            writer.write_table(table)


def load(path: Path, table: str) -> None:
    """Loads the file into a partitioned table of the box."""
    from google.cloud import bigquery

    client = bigquery.Client(project=PROJECT)
    client.create_dataset("bench", exists_ok=True)
    configuration = bigquery.LoadJobConfig(
        source_format="PARQUET", time_partitioning=bigquery.TimePartitioning(field="timestamp")
    )
    with path.open("rb") as file:
        client.load_table_from_file(file, f"{PROJECT}.bench.{table}", job_config=configuration).result()


def measure(rows: str, out_dir: str) -> None:
    """Reads the table in this process and prints its peak bytes and seconds."""
    from evergreen.adapters.bigquery.settings import BigQuerySettings
    from evergreen.core.artifacts import ResolvedWindow
    from evergreen.core.members import source_of

    source = BigQuerySettings(project=PROJECT, table=f"bench.rows_{rows}", columns={"timestamp": "timestamp"})
    started = time.perf_counter()
    dataset = source_of(source).read(ResolvedWindow(start=_END - timedelta(days=3), end=_END), Path(out_dir))
    if dataset.manifest.rows != int(rows):
        raise ValueError(f"{dataset.manifest.rows} rows read of {rows}")
    print(json.dumps({"bytes": peak_rss_bytes(), "seconds": time.perf_counter() - started}))


def run_read(rows: int, out_dir: Path, environment: dict[str, str]) -> dict[str, Any]:
    """Peak bytes and seconds of one read in a process of its own."""
    code = "import sys; from bench.bigquery_rows import measure; measure(*sys.argv[1:])"
    argv = [sys.executable, "-W", "ignore", "-c", code, str(rows), str(out_dir)]
    done = subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True, env=os.environ | environment)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def main() -> int:
    """Measures, prints, and returns the exit code."""
    as_json = parse_arguments(__doc__ or "")
    measured: dict[int, list[dict[str, Any]]] = {SMALL: [], LARGE: []}
    with (
        tempfile.TemporaryDirectory(prefix="evergreen-bench-") as scratch,
        running(Path(scratch) / "box") as environment,
    ):
        os.environ.update(environment)
        for rows in measured:
            path = Path(scratch) / "rows.parquet"
            generate(path, rows)
            load(path, f"rows_{rows}")
        for _ in range(ROUNDS):
            for rows, runs in measured.items():
                runs.append(run_read(rows, Path(scratch) / f"out-{rows}", environment))
    peak = {rows: median(run["bytes"] for run in runs) for rows, runs in measured.items()}
    seconds = {rows: median(run["seconds"] for run in runs) for rows, runs in measured.items()}
    print_table(
        ["rows", "peak MB", "seconds", "rows/s"],
        [[f"{n:,}", f"{peak[n] / 1e6:,.0f}", f"{seconds[n]:.1f}", f"{n / seconds[n]:,.0f}"] for n in measured],
    )
    return print_result("bigquery_rows", {"memory": peak[SMALL] / peak[LARGE]}, {"memory": LIMIT}, as_json)


if __name__ == "__main__":
    sys.exit(main())
