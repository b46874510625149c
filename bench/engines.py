"""A model's engines side by side: `python -m bench.engines [--json] [--rounds 3] [--rows 64]`.

MiniLM-L6 answers texts of AG News's lengths by torch and by each of its graphs, a process each, by turns: rows a second
one by one and in batches of eight, of inputs that are tokenized already, and the memory that the process has in the
end, libraries included. Each ratio is the lowest of the rounds. The limits are of order only: how much faster an engine
is depends on the processor, whose instructions are printed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench.report import print_result, print_table
from evergreen.core.engines import FP32, TORCH, EngineGraph, Engines
from evergreen.core.errors import InputError
from evergreen.core.protocols import Predictor
from evergreen.runtime.instructions import instruction_set
from evergreen.runtime.processes import PATIENT_THREADS, usable_cores

BATCH = 8
WARM_UP = 4
GRAPH_OVER_TORCH, INT8_OVER_GRAPH, MEMORY = "fp32 over torch", "fastest int8 over fp32", "memory of torch over fp32"
LIMITS = {GRAPH_OVER_TORCH: 1.0, INT8_OVER_GRAPH: 1.0, MEMORY: 1.0}
HEADER = ("engine", "rows/s one by one", "rows/s in eights", "ms a row, p50", "MB")
_CHILD = "import sys; from bench.engines import measure; measure(*sys.argv[1:])"
Rounds = Mapping[str, Sequence["Round"]]


@dataclass(frozen=True)
class Round:
    """One engine in one process."""

    alone_per_s: float
    batched_per_s: float
    p50_ms: float
    resident_bytes: int


def main() -> int:
    """0 when the order holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=64)
    options = parser.parse_args()
    from bench.contestants import texts
    from bench.models import write_text_model

    with tempfile.TemporaryDirectory(prefix="evergreen-bench-") as scratch:
        model = write_text_model(Path(scratch) / "model")
        engines = Engines.open(Path(scratch) / "model-engines")
        instances = [{"text": text} for text in texts(options.rows)]
        rounds = compare(model.path, engines, instances, options.rounds)
    return report(rounds, as_json=options.json)


def compare(model_dir: Path, engines: Engines, instances: Sequence[Mapping[str, Any]], rounds: int) -> Rounds:
    """The rounds of torch and of each graph, by turns."""
    names = (TORCH, *(variant.name for variant in engines.manifest.variants))
    measured: dict[str, list[Round]] = {name: [] for name in names}
    for _ in range(rounds):
        for name, series in measured.items():
            command = [sys.executable, "-c", _CHILD, name, str(model_dir), str(engines.path)]
            environment = {**os.environ, **PATIENT_THREADS}
            asked = json.dumps(instances)
            done = subprocess.run(command, check=True, input=asked, stdout=subprocess.PIPE, text=True, env=environment)
            series.append(Round(**json.loads(done.stdout.splitlines()[-1])))
    return measured


def measure(name: str, model_dir: str, engines_dir: str) -> None:
    """Prints the round of an engine in this process, for the instances on stdin."""
    predictor = _loaded(name, Path(model_dir), Engines.open(Path(engines_dir)))
    predictor.use_threads(usable_cores())
    rows = predictor.decode(json.load(sys.stdin))
    for row in rows[:WARM_UP]:
        predictor.predict([row])
    alone = _seconds(predictor, [[row] for row in rows])
    batched = _seconds(predictor, [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)])
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    resident = pages * os.sysconf("SC_PAGE_SIZE")
    spent = Round(len(rows) / sum(alone), len(rows) / sum(batched), 1000 * median(alone), resident)
    print(json.dumps(asdict(spent)))


def report(rounds: Rounds, *, as_json: bool) -> int:
    """Prints engines and ratios; 0 when the order holds."""
    print(f"{usable_cores()} cores with {instruction_set()}; medians of {len(rounds[TORCH])} rounds")
    print_table(HEADER, [_shown(name, series) for name, series in rounds.items()])
    ratios = {
        GRAPH_OVER_TORCH: _least_speed(rounds[FP32], rounds[TORCH]),
        MEMORY: min(one.resident_bytes / other.resident_bytes for one, other in _pairs(rounds[TORCH], rounds[FP32])),
    }
    int8 = [_least_speed(series, rounds[FP32]) for name, series in rounds.items() if name not in (TORCH, FP32)]
    if int8:
        ratios[INT8_OVER_GRAPH] = max(int8)
    return print_result("engines", ratios, LIMITS, as_json)


def _loaded(name: str, model_dir: Path, engines: Engines) -> Predictor:
    from evergreen.tasks import load_engine, load_predictor

    if name == TORCH:
        return load_predictor(model_dir)
    variant = engines.manifest.variant(name)
    if variant is None:
        raise InputError(f"{engines.path} has no engine {name}")
    return load_engine(model_dir, EngineGraph(engines, variant, usable_cores()))


def _seconds(predictor: Predictor, batches: Sequence[Sequence[Any]]) -> list[float]:
    spent = []
    for batch in batches:
        began = time.perf_counter()
        predictor.predict(batch)
        spent.append(time.perf_counter() - began)
    return spent


def _shown(name: str, series: Sequence[Round]) -> list[str]:
    alone, batched, p50, resident = (median(values) for values in zip(*map(_numbers, series), strict=True))
    return [name, f"{alone:.0f}", f"{batched:.0f}", f"{p50:.1f}", f"{resident / 1e6:.0f}"]


def _numbers(one: Round) -> tuple[float, ...]:
    return one.alone_per_s, one.batched_per_s, one.p50_ms, one.resident_bytes


def _least_speed(series: Sequence[Round], other: Sequence[Round]) -> float:
    """One by one, which is how most requests come: the lowest ratio of the rounds."""
    return min(one.alone_per_s / beside.alone_per_s for one, beside in _pairs(series, other))


def _pairs(series: Sequence[Round], other: Sequence[Round]) -> list[tuple[Round, Round]]:
    return list(zip(series, other, strict=True))


if __name__ == "__main__":
    sys.exit(main())
