"""What a pixel says by itself: a logistic regression of its colour and position.

A network that is no better has not learned what things look like. Classes weigh alike, as in a mean over classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from evergreen.core.artifacts import SplitName, Splits
from evergreen.data.pictures import Pixels
from evergreen.data.shards import split_batches
from evergreen.evaluation.measure import Numbers
from evergreen.tasks.image_segmentation.pictures import COLUMNS, ROWS_AT_ONCE, decode_pair

NAME = "logistic regression of colour and position"
PICTURES = 200
PIXELS_PER_PICTURE = 200
PIXELS_AT_ONCE = 1 << 18
"""Answered together: what bounds the memory that a large picture takes."""
STEPS = 300


class PixelRegression:
    """Fitted on some pixels of evenly spaced training pictures."""

    def __init__(self, splits: Splits, classes: int) -> None:
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        inputs, truth = _sampled(splits, classes)
        self._only = int(truth[0]) if len(truth) and (truth == truth[0]).all() else None
        self._model: Any = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=STEPS))
        if self._only is None:
            self._model.fit(inputs, truth)

    def answer(self, picture: Pixels) -> Numbers:
        """(H, W) class numbers."""
        if self._only is not None:
            return np.full(picture.shape[:2], self._only, dtype=np.int64)
        pixels = np.arange(picture.shape[0] * picture.shape[1])
        parts = range(0, len(pixels), PIXELS_AT_ONCE)
        answers = [self._model.predict(_features(picture, pixels[at : at + PIXELS_AT_ONCE])) for at in parts]
        return np.concatenate(answers).reshape(picture.shape[:2])


def _sampled(splits: Splits, classes: int) -> tuple[npt.NDArray[np.float32], Numbers]:
    rows, draw = splits.manifest.rows[SplitName.TRAIN], np.random.default_rng(0)
    chosen = np.unique(np.linspace(0, rows - 1, min(rows, PICTURES)).astype(np.int64))
    inputs, labels = [], []
    for batch in split_batches(splits, SplitName.TRAIN, COLUMNS, ROWS_AT_ONCE, chosen):
        for row in zip(*(batch[name].to_pylist() for name in COLUMNS), strict=True):
            picture, mask = decode_pair(*row)
            counted = np.flatnonzero(mask.ravel() < classes)
            pixels = draw.choice(counted, min(PIXELS_PER_PICTURE, len(counted)), replace=False)
            inputs.append(_features(picture, pixels))
            labels.append(mask.ravel()[pixels].astype(np.int64))
    return np.concatenate(inputs), np.concatenate(labels)


def _features(picture: Pixels, pixels: Numbers) -> npt.NDArray[np.float32]:
    """Colour and position of pixels by number: (pixels, 7). Squares of the position part the middle from the edges."""
    height, width = picture.shape[:2]
    x, y = np.linspace(-1, 1, width)[pixels % width], np.linspace(-1, 1, height)[pixels // width]
    colour = picture.reshape(-1, 3)[pixels] / 255
    return np.column_stack([colour, x, y, x * x, y * y]).astype(np.float32)
