"""A night with 10 % new rows: what is new, trained on from the champion, against a training on all rows.

    python -m bench.nights [--json] [--seeds 3] [--rows 2225]

The demo's articles and encoder. Nine tenths of the articles make the champion; of two models with that champion one
then has an incremental night, the other a full one, by turns, each to its endpoint. A seed decides which tenth of each
class is new, and how both train. Seconds are those of the whole command; those inside its steps are shown. Both models
answer the test rows of the full night, which neither was trained on; points of accuracy are means over all seeds. The
gate lets through whatever either makes.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import fmean
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from bench.pipeline_overhead import ROOT, output_of, step_seconds, timed
from bench.report import instruction_set, print_result, print_table
from evergreen.adapters.files.settings import FilesSettings
from evergreen.core.members import source_of
from evergreen.data.shards import iter_batches

MOST_TIME = 0.35
MOST_POINTS = 0.01
TENTHS = 10
START = datetime(2026, 5, 1, tzinfo=UTC)
NIGHTS: dict[str, dict[str, Any]] = {"incremental": {"data": "incremental"}, "full": {"data": "all"}}
COLUMNS = {"id": "id", "text": "text", "label": "label", "arrived": "arrived"}
GATE = {"min_test_rows": 1, "margin": {}, "baselines": "report", "beat_baseline": False}
NEWEST_RUN = """
from zenml.client import Client
print(Client().list_pipeline_runs(sort_by="desc:created", size=1).items[0].name)
"""


@dataclass(frozen=True)
class Night:
    """Seconds of a run, in all, of the processor and by step, and its name."""

    seconds: float
    processor: float
    steps: dict[str, float]
    run: str

    @property
    def inside(self) -> float:
        """Seconds inside the steps."""
        return sum(self.steps.values())


@dataclass(frozen=True)
class Round:
    """A night of each kind, and what their models answer: (rows, 2) right by row, incremental and full."""

    nights: dict[str, Night]
    old: list[tuple[bool, bool]]
    new: list[tuple[bool, bool]]


def main() -> int:
    """0 when the limits hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--seeds", type=int, default=3, choices=range(1, TENTHS + 1))
    parser.add_argument("--rows", type=int, help="take so many articles of all classes alike; default all")
    options = parser.parse_args()
    rows = _articles(options.rows)
    print(f"instruction set: {instruction_set()}; {len(rows):,} articles", flush=True)
    rounds = []
    for seed in range(1, options.seeds + 1):
        with tempfile.TemporaryDirectory(prefix="evergreen-bench-") as folder:
            rounds.append(_round(Path(folder), rows, seed))
        _print_round(seed, rounds[-1])
    return _report(rounds, as_json=options.json)


def _articles(most: int | None) -> list[dict[str, str]]:
    """The rows of the demo, in the order of their files' names within each class."""
    source = source_of(FilesSettings.model_validate(_demo()["parameters"]["source"]))
    with tempfile.TemporaryDirectory(prefix="evergreen-bench-") as folder:
        dataset = source.read(None, Path(folder, "rows"))
        rows = [row for batch in iter_batches(dataset.shards, ["id", "text", "label"]) for row in batch.to_pylist()]
    step = 1 if most is None else max(1, len(rows) // most)
    return sorted(rows, key=lambda row: str(row["id"]))[::step]


def _demo() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "configs" / "local.yaml").read_text(encoding="utf-8"))
    return document


def _round(home: Path, rows: list[dict[str, str]], seed: int) -> Round:
    """Two models with one champion, and a night of each; who goes first changes with the seed."""
    old, new = _old_and_new(rows, seed)
    place = home / "rows"
    place.mkdir()
    timed(home, "-m", "stacks.apply", "local")
    configurations = {kind: _configuration(home, kind, seed) for kind in NIGHTS}
    order = list(NIGHTS)[:: 1 if seed % 2 else -1]
    try:
        _arrive(place / "old.parquet", old, day=0)
        for path in configurations.values():  # the second champion comes from cache
            timed(home, "run.py", "--config", str(path))
        _arrive(place / "new.parquet", new, day=1)
        nights = {kind: _night(home, _configuration(home, kind, seed, NIGHTS[kind])) for kind in order}
    finally:
        for path in configurations.values():
            timed(home, "run.py", "teardown", "--config", str(path))
    told = output_of(home, "-m", "bench.night_answers", nights["full"].run, nights["incremental"].run)
    answers: dict[str, list[bool]] = json.loads(told.splitlines()[-1])
    names = {row["id"] for row in new}
    pairs: dict[bool, list[tuple[bool, bool]]] = {True: [], False: []}
    for name, (full, incremental) in answers.items():
        pairs[name in names].append((incremental, full))
    return Round(nights, old=pairs[False], new=pairs[True])


def _old_and_new(rows: list[dict[str, str]], seed: int) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """New is the tenth by that number of each class: articles that lie beside each other may tell of one thing."""
    old: list[dict[str, str]] = []
    new: list[dict[str, str]] = []
    in_class, before = Counter(row["label"] for row in rows), Counter[str]()
    for row in rows:
        tenth = before[row["label"]] * TENTHS // in_class[row["label"]]
        (new if tenth == seed - 1 else old).append(row)
        before[row["label"]] += 1
    return old, new


def _night(home: Path, configuration: Path) -> Night:
    """A run up to the endpoint. Raises RuntimeError where the gate kept its model out."""
    before, used = _champion(home, configuration), _processor_seconds()
    seconds = timed(home, "run.py", "--config", str(configuration))
    used = _processor_seconds() - used
    if _champion(home, configuration) == before:
        raise RuntimeError(f"the night of {configuration} made no champion, so it ended early")
    return Night(seconds, used, step_seconds(home), output_of(home, "-c", NEWEST_RUN).splitlines()[-1])


def _champion(home: Path, configuration: Path) -> str:
    told = output_of(home, "run.py", "status", "--config", str(configuration), "--json").splitlines()
    return str(json.loads(next(line for line in told if line.startswith("{")))["champion"]["version"])


def _processor_seconds() -> float:
    """Of all commands that have ended, and what they waited for; less than the clock's where others use the cores."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _arrive(path: Path, rows: list[dict[str, str]], day: int) -> None:
    times = [START + timedelta(days=day, seconds=number) for number in range(len(rows))]
    columns = {name: [row[name] for row in rows] for name in ("id", "text", "label")}
    pq.write_table(pa.table({**columns, "arrived": times}), path)


def _configuration(home: Path, kind: str, seed: int, refresh: dict[str, Any] | None = None) -> Path:
    """The demo's on the rows in `home`, of a model by the name of its kind of night; what is new, unless told else."""
    document = _demo()
    parameters = document["parameters"]
    parameters |= {
        "model_name": kind,
        "seed": seed,
        "source": {"kind": "files", "path": str(home / "rows"), "columns": COLUMNS},
        "refresh": refresh or NIGHTS["incremental"],
        "gate": GATE,
        "host": {"kind": "local_endpoint", "port": 0},
    }
    path = home / f"{kind}.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def _print_round(seed: int, one: Round) -> None:
    print(f"\nseed {seed}: {len(one.old)} old and {len(one.new)} new test rows")
    steps = list(one.nights["full"].steps)
    table = [
        ["whole command", *(f"{one.nights[kind].seconds:.1f}" for kind in NIGHTS)],
        ["  of the processor", *(f"{one.nights[kind].processor:.1f}" for kind in NIGHTS)],
        ["inside steps", *(f"{one.nights[kind].inside:.1f}" for kind in NIGHTS)],
        *([f"  {step}", *(f"{one.nights[kind].steps[step]:.1f}" for kind in NIGHTS)] for step in steps),
        *([f"right, {name} rows", *_shares(pairs)] for name, pairs in (("old", one.old), ("new", one.new))),
    ]
    print_table(["", *NIGHTS], table)
    sys.stdout.flush()


def _shares(pairs: list[tuple[bool, bool]]) -> list[str]:
    return [f"{fmean(side):.4f}" for side in zip(*pairs, strict=True)]


def _report(rounds: list[Round], *, as_json: bool) -> int:
    """Times are summed and accuracies averaged over all rounds; each ratio is higher the better for what is new."""
    ratios, limits = {}, {}
    measured = {"time": "seconds", "time inside steps": "inside", "time of the processor": "processor"}
    for name, field in measured.items():
        incremental, full = (sum(getattr(one.nights[kind], field) for one in rounds) for kind in NIGHTS)
        ratios[name] = full / incremental
        print(f"{name}: {incremental / full:.3f} of the full night's")
    limits["time"] = 1 / MOST_TIME
    for name in ("old", "new"):
        by_round = [[fmean(side) for side in zip(*getattr(one, name), strict=True)] for one in rounds]
        incremental, full = (fmean(side) for side in zip(*by_round, strict=True))
        ratios[f"accuracy, {name} rows"] = incremental / full
        limits[f"accuracy, {name} rows"] = 1 - MOST_POINTS / full
        print(f"accuracy on {name} rows: {incremental:.4f}, of the full night {full:.4f}")
    return print_result("nights", ratios, limits, as_json)


if __name__ == "__main__":
    sys.exit(main())
