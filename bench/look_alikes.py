"""How many copies of pictures are found, how many different pictures are taken for copies, and how fast.

With CAMVID set to the folder of `configs/camvid.yaml`, also what whoever copies the mask of the nearest training frame
scores on the test split: drawn frame by frame, without those that look alike, and by the configuration's groups.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bench.baselines.nearest_mask import score_of_copying
from bench.report import parse_arguments, print_result, print_table
from evergreen.adapters.files.settings import FilesSettings
from evergreen.adapters.shapes.scene import draw_scene
from evergreen.core.members import source_of
from evergreen.data.database import open_database, view_parquet
from evergreen.data.duplicates.keys import BITS, keys_and_likeness
from evergreen.data.duplicates.pictures import find_alike
from evergreen.data.pictures import encode_png
from evergreen.data.split import split
from evergreen.data.split_plan import SplitPlan

PICTURES, SIZE = 300, 128
HASHES = 200_000
DISTANCE = SplitPlan().near_duplicate_distance or 0
LIMITS = {"JPEG, quality 85": 0.98, "JPEG, quality 30": 0.95, "half the size": 0.95, "different kept": 0.99}
SETTINGS = Path(__file__).parents[1] / "configs" / "camvid.yaml"


def _jpeg(image: Image.Image, quality: int) -> Image.Image:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return Image.open(out)


def _resized(image: Image.Image, share: float) -> Image.Image:
    return image.resize((round(image.width * share), round(image.height * share)), Image.Resampling.BICUBIC)


COPIES: Mapping[str, Callable[[Image.Image], Image.Image]] = {
    "JPEG, quality 85": lambda image: _jpeg(image, 85),
    "JPEG, quality 30": lambda image: _jpeg(image, 30),
    "half the size": lambda image: _resized(image, 0.5),
    "a third, JPEG 50": lambda image: _jpeg(_resized(image, 1 / 3), 50),
}


def _signed(images: list[Image.Image]) -> tuple[Any, Any, float]:
    """Content keys, hashes (0: none), and pictures a second for both."""
    import pyarrow as pa

    encoded = pa.array([encode_png(np.asarray(image.convert("RGB"))) for image in images])
    started = time.perf_counter()
    keys, alike = keys_and_likeness(encoded, 0)
    return keys, alike.fill_null(0).to_numpy(), len(images) / (time.perf_counter() - started)


def _find_copies(what: str, images: list[Image.Image]) -> dict[str, float]:
    """Share of copies found within the distance; prints the table."""
    keys, hashes, rate = _signed(images)
    shares: dict[str, float] = {}
    rows = []
    for name, copied in COPIES.items():
        theirs, other, _ = _signed([copied(image) for image in images])
        shares[name] = float(((np.bitwise_count(hashes ^ other) <= DISTANCE) & (hashes > 0) & (other > 0)).mean())
        rows.append([name, f"{(keys == theirs).mean():.0%}", f"{shares[name]:.1%}"])
    print_table([f"copies found of {len(images)} {what}", "by equal pixels", "by what they show"], rows)
    print(f"{(hashes == 0).sum()} of them show too little to be told; {rate:,.0f} pictures/s decoded and hashed\n")
    return shares


def _keep_others(images: list[Image.Image]) -> float:
    """Share of different pictures that are no look-alikes of another."""
    _, hashes, _ = _signed(images)
    apart = np.bitwise_count(hashes[:, None] ^ hashes[None])
    apart[np.eye(len(images), dtype=bool) | (hashes[:, None] == 0) | (hashes[None] == 0)] = BITS
    print(f"nearest two different pictures: {apart.min()} of {BITS} bits")
    return float((apart.min(1) > DISTANCE).mean())


def _match() -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    draw = np.random.default_rng(0)
    codes = draw.choice(3, HASHES, p=(0.1, 0.1, 0.8)).astype(np.uint8)
    table = {"row": np.arange(HASHES, dtype=np.uint32), "code": codes}
    with tempfile.TemporaryDirectory(prefix="evergreen-bench-") as scratch, open_database() as connection:
        path = Path(scratch) / "hashes.parquet"
        pq.write_table(pa.table(table | {"likeness": draw.integers(0, 1 << 64, HASHES, dtype=np.uint64)}), path)
        view_parquet(connection, "signatures", [path])
        started = time.perf_counter()
        find_alike(connection, codes, DISTANCE)
        print(f"{HASHES:,} hashes compared with each other in {time.perf_counter() - started:.1f} s\n")


def _street_scenes(folder: str) -> None:
    import yaml

    parameters = yaml.safe_load(SETTINGS.read_text(encoding="utf-8").replace("${CAMVID}", folder))["parameters"]
    grouped = FilesSettings.model_validate(parameters["source"])
    by_group = SplitPlan.model_validate(parameters["split"])
    single = grouped.model_copy(update={"group_pattern": None})
    alone = by_group.model_copy(update={"near_duplicate_distance": None})
    ways = [
        ("frame by frame", single, alone),
        ("the same without those that look alike", single, by_group),
        ("by groups", grouped, alone),
        ("by groups, without those that look alike", grouped, by_group),
    ]
    _find_copies("street scenes", [Image.open(path) for path in sorted(Path(folder, "images").iterdir())])
    rows = []
    for name, source, plan in ways:
        with tempfile.TemporaryDirectory(prefix="evergreen-bench-") as scratch:
            splits = split(source_of(source).read(None, Path(scratch) / "rows"), plan, Path(scratch) / "splits")
            score = score_of_copying(splits, len(parameters["task"]["labels"]))
        rows.append([name, *(str(splits.manifest.rows[part]) for part in ("train", "test")), f"{score:.2f}"])
    print_table(["street scenes", "train", "test", "mIoU of copying a mask"], rows)


def main() -> int:
    """Measures, prints, and returns the exit code."""
    as_json = parse_arguments(__doc__ or "")
    scenes = [Image.fromarray(draw_scene(0, number, SIZE)[0]) for number in range(PICTURES)]
    shares = _find_copies("generated pictures", scenes)
    shares["different kept"] = _keep_others(scenes)
    _match()
    if folder := os.environ.get("CAMVID"):
        _street_scenes(folder)
    return print_result("look_alikes", shares, LIMITS, as_json)


if __name__ == "__main__":
    sys.exit(main())
