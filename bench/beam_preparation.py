"""Preparation by Beam: one process against two, and its memory with four times the pictures.

    python -m bench.beam_preparation [--json] [--pictures 1600] [--side 512]

Folders of PNGs and their masks are decoded, checked, resized to 128 × 128 and written, as `run.py prepare` does, each
time by a new process whose memory, with all that it started, is looked at every 50 ms.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import psutil

from bench.report import print_result, print_table

MIN_SPEED_UP = 1.5
MIN_FLATNESS = 0.8
LABELS = ("body", "background", "border")
_POLL_EVERY_S = 0.05


def main() -> int:
    """0 when both limits hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--pictures", type=int, default=1600)
    parser.add_argument("--side", type=int, default=512)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="evergreen-bench-") as name:
        folder = Path(name)
        generate(folder / "all", options.pictures, options.side)
        generate(folder / "few", options.pictures // 4, options.side)
        cases = {"1 process": ("all", 1), "2 processes": ("all", 2), "2 processes, a quarter": ("few", 2)}
        taken = {case: _measured(folder, raw, workers) for case, (raw, workers) in cases.items()}
    print_table(["", "s", "MB at most"], [[case, f"{s:.1f}", f"{mb:.0f}"] for case, (s, mb) in taken.items()])
    ratios = {
        "speed": taken["1 process"][0] / taken["2 processes"][0],
        "memory": taken["2 processes, a quarter"][1] / taken["2 processes"][1],
    }
    return print_result("beam_preparation", ratios, {"speed": MIN_SPEED_UP, "memory": MIN_FLATNESS}, options.json)


def prepare(raw: Path, target: Path, workers: int) -> None:
    """What is measured."""
    from evergreen.adapters.files.settings import FilesSettings
    from evergreen.preparation import LocalRunnerSettings, Preparation
    from evergreen.preparation.plan import plan_of
    from evergreen.preparation.run import prepare as prepare_rows
    from evergreen.tasks.image_segmentation.settings import ImageSegmentation

    origin = FilesSettings(path=str(raw), format="image_folders")
    source = FilesSettings(path=str(target), columns={"image": "image", "mask": "mask"})
    preparation = Preparation(origin=origin, image_size=128, runner=LocalRunnerSettings(workers=workers))
    prepare_rows(plan_of(preparation, ImageSegmentation(labels=LABELS), source))


def _measured(folder: Path, raw: str, workers: int) -> tuple[float, float]:
    """Seconds, and the most megabytes that the process and those that it started held together."""
    started, most = time.perf_counter(), 0
    command = [sys.executable, "-m", "bench.beam_preparation", "prepare", folder / raw, folder / f"{raw}-{workers}"]
    with subprocess.Popen([*map(str, command), str(workers)]) as process:
        while process.poll() is None:
            most = max(most, _held(process.pid))
            time.sleep(_POLL_EVERY_S)
    if process.returncode:
        raise SystemExit(f"the preparation ended with {process.returncode}")
    return time.perf_counter() - started, most / 1e6


def _held(pid: int) -> int:
    try:
        parent = psutil.Process(pid)
        return sum(process.memory_info().rss for process in [parent, *parent.children(recursive=True)])
    except psutil.NoSuchProcess:
        return 0


def generate(folder: Path, pictures: int, side: int) -> None:
    """Pictures of shapes and their masks as PNG, `side` pixels square."""
    folder.mkdir()
    with ProcessPoolExecutor() as pool:
        list(pool.map(_draw, [folder] * pictures, range(pictures), [side] * pictures, chunksize=50))


def _draw(folder: Path, number: int, side: int) -> None:
    from evergreen.adapters.shapes.scene import draw_scene
    from evergreen.data.pictures import encode_png

    picture, mask = draw_scene(0, number, side)
    (folder / f"{number:05d}.png").write_bytes(encode_png(picture))
    (folder / f"{number:05d}_mask.png").write_bytes(encode_png(mask))


if __name__ == "__main__":
    if sys.argv[1:2] == ["prepare"]:
        prepare(Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
        sys.exit(0)
    sys.exit(main())
