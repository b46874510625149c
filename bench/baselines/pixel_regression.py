"""What can be told of a pixel's class by itself: logistic regression on its colour and position, and the majority.

Fitted on pixels of the train split, scored on all pixels of the test split by mean IoU; both decode picture by picture.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from evergreen.data.shards import iter_batches

Array = np.ndarray[Any, np.dtype[Any]]

PIXELS_PER_PICTURE = 400


def fit_and_score(
    train: Sequence[Path], test: Sequence[Path], classes: int, weights: str | None, limit: int = 400
) -> tuple[float, float]:
    """Mean IoU of the regression and of the majority class, from the first `limit` pictures of either split.

    `weights` None fits pixels as they are, `balanced` gives each class the same weight.
    """
    draw = np.random.default_rng(0)
    features, labels = [], []
    for inputs, truth in _pictures(train, limit):
        chosen = draw.choice(len(truth), min(PIXELS_PER_PICTURE, len(truth)), replace=False)
        features.append(inputs[chosen])
        labels.append(truth[chosen])
    fitted = np.concatenate(labels)
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight=weights, max_iter=500))
    model.fit(np.concatenate(features), fitted)
    majority = int(np.bincount(fitted, minlength=classes).argmax())
    confusions = np.zeros((2, classes * classes), dtype=np.int64)
    for inputs, truth in _pictures(test, limit):
        for row, predicted in enumerate((model.predict(inputs), np.full(len(truth), majority))):
            confusions[row] += np.bincount(truth * classes + predicted, minlength=classes * classes)
    regression, constant = (_mean_iou(confusion.reshape(classes, classes)) for confusion in confusions)
    return regression, constant


def _pictures(shards: Sequence[Path], limit: int) -> Iterator[tuple[Array, Array]]:
    """Colour and position of each pixel, (pixels, 7), and its class, (pixels,), one picture at a time."""
    left = limit
    for batch in iter_batches(shards, columns=["image", "mask"]):
        for row in batch.slice(0, left).to_pylist():
            colour = np.asarray(Image.open(io.BytesIO(row["image"])).convert("RGB"), dtype=np.float32) / 255
            y, x = np.mgrid[-1 : 1 : colour.shape[0] * 1j, -1 : 1 : colour.shape[1] * 1j]
            place = np.stack([x, y, x * x, y * y], axis=-1)  # squares let the middle differ from the edges
            truth = np.asarray(Image.open(io.BytesIO(row["mask"])), dtype=np.int64)
            yield np.concatenate([colour, place], axis=-1).reshape(-1, 7), truth.ravel()
            left -= 1
        if left <= 0:
            return


def _mean_iou(confusion: Array) -> float:
    """Mean over the classes that occur, of `confusion[truth, found]`."""
    hits = np.diag(confusion)
    union = confusion.sum(axis=0) + confusion.sum(axis=1) - hits
    return float((hits[union > 0] / union[union > 0]).mean())
