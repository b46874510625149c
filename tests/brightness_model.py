"""A tiny model of pictures for tests of servers: ground, thing and sky by how bright a pixel is.

`python -m tests.brightness_model` serves it exactly as `python -m evergreen.serving` serves a task's model.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evergreen.core.artifacts import TrainedModel, TrainedModelManifest
from evergreen.data.pictures import Pixels
from evergreen.serving.__main__ import exit_now, main
from evergreen.tasks.image_segmentation.outputs import PictureOutputs
from evergreen.tasks.image_segmentation.servable import ImagePredictor

COMMAND = (sys.executable, "-m", "tests.brightness_model")
LABELS = ("ground", "thing", "sky")


class Brightness:
    engine = "python"
    takes_turns = False
    budget = pixels = 1

    def use_threads(self, count: int) -> None:
        """Takes one."""

    def run(self, pictures: Sequence[Pixels]) -> PictureOutputs:
        return PictureOutputs([(picture.mean(axis=2) // 86).astype(np.uint8) for picture in pictures])


def load(_model_dir: Path) -> ImagePredictor:
    return ImagePredictor(Brightness(), labels=LABELS, max_pixels=1_000_000)


def write_brightness_model(path: Path) -> TrainedModel:
    path.mkdir(parents=True)
    task: dict[str, Any] = {"kind": "image_segmentation", "labels": list(LABELS)}
    return TrainedModel.write(path, TrainedModelManifest(files=(), task=task, trained_on="none", seed=0))


if __name__ == "__main__":
    exit_now(main(load))
