"""Pictures a second of training, against a plain loop that decodes every picture in every epoch.

    python -m bench.image_training_speed [--json] [--rounds 3] [--pictures 240] [--epochs 5] [--side 800]

Both start from encoded pictures (JPEG, masks PNG) of `--side` pixels, in memory or in Parquet, and end with a network
of the same size that saw the same pictures as often, and was validated on the same ones. Ours also writes checkpoints
and saves its model inside the time that is measured. The smaller the pictures, the less there is to gain from decoding
them once: 800 × 800 lies between the photos of Oxford-IIIT Pet and the frames of Cityscapes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import pyarrow as pa
import pyarrow.parquet as pq

from bench.baselines import plain_segmentation_loop
from bench.report import print_result, print_table
from bench.training_speed import Run
from evergreen.adapters.shapes.scene import draw_scene
from evergreen.core.artifacts import FileEntry, SplitName, Splits, SplitsManifest
from evergreen.core.members import trainable
from evergreen.data.pictures import encode_png
from evergreen.tasks.image_segmentation.images import encode_jpeg
from evergreen.tasks.image_segmentation.settings import ImageSegmentation
from evergreen.tasks.libraries import quiet_transformers

Rows = Sequence[tuple[bytes, bytes]]

LABELS = ("body", "background", "border")
VALIDATION_PICTURES = 32
MIN_SPEED_UP = 1.5


def main() -> int:
    """0 when the limit holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pictures", type=int, default=240)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--side", type=int, default=800)
    options = parser.parse_args()
    task = ImageSegmentation.model_validate(
        {"labels": LABELS, "epochs": options.epochs, "batch_size": 16, "evaluations_per_epoch": 1}
        | {"learning_rate": 1e-3, "augmentation": {"min_crop": 1, "colour": 0}}
    )
    with ThreadPoolExecutor() as pool:
        rows = list(pool.map(lambda number: _encoded(number, options.side), range(options.pictures)))
    seconds = _measure(task, rows, options.rounds)
    speed = {name: len(rows) * task.epochs / median(series) for name, series in seconds.items()}
    print_table(["", "pictures/s (median)"], [[name, f"{value:.1f}"] for name, value in speed.items()])
    ratios = {"speed": speed["evergreen"] / speed["baseline"]}
    return print_result("image_training_speed", ratios, {"speed": MIN_SPEED_UP}, options.json)


def _measure(task: ImageSegmentation, rows: Rows, rounds: int) -> dict[str, list[float]]:
    """Seconds of `baseline` and `evergreen`, taken in turns after a round that warms both up."""
    seconds: dict[str, list[float]] = {"baseline": [], "evergreen": []}
    short = task.model_copy(update={"epochs": 1})
    with quiet_transformers():
        plain_segmentation_loop.train(short, rows[:32], rows[:16], 0)
        _evergreen(short, rows[:32], 0)
        for seed in range(1, rounds + 1):
            started = time.perf_counter()
            plain_segmentation_loop.train(task, rows, rows[:VALIDATION_PICTURES], seed)
            seconds["baseline"].append(time.perf_counter() - started)
            seconds["evergreen"].append(_evergreen(task, rows, seed))
            timings = ", ".join(f"{name} {series[-1]:.1f} s" for name, series in seconds.items())
            print(f"round {seed}: {timings}", flush=True)
    return seconds


def _evergreen(task: ImageSegmentation, rows: Rows, seed: int) -> float:
    with tempfile.TemporaryDirectory() as name:
        parts = {SplitName.TRAIN: rows, SplitName.VALIDATION: rows[:VALIDATION_PICTURES]}
        splits = _write_splits(Path(name, "splits"), parts)
        run = Run(Path(name, "model"), Path(name, "checkpoints"), seed)
        run.out_dir.mkdir()
        run.checkpoint_dir.mkdir()
        started = time.perf_counter()
        trainable(task).train(splits, run)
        return time.perf_counter() - started


def _encoded(number: int, side: int) -> tuple[bytes, bytes]:
    picture, mask = draw_scene(0, number, side)
    return encode_jpeg(picture, quality=90), encode_png(mask)


def _write_splits(path: Path, parts: dict[str, Rows]) -> Splits:
    entries = []
    for split, rows in parts.items():
        shard = path / split / "rows-00000.parquet"
        shard.parent.mkdir(parents=True)
        columns = {"id": [f"{split}-{number}" for number in range(len(rows))]}
        pq.write_table(
            pa.table(columns | {"image": [image for image, _ in rows], "mask": [mask for _, mask in rows]}), shard
        )
        entries.append(FileEntry.of(shard, path))
    manifest = SplitsManifest(
        files=tuple(entries),
        dataset="benchmark",
        seed=0,
        rows={split: len(rows) for split, rows in parts.items()},
        labels={},
        removed={},
    )
    return Splits.write(path, manifest)


if __name__ == "__main__":
    sys.exit(main())
