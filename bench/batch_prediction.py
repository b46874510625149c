"""Rows a second of batch prediction against the usual loop over a table, and its peak memory as rows grow.

    python -m bench.batch_prediction [--json] [--rounds 3] [--rows 2000]

Both sides read a CSV and write one, and load the model within the time that is measured: MiniLM-L6 with a random head.
Texts are those of AG News, whose CSV $EVERGREEN_AG_NEWS names, else generated ones as long. The loop uses all cores
through torch, Evergreen a process a core and the graph that answers fastest here, as the champion's endpoint would; its
name is printed. Memory is the sum of the processes' peaks, with an encoder of two layers, 64 wide.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from bench.report import instruction_set, print_result, print_table

MIN_SPEED = 4.0
FLAT = 0.9
SMALL, LARGE = 20_000, 200_000
WORKERS = 2
MAX_LENGTH = 128


def write_texts(path: Path, texts: Iterable[str]) -> Path:
    """A CSV of these texts."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text"])
        writer.writerows(enumerate(texts))
    return path


def invented(rows: int, words: Sequence[str]) -> Iterator[str]:
    """So many texts of about 38 words."""
    draw = random.Random(0)  # noqa: S311 - invented texts
    for _ in range(rows):
        yield " ".join(draw.choices(words, k=int(min(max(draw.gauss(38, 10), 8), 120))))


def words_of(count: int = 2_000) -> list[str]:
    """Invented words."""
    draw = random.Random(1)  # noqa: S311 - invented words
    return ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(2, 9))) for _ in range(count)]


def ours(model_dir: str, source: str, output: str) -> str:
    """The engine that predicted a table as `run.py predict` does, once the champion's directory is there."""
    from evergreen.adapters.files.output_settings import FilesOutput
    from evergreen.adapters.files.settings import FilesSettings
    from evergreen.batch.job import run
    from evergreen.batch.plan import Asked, job_of
    from evergreen.batch.work import Model
    from evergreen.core.artifacts import TrainedModel
    from evergreen.tasks import load_task

    trained = TrainedModel.open(Path(model_dir))
    model = Model(model_dir, trained.version, ({"text": "a text"},))
    asked = Asked(FilesSettings(path=source))
    return run(job_of("bench", model, load_task(trained.path), asked, FilesOutput(path=output)), WORKERS).engine


def theirs(model_dir: str, source: str, output: str) -> str:
    """The engine of the usual loop, after it."""
    from bench.baselines.tutorial_prediction import predict

    predict(Path(model_dir), Path(source), Path(output), MAX_LENGTH)
    return "torch"


def measure(side: str, model_dir: str, source: str, output: str) -> None:
    """Runs one side here; prints its seconds, its engine, and the peak bytes of this process and those it started."""
    import resource

    began = time.perf_counter()
    engine = {"ours": ours, "theirs": theirs}[side](model_dir, source, output)
    seconds = time.perf_counter() - began
    peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(json.dumps({"seconds": seconds, "bytes": 1024 * (peaks[0] + WORKERS * peaks[1]), "engine": engine}))


def run_side(side: str, model_dir: Path, source: Path, output: Path) -> dict[str, Any]:
    """Seconds, bytes and engine of one side in a process of its own."""
    code = "import sys; from bench.batch_prediction import measure; measure(*sys.argv[1:])"
    command = [sys.executable, "-c", code, side, str(model_dir), str(source), str(output)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def speeds(folder: Path, rows: int, rounds: int) -> dict[str, list[float]]:
    """Rows a second of each side, by turns."""
    from bench.contestants import texts
    from bench.models import write_text_model

    model = write_text_model(folder / "minilm")
    source = write_texts(folder / "texts.csv", texts(rows))
    found: dict[str, list[float]] = {"theirs": [], "ours": []}
    for _ in range(rounds):
        for side, series in found.items():
            done = run_side(side, model.path, source, folder / f"{side}.csv")
            print(f"{side} by {done['engine']}", file=sys.stderr)
            series.append(rows / done["seconds"])
    return found


def peaks(folder: Path, counts: Sequence[int]) -> dict[int, float]:
    """Peak bytes by rows."""
    from bench.untrained import small_encoder, untrained

    words = words_of()
    model = untrained(folder / "small", small_encoder(folder / "encoder", words), MAX_LENGTH)
    found = {}
    for rows in counts:
        source = write_texts(folder / f"{rows}.csv", invented(rows, words))
        found[rows] = run_side("ours", model.path, source, folder / f"{rows}-out.csv")["bytes"]
    return found


def main() -> int:
    """0 when the limits hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=2_000)
    parser.add_argument("--memory-rows", type=int, nargs=2, default=(SMALL, LARGE), metavar="ROWS")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="evergreen-bench-") as name:
        folder = Path(name)
        found = speeds(folder, options.rows, options.rounds)
        held = peaks(folder, options.memory_rows)
    print(f"{options.rows:,} rows, {WORKERS} processes, {instruction_set()}")
    print_table(
        ["rows a second", *(f"round {number + 1}" for number in range(options.rounds))],
        [[side, *(f"{speed:,.1f}" for speed in series)] for side, series in found.items()],
    )
    print_table(["rows", "MB"], [[f"{rows:,}", f"{size / 1e6:,.0f}"] for rows, size in held.items()])
    small, large = (held[rows] for rows in options.memory_rows)
    ratios = {"speed": median(found["ours"]) / median(found["theirs"]), "flat memory": small / large}
    return print_result("batch_prediction", ratios, {"speed": MIN_SPEED, "flat memory": FLAT}, options.json)


if __name__ == "__main__":
    sys.exit(main())
