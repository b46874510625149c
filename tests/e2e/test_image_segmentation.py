"""Generated pictures to a live endpoint that answers pictures with masks, told by the same commands as texts."""

from __future__ import annotations

import base64
import io
import json
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from evergreen.adapters.shapes.scene import draw_scene
from evergreen.data.pictures import Pixels, encode_png
from evergreen.evaluation.pixel_scores import segmentation_scores
from evergreen.evaluation.segmentation import confusion_of
from tests.e2e.project import Project

pytestmark = pytest.mark.e2e

COUNT, SIZE = 700, 64
TASK: dict[str, Any] = {"image_size": SIZE, "epochs": 4, "batch_size": 16}
GATE: dict[str, Any] = {"minimum": {"pixel_accuracy": 0.55}, "class_floors": {}, "baselines": "report"}


def test_pictures_are_segmented_by_a_live_endpoint(project: Project, tmp_path: Path) -> None:
    config = project.configuration(
        "shapes", base="shapes.yaml", source={"count": COUNT, "size": SIZE}, task=TASK, gate=GATE
    )
    run = project.run("--config", config)
    lines = run.stdout.splitlines()
    assert any(line.startswith("mean_iou") and "test images" in line for line in lines), run.stdout
    assert any(line.startswith("rows        ") and " seen" in line for line in lines), run.stdout

    command = shlex.split(next(line for line in lines if line.startswith("try it")).removeprefix("try it"))
    asked = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert set(asked["predictions"][0]) == {"mask", "width", "height", "shares"}

    pictures = [draw_scene(0, number, SIZE) for number in range(COUNT, COUNT + 12)]  # none of them was trained on
    answers = _asked(project, config, [picture for picture, _ in pictures], tmp_path)
    confusions = [confusion_of(truth, answer, 3) for (_, truth), answer in zip(pictures, answers, strict=True)]
    overall, _ = segmentation_scores(np.sum(confusions, axis=0)[np.newaxis])
    report = project.last_report()
    assert overall["mean_iou"][0] > report["baseline"]["metrics"]["mean_iou"] + 0.1
    assert overall["mean_iou"][0] == pytest.approx(report["metrics"]["mean_iou"]["value"], abs=0.15)

    status = project.status(config)
    assert set(status["champion"]["metrics"]) == {"mean_iou", "dice", "pixel_accuracy"}
    assert status["endpoint"]["traffic"] == {status["champion"]["version"]: 100}
    assert project.artifacts_without_page() == []

    worse = project.configuration(
        "worse",
        base="shapes.yaml",
        source={"count": COUNT, "size": SIZE},
        task=TASK | {"epochs": 1, "learning_rate": 1e-6, "max_train_rows": 32},
        gate={**GATE, "minimum": {}, "margin": {}, "value_margin": {"pixel_accuracy": 0.001}},
    )
    lines = project.run("--config", worse).stdout.splitlines()
    assert any(line.startswith("verdict") and "keep the champion" in line for line in lines), lines
    assert any("pixel_accuracy" in line and "0.001" in line for line in lines), lines
    assert project.status(config)["endpoint"]["traffic"] == status["endpoint"]["traffic"]


def _asked(project: Project, config: Path, pictures: Sequence[Pixels], folder: Path) -> list[Pixels]:
    """The masks that `predict` brings back of a table of files."""
    table = folder / "pictures.jsonl"
    with table.open("w", encoding="utf-8") as file:
        for number, picture in enumerate(pictures):
            path = folder / f"{number}.png"
            path.write_bytes(encode_png(picture))
            file.write(json.dumps({"image": str(path)}) + "\n")
    lines = project.run("predict", "--config", config, "--input", table).stdout.splitlines()
    masks = [json.loads(line)["mask"] for line in lines if line.startswith("{")]
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(mask)))) for mask in masks]
