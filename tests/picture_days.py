"""Days of a model of pictures, and what cameras do to pictures: noise and darkness."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from evergreen.data.pictures import Pixels, decode_mask
from evergreen.evaluation.pixel_scores import segmentation_scores
from evergreen.evaluation.segmentation import confusion_of
from evergreen.tasks.image_segmentation.servable import instance_of
from tests.days import Answers, Cells, Days
from tests.tiny_images import IGNORED, LABELS, draw, png

Photo = tuple[Pixels, Pixels]
"""A picture (H, W, 3), and its mask (H, W)."""
NOISE = 110.0
"""Standard deviation of a noisy picture's values, of 255."""
LIGHT = 0.25
"""What is left of a dark picture's."""


def write_parquet(path: Path, columns: Sequence[str], cells: Cells) -> Path:
    """As `LocalPlace` has rows written."""
    file = path.with_suffix(".parquet")
    pq.write_table(pa.table(dict(zip(columns, zip(*cells, strict=True), strict=True))), file)
    return file


@dataclass
class PictureDays(Days[Photo]):
    """No label comes of what the endpoint is asked: masks take long to draw."""

    content: ClassVar[tuple[str, str]] = ("image", "mask")

    def cells(self, row: Photo) -> tuple[bytes, bytes]:
        """Picture and mask as PNG."""
        return png(row[0]), png(row[1])

    def instance(self, row: Photo) -> dict[str, str]:
        """The picture."""
        return instance_of(png(row[0]))

    def quality(self, answers: Answers, asked: Sequence[Photo]) -> float:
        """The mean IoU of the answered masks."""
        masks = (decode_mask(base64.b64decode(answer["mask"])) for answer in answers)
        pairs = zip(masks, asked, strict=True)
        confusions = [confusion_of(truth, mask, len(LABELS), IGNORED) for mask, (_, truth) in pairs]
        overall, _ = segmentation_scores(np.sum(confusions, axis=0)[np.newaxis])
        return float(overall["mean_iou"][0])


class Camera:
    """Takes pictures, each of another scene; equal cameras take equal ones."""

    def __init__(self) -> None:
        self._taken = 0
        self._random = np.random.default_rng(15)

    def usual(self, count: int) -> list[Photo]:
        """Of a clean lens by day."""
        numbers = range(self._taken, self._taken + count)
        self._taken += count
        return [draw(number) for number in numbers]

    def noisy(self, count: int) -> list[Photo]:
        """Of a sensor that is worn out."""
        return [(self._noised(picture), mask) for picture, mask in self.usual(count)]

    def dark(self, count: int) -> list[Photo]:
        """By night."""
        return [((picture * LIGHT).astype(np.uint8), mask) for picture, mask in self.usual(count)]

    def degraded(self, count: int) -> list[Photo]:
        """As many noisy as dark ones, and a few as they were."""
        usual = count // 10
        noisy = (count - usual) // 2
        taken = [*self.usual(usual), *self.noisy(noisy), *self.dark(count - usual - noisy)]
        return [taken[place] for place in self._random.permutation(count)]

    def _noised(self, picture: Pixels) -> Pixels:
        noised: Pixels = (picture + self._random.normal(0, NOISE, picture.shape)).clip(0, 255).astype(np.uint8)
        return noised
