"""How well the networks for pictures segment, and what they cost: `python -m bench.networks`, or `make networks`.

    CAMVID=data/camvid python -m bench.networks [--json] [--seeds 2] [--epochs 40]

Each starts from random weights and sees the same pictures as often, by the settings of `configs/camvid.yaml`, which are
the U-Net's; SegFormer, which has no normalisation over a batch, learns at a lower rate. Without CAMVID set to the
folder of that configuration the pictures are generated ones of `configs/shapes.yaml`. Each ratio is a network's mean
IoU over that of the majority class, of its worst seed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, get_args

import yaml

from bench.report import instruction_set, print_result, print_table
from bench.training_speed import Run
from evergreen.adapters.files.settings import FilesSettings
from evergreen.adapters.shapes.settings import ShapesSettings
from evergreen.core.artifacts import Splits
from evergreen.core.members import examinable, source_of, trainable
from evergreen.core.metric import MetricName
from evergreen.data.class_counts import ClassCountsWriter
from evergreen.data.split import split
from evergreen.data.split_plan import SplitPlan
from evergreen.evaluation.evaluate import evaluate
from evergreen.tasks.image_segmentation.measurable import ImageEvaluator
from evergreen.tasks.image_segmentation.model import ARCHITECTURES
from evergreen.tasks.image_segmentation.settings import ArchitectureName, ImageSegmentation
from evergreen.tasks.libraries import quiet_transformers

CONFIGS = Path(__file__).parents[1] / "configs"
NETWORKS: tuple[ArchitectureName, ...] = get_args(ArchitectureName)
CHANGES: Mapping[ArchitectureName, Mapping[str, Any]] = {"segformer": {"learning_rate": 5e-4}}
LEAST_OVER_MAJORITY = 1.5
GENERATED = 600
HEADER = ("network", "parameters", "mIoU", "lowest", "pixel accuracy", "s/epoch", "ms a picture")


@dataclass(frozen=True)
class Result:
    """One training on one seed, measured on the test split."""

    mean_iou: float
    pixel_accuracy: float
    majority: float
    """Mean IoU of the class of most training pixels."""
    epoch_s: float
    latency_ms: float


class AgainstMajority(ImageEvaluator):
    """Leaves the regression of colour and position out, which would take most of the time on large frames."""

    def references(self) -> tuple[()]:
        """None."""
        return ()


def main() -> int:
    """0 when the limits hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--epochs", type=int, help="those of the configuration where it is left out")
    parser.add_argument("--pictures", type=int, default=GENERATED, help="generated ones, where CAMVID is not set")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="evergreen-bench-") as scratch:
        task, splits = read(os.environ.get("CAMVID"), options.pictures, Path(scratch))
        task = task.model_copy(update={"epochs": options.epochs or task.epochs})
        results = measure(task, splits, range(1, options.seeds + 1), Path(scratch))
    return report(task, results, as_json=options.json)


def read(folder: str | None, pictures: int, scratch: Path) -> tuple[ImageSegmentation, Splits]:
    """The task and its rows: of street scenes in a folder, or so many generated pictures."""
    name = "shapes.yaml" if folder is None else "camvid.yaml"
    text = (CONFIGS / name).read_text(encoding="utf-8").replace("${CAMVID}", folder or "")
    parameters = yaml.safe_load(text)["parameters"]
    source = ShapesSettings(count=pictures) if folder is None else FilesSettings.model_validate(parameters["source"])
    rows = source_of(source).read(None, scratch / "rows")
    task = ImageSegmentation.model_validate(parameters["task"])
    with ClassCountsWriter(scratch / "class_counts") as writer:
        report = examinable(task).examine(rows, writer.add)
        class_counts = writer.finish()
    plan = SplitPlan.model_validate(parameters["split"])
    splits = split(rows, plan, scratch / "splits", report.set_aside, class_counts)
    counts = ", ".join(f"{part} {count:,}" for part, count in splits.manifest.rows.items())
    print(f"{name} ({counts}), {task.image_size} x {task.image_size} pixels, {instruction_set()}", flush=True)
    return task.model_copy(update={"early_stopping_patience": sys.maxsize}), splits  # as many epochs for each


def measure(
    task: ImageSegmentation,
    splits: Splits,
    seeds: Sequence[int],
    scratch: Path,
    names: Sequence[ArchitectureName] = NETWORKS,
) -> dict[ArchitectureName, list[Result]]:
    """Results by network, in the order of the seeds; networks take turns."""
    results: dict[ArchitectureName, list[Result]] = {name: [] for name in names}
    with quiet_transformers():
        for seed in seeds:
            for name in names:
                settings = {"architecture": name, **CHANGES.get(name, {})}
                trained = _result(task.model_copy(update=settings), splits, seed, scratch / f"{name}-{seed}")
                results[name].append(trained)
                seen = f"mIoU {trained.mean_iou:.3f}, {trained.epoch_s:.1f} s an epoch"
                print(f"seed {seed}  {name:14} {seen}", flush=True)
    return results


def _result(task: ImageSegmentation, splits: Splits, seed: int, folder: Path) -> Result:
    run = Run(folder / "model", folder / "checkpoints", seed)
    run.out_dir.mkdir(parents=True)
    run.checkpoint_dir.mkdir()
    started = time.perf_counter()
    model = trainable(task).train(splits, run)
    seconds = time.perf_counter() - started
    report = evaluate(model, None, AgainstMajority(splits, task))
    return Result(
        mean_iou=report.metrics[MetricName.MEAN_IOU].value,
        pixel_accuracy=report.metrics[MetricName.PIXEL_ACCURACY].value,
        majority=report.baseline.metrics[MetricName.MEAN_IOU],
        epoch_s=seconds / task.epochs,
        latency_ms=report.timings.latency_p50_ms,
    )


def report(task: ImageSegmentation, results: Mapping[ArchitectureName, Sequence[Result]], *, as_json: bool) -> int:
    """Prints the table and the ratios; 0 when the limits hold."""
    majority = next(iter(results.values()))[0].majority
    rows = [_row(task, name, series) for name, series in results.items()]
    print_table(HEADER, [["majority class", "", f"{majority:.3f}", "", "", "", ""], *rows])
    ratios: dict[str, float] = {
        name: min(result.mean_iou for result in series) / majority for name, series in results.items()
    }
    return print_result("networks", ratios, dict.fromkeys(ratios, LEAST_OVER_MAJORITY), as_json)


def _row(task: ImageSegmentation, name: ArchitectureName, series: Sequence[Result]) -> list[str]:
    parameters = sum(weight.numel() for weight in ARCHITECTURES[name].fresh(task.labels).parameters())
    return [
        name,
        f"{parameters:,}",
        f"{fmean(result.mean_iou for result in series):.3f}",
        f"{min(result.mean_iou for result in series):.3f}",
        f"{fmean(result.pixel_accuracy for result in series):.3f}",
        f"{fmean(result.epoch_s for result in series):.1f}",
        f"{fmean(result.latency_ms for result in series):.1f}",
    ]


if __name__ == "__main__":
    sys.exit(main())
