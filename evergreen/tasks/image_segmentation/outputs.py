"""What a segmentation model gives for a batch, and what a log keeps of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from evergreen.core.observation import Observation
from evergreen.data.pictures import Pixels


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
    """Size in pixels, mean brightness, mean of each colour: 0 to 1."""
    red, green, blue = (picture.reshape(-1, 3).mean(axis=0) / 255.0).tolist()
    height, width = picture.shape[:2]
    colours: dict[str, Any] = {"red": red, "green": green, "blue": blue}
    return {"width": float(width), "height": float(height), "brightness": (red + green + blue) / 3, **colours}
