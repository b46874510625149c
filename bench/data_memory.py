"""Peak memory of fetch, validate and split at 1,000,000 generated rows against 200,000: it must stay flat.

Each stage runs as its own process; ratios are the smaller run's peak over the larger run's.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from bench.report import parse_arguments, print_result, print_table

SMALL, LARGE = 200_000, 1_000_000
STAGES = ("fetch", "validate", "split")
LIMIT = 0.8
ROUNDS = 3
_LABELS = ("World", "Sports", "Business", "Sci/Tech")
_VOCABULARY = 30_000
_BLOCK_ROWS = 10_000
_COPIES, _NEAR_COPIES = 0.005, 0.01


def generate(path: Path, rows: int) -> None:
    """A CSV of `rows` articles with the lengths of AG News (mean 38 words), some of them copies or nearly so."""
    import numpy as np

    draw = np.random.default_rng(0)
    sizes = draw.integers(2, 10, _VOCABULARY)
    words = np.array(["".join(map(chr, draw.integers(97, 123, size))) for size in sizes])
    last: list[str] = []
    with path.open("w", encoding="utf-8") as file:
        file.write("label,content\n")
        for _ in range(rows // _BLOCK_ROWS):
            lengths = np.clip(draw.normal(38, 10, _BLOCK_ROWS), 8, 120).astype(int)
            # Squaring a uniform draw makes some words frequent and most rare, as in a language.
            chosen = words[(draw.random(lengths.sum()) ** 2 * _VOCABULARY).astype(int)].tolist()
            for end, length, fate in zip(lengths.cumsum(), lengths, draw.random(_BLOCK_ROWS), strict=True):
                last = _article(chosen[end - length : end], last, fate)
                file.write(f'{_LABELS[len(last) % 4]},"{" ".join(last)}."\n')


def _article(words: list[str], last: list[str], fate: float) -> list[str]:
    """The words, or by chance the article before: as it was, or with another last word."""
    if last and fate < _COPIES:
        return last
    return [*last[:-1], words[-1]] if last and fate < _COPIES + _NEAR_COPIES else words


def fetch(folder: Path) -> None:
    """Reads the CSV into a dataset."""
    from evergreen.adapters.files.settings import FilesSettings
    from evergreen.core.members import source_of

    source = FilesSettings(path=str(folder / "news.csv"), columns={"text": "content"})
    dataset = source_of(source).read(None, folder / "dataset")
    if dataset.manifest.rows != int(folder.name):
        raise ValueError(f"{dataset.manifest.rows} rows read of {folder.name}")


def validate(folder: Path) -> None:
    """Validates the dataset."""
    from evergreen.core.artifacts import Dataset
    from evergreen.tasks.text_classification.examinable import TextExamination
    from evergreen.tasks.text_classification.settings import TextClassification

    TextExamination(TextClassification(encoder="none", labels=_LABELS)).examine(Dataset.open(folder / "dataset"))


def split(folder: Path) -> None:
    """Splits the dataset."""
    from evergreen.core.artifacts import Dataset
    from evergreen.data.split import split as split_dataset
    from evergreen.data.split_plan import SplitPlan

    split_dataset(Dataset.open(folder / "dataset"), SplitPlan(), folder / "splits")


def peak_rss_bytes() -> int:
    """Most memory that this process held so far; of this program alone, unlike `ru_maxrss`, which `exec` inherits."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise OSError("no VmHWM in /proc/self/status; this benchmark needs Linux")


def measure(stage: str, folder: str) -> None:
    """Runs one stage in this process and prints its peak bytes and seconds."""
    stages: dict[str, Callable[[Path], None]] = {"fetch": fetch, "validate": validate, "split": split}
    started = time.perf_counter()
    stages[stage](Path(folder))
    print(json.dumps({"bytes": peak_rss_bytes(), "seconds": time.perf_counter() - started}))


def run_stage(stage: str, folder: Path) -> dict[str, float]:
    """Peak bytes and seconds of one stage in a process of its own."""
    code = "import sys; from bench.data_memory import measure; measure(*sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", code, stage, str(folder)], check=True, stdout=subprocess.PIPE, text=True
    )
    result: dict[str, float] = json.loads(done.stdout)
    return result


def main() -> int:
    """Measures, prints, and returns the exit code."""
    as_json = parse_arguments(__doc__ or "")
    measured: dict[tuple[str, int], list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory(prefix="evergreen-bench-") as scratch:
        folders = {rows: Path(scratch) / str(rows) for rows in (SMALL, LARGE)}
        for rows, folder in folders.items():
            folder.mkdir()
            generate(folder / "news.csv", rows)
        for _ in range(ROUNDS):
            for stage in STAGES:
                for rows, folder in folders.items():
                    measured.setdefault((stage, rows), []).append(run_stage(stage, folder))
    peak = {key: median(run["bytes"] for run in runs) for key, runs in measured.items()}
    seconds = {key: median(run["seconds"] for run in runs) for key, runs in measured.items()}
    print_table(
        ["stage", f"MB at {SMALL:,}", f"MB at {LARGE:,}", f"rows/s at {LARGE:,}"],
        [
            [
                stage,
                f"{peak[stage, SMALL] / 1e6:,.0f}",
                f"{peak[stage, LARGE] / 1e6:,.0f}",
                f"{LARGE / seconds[stage, LARGE]:,.0f}",
            ]
            for stage in STAGES
        ],
    )
    ratios = {stage: peak[stage, SMALL] / peak[stage, LARGE] for stage in STAGES}
    return print_result("data_memory", ratios, dict.fromkeys(STAGES, LIMIT), as_json)


if __name__ == "__main__":
    sys.exit(main())
