"""Alarms on quiet days, a shift of a tenth of the rows, and the memory of a million: `python -m bench.drift [--json]`.

Rows are real news as a trained classifier answers them (see bench/news_rows.py), drawn without those that others of
the same draw have: a reference and days of 2,000 requests. Quiet days come in fives, after four more, with a reference
for all of them; an alarm is 2 drifted days of the last 5 and the newest. On the other days a tenth of the rows were
replaced by rows of one topic: one that the reference has, or one that neither reference nor classifier knows; a day
that drifts has found it. Beside it stands what is done without corrections: Kolmogorov and Smirnov's test of each
number of a row, an alarm where any p-value is below 0.05.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from bench.data_memory import peak_rss_bytes
from bench.news_rows import NotedNews, noted_news, topics
from bench.report import print_result, print_table
from evergreen.core.artifacts import FileEntry, ResolvedWindow
from evergreen.core.monitor import DriftRules
from evergreen.monitoring.compare import compare
from evergreen.monitoring.observed import Observed
from evergreen.monitoring.quality import wilson
from evergreen.monitoring.reference import NOTED, ROWS_NAME, Reference, ReferenceManifest
from evergreen.requestlog.arrow import BATCH_ROWS, SCHEMA

DAY = ResolvedWindow(start=datetime(2026, 5, 4, tzinfo=UTC), end=datetime(2026, 5, 5, tzinfo=UTC))
VERSION = "36df30fb3710"
REQUESTS, FEW_REQUESTS = 2_000, 300
SET, NEEDED, OF = 5, 2, 5
SHIFT = 0.1
REFERENCE_SHARE = 0.6
"""Of the rows; days are drawn of the others, which have enough of any topic to replace a tenth of a day by it."""
UNCORRECTED = 0.05
SMALL, LARGE = 100_000, 1_000_000
QUIET, KNOWN, NEW, MEMORY = "quiet days without alarm", "days with more of a topic", "days with a new topic", "memory"
QUIET_ALARM, QUIET_DAY = "alarms of quiet days", "quiet days that drift"
LIMITS = {QUIET: 0.95, KNOWN: 0.95, NEW: 0.95, MEMORY: 0.8}
Rows = npt.NDArray[np.int64]


def reference_of(rows: pa.Table, labels: tuple[str, ...], folder: Path) -> Reference:
    """The rows as a reference in `folder`."""
    pq.write_table(rows, folder / ROWS_NAME)
    files = (FileEntry.of(folder / ROWS_NAME, folder),)
    described: dict[str, Any] = {"kind": "text_classification", "labels": labels, "engine": "fp32", "version": VERSION}
    return Reference.write(folder, ReferenceManifest(files=files, rows=rows.num_rows, **described))


def logged(rows: pa.Table, first: int = 0) -> Iterator[pa.RecordBatch]:
    """The rows as a day's log has them, one a request, from number `first` on."""
    count = rows.num_rows
    numbers = np.arange(first, first + count)
    times = int(DAY.start.timestamp()) * 1_000_000 + numbers * 86_400_000_000 // (first + count)
    fixed = {"model": "news", "version": VERSION, "engine": "fp32", "status": 200, "latency_ms": 1.0, "count": 1}
    given: dict[str, Any] = {name: pa.array([value] * count, SCHEMA.field(name).type) for name, value in fixed.items()}
    given |= {"time": pa.array(times).cast(SCHEMA.field("time").type), "index": pa.array([0] * count, pa.int32())}
    given |= {"trace_id": [f"{VERSION}{number:020x}" for number in numbers], "input": pa.nulls(count, pa.string())}
    given |= {name: rows.column(name) for name in NOTED}
    yield from pa.table({name: given[name] for name in SCHEMA.names}, schema=SCHEMA).to_batches(BATCH_ROWS)


class Days:
    """The draws of references and days from news, whose references are written to `folder`."""

    def __init__(self, news: NotedNews, folder: Path) -> None:
        self.rows, self.labels, self.folder = news.rows, news.labels, folder
        self.truth = np.asarray(self.rows.column("label").to_pylist(), dtype=object)
        self.requests = REQUESTS if len(self.truth) > 3 * REQUESTS else FEW_REQUESTS
        self.rules = DriftRules(min_rows=FEW_REQUESTS)

    def drawn(self, draw: np.random.Generator) -> tuple[Rows, Rows]:
        """Rows of a reference, and others of which days are drawn."""
        known, pool = np.split(draw.permutation(len(self.truth)), [round(REFERENCE_SHARE * len(self.truth))])
        return known, pool

    def drifted(self, known: Rows, days: Sequence[Rows]) -> list[tuple[bool, bool]]:
        """Of each day whether it drifts, and whether it does without corrections."""
        reference = reference_of(self.rows.take(known), self.labels, self.folder)
        before = numbers_of(self.rows.take(known))
        found = []
        for day in days:
            rows = self.rows.take(day)
            found.append((compare(reference, logged(rows), self.rules, DAY).drifted, plainly(before, numbers_of(rows))))
        return found

    def quiet(self, sets: int) -> Iterator[tuple[bool, bool, bool]]:
        """Of each quiet day whether there is an alarm by 2 of 5, whether the day alone drifts, and whether it does
        without corrections.
        """
        for seed in range(sets):
            draw = np.random.default_rng(seed)
            known, pool = self.drawn(draw)
            days = [draw.choice(pool, self.requests, replace=False) for _ in range(OF - 1 + SET)]
            found = self.drifted(known, days)
            for last in range(OF - 1, len(days)):
                ours, plain = zip(*found[last + 1 - OF : last + 1], strict=True)
                yield ours[-1] and sum(ours) >= NEEDED, ours[-1], plain[-1]

    def shifted(self, seeds: Iterable[int], topic: str) -> Iterator[tuple[bool, bool]]:
        """Of a day of each seed whether it drifts: a tenth of its rows were replaced by rows of the topic, which the
        reference and the rest of the day have only where the classifier knows it.
        """
        for seed in seeds:
            draw = np.random.default_rng(2_000_000 + seed)
            known, pool = self.drawn(draw)
            of_topic = pool[self.truth[pool] == topic]
            if topic not in self.labels:
                known, pool = (rows[self.truth[rows] != topic] for rows in (known, pool))
            replaced = round(SHIFT * self.requests)
            rest = draw.choice(pool, self.requests - replaced, replace=False)
            moved = draw.choice(np.setdiff1d(of_topic, rest), replaced, replace=False)
            yield from self.drifted(known, [draw.permutation(np.concatenate([rest, moved]))])


def numbers_of(rows: pa.Table) -> dict[str, npt.NDArray[np.float64]]:
    """Every number of the rows by a name, but the sketches."""
    observed = Observed.of(rows)
    embedded = {f"embedding {number}": column for number, column in enumerate(observed.embeddings.T)}
    return {**observed.features, **embedded, "score": observed.scores}


def counted_days(found: int, of: int) -> list[str]:
    """How many days, the share of them that was found, and Wilson's interval of it."""
    interval = wilson(found, of)
    return [f"{of:,}", f"{found / of:.1%}", f"{interval.low:.1%} to {interval.high:.1%}"]


def plainly(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether any number's test alone has a p-value below 0.05."""
    from scipy.stats import ks_2samp

    return any(ks_2samp(before[name], after[name], method="asymp").pvalue < UNCORRECTED for name in before)


def measure(folder: str, rows: str) -> None:
    """Compares so many rows in this process, and prints its peak bytes."""
    reference = Reference.open(Path(folder))
    block = reference.table().slice(0, BATCH_ROWS)
    batches = (batch for first in range(0, int(rows), len(block)) for batch in logged(block, first))
    found = compare(reference, batches, DriftRules(), DAY)
    print(json.dumps({"bytes": peak_rss_bytes(), "rows": found.rows}))


def peaks(folder: Path) -> dict[int, float]:
    """Peak bytes by rows, each in a process of its own."""
    code = "import sys; from bench.drift import measure; measure(*sys.argv[1:])"
    measured = {}
    for rows in (SMALL, LARGE):
        argv = [sys.executable, "-c", code, str(folder), str(rows)]
        done = subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True)
        measured[rows] = json.loads(done.stdout.splitlines()[-1])["bytes"]
    return measured


def main() -> int:
    """Measures, prints, and returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--days", type=int, default=1_000, help="quiet days; a fifth as many with each shift")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="evergreen-bench-") as folder:
        news = noted_news()
        days = Days(news, Path(folder))
        print(
            f"{news.rows.num_rows:,} news, days of {days.requests:,} requests; the classifier's accuracy is "
            f"{news.accuracy:.3f}",
            flush=True,
        )
        quiet = list(days.quiet(options.days // SET))
        shifts: dict[str, list[tuple[bool, bool]]] = {KNOWN: [], NEW: []}
        reference_of(news.rows.slice(0, 5_000), news.labels, days.folder)
        memory = peaks(days.folder)
        for number, topic in enumerate(topics()):
            seeds = range(number, options.days // 5, len(topics()))
            for kind, among in ((KNOWN, days), (NEW, Days(noted_news(without=topic), days.folder))):
                of_topic = list(among.shifted(seeds, topic))
                shifts[kind] += of_topic
                print(f"{kind}, {topic}: {sum(ours for ours, _ in of_topic)} of {len(of_topic)} found", flush=True)
    alarms, single, plain = np.sum(quiet, axis=0)
    lines = [[QUIET_ALARM, *counted_days(alarms, len(quiet))], [QUIET_DAY, *counted_days(single, len(quiet))]]
    lines += [[name, *counted_days(sum(ours for ours, _ in days), len(days))] for name, days in shifts.items()]
    print_table(["", "days", "found", "95 % interval"], lines)
    print(
        f"of the quiet days {plain / len(quiet):.0%} have a p-value below {UNCORRECTED:g} by plain tests of each number"
    )
    print_table(["rows compared", "peak MB"], [[f"{rows:,}", f"{peak / 1e6:.0f}"] for rows, peak in memory.items()])
    ratios = {QUIET: 1 - alarms / len(quiet)} | {name: np.mean([ours for ours, _ in shifts[name]]) for name in shifts}
    return print_result("drift", ratios | {MEMORY: memory[SMALL] / memory[LARGE]}, LIMITS, options.json)


if __name__ == "__main__":
    sys.exit(main())
