"""What a segmentation model gives for a batch, and what a log keeps of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from evergreen.core.observation import Observation
from evergreen.data.pictures import Pixels

LARGEST_BYTE = 255.0
GRAIN_ROWS = 256
"""Of a picture, evenly spread, are looked at for its grain: that of a large one costs milliseconds."""


@dataclass(frozen=True)
class PictureOutputs:
    """`masks`: (H, W) uint8 class numbers each, of its picture's size; `embeddings`: (pictures, 32) float32."""

    masks: Sequence[Pixels]
    embeddings: npt.NDArray[np.float32] | None = None

    def __len__(self) -> int:
        """Pictures."""
        return len(self.masks)

    def __iter__(self) -> Iterator[Pixels]:
        """The masks."""
        return iter(self.masks)

    def __getitem__(self, rows: slice) -> PictureOutputs:
        """Some of the pictures."""
        return PictureOutputs(self.masks[rows], None if self.embeddings is None else self.embeddings[rows])


def shares_of(mask: Pixels, classes: int) -> list[float]:
    """How much of the picture each class takes."""
    counts = np.bincount(mask.ravel(), minlength=classes)
    return [float(count / mask.size) for count in counts]


def observations(pictures: Sequence[Pixels], outputs: PictureOutputs, labels: tuple[str, ...]) -> list[Observation]:
    """What a log keeps of each row: the class of most pixels stands for the prediction."""
    embeddings = outputs.embeddings
    noted = []
    for row, (picture, mask) in enumerate(zip(pictures, outputs.masks, strict=True)):
        shares = shares_of(mask, len(labels))
        best = max(range(len(labels)), key=shares.__getitem__)
        noted.append(
            Observation(
                features=_features(picture),
                prediction=labels[best],
                score=shares[best],
                probabilities=tuple(shares),
                embedding=None if embeddings is None else tuple(embeddings[row].tolist()),
            )
        )
    return noted


def _features(picture: Pixels) -> dict[str, float]:
    """Size in pixels; mean brightness, mean of each colour and grain: 0 to 1."""
    red, green, blue = (picture.reshape(-1, 3).mean(axis=0) / LARGEST_BYTE).tolist()
    height, width = picture.shape[:2]
    light: dict[str, Any] = {"brightness": (red + green + blue) / 3, "red": red, "green": green, "blue": blue}
    return {"width": float(width), "height": float(height), **light, "grain": _grain(picture)}


def _grain(picture: Pixels) -> float:
    """What neighbours in a row differ by on average: noise adds to it, blur takes from it, and the light may stay."""
    rows = picture[:: -(-len(picture) // GRAIN_ROWS)].astype(np.int16)
    apart = np.abs(np.diff(rows, axis=1))
    return float(apart.mean()) / LARGEST_BYTE if apart.size else 0.0
