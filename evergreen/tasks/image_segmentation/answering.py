"""What a network answers for pictures, in training's pages as in evaluation and at the endpoint.

In the precision that the network has: float32 on a CPU, half of that on a GPU, whoever loads it to answer.

network.run([(375, 500, 3) uint8]) → PictureOutputs([(375, 500) uint8])
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from evergreen.core.protocols import Computing
from evergreen.data.pictures import Pixels
from evergreen.tasks.image_segmentation.images import resize_picture
from evergreen.tasks.image_segmentation.model import Architecture, as_floats, normalised
from evergreen.tasks.image_segmentation.outputs import PictureOutputs
from evergreen.tasks.libraries import torch_engine, use_threads

_PIXELS_PER_BATCH = {"cpu": 8 * 128 * 128, "cuda": 64 * 256 * 256}


class PictureNetwork(Computing, Protocol):
    """A network by one engine; its `budget` is of pixels, at the size that it is asked at."""

    @property
    def pixels(self) -> int:
        """Pixels of each picture, whatever its own size."""

    def run(self, pictures: Sequence[Pixels]) -> PictureOutputs:
        """Masks of the pictures' own sizes."""


class TorchPictureNetwork:
    """A network of an architecture, where it is, asked at `size` x `size`."""

    def __init__(self, network: Any, architecture: Architecture, size: int) -> None:
        self._network, self._architecture, self._size = network, architecture, size

    @property
    def engine(self) -> str:
        """Torch, and its precision where that is half."""
        return torch_engine(self._network)

    @property
    def takes_turns(self) -> bool:
        """On a GPU."""
        return bool(self._network.device.type != "cpu")

    @property
    def budget(self) -> int:
        """Pixels of a batch."""
        return _PIXELS_PER_BATCH[self._network.device.type]

    @property
    def pixels(self) -> int:
        """Pixels of each picture."""
        return self._size**2

    def use_threads(self, count: int) -> None:
        """Lets what the calling thread computes from now on use so many threads."""
        use_threads(count)

    def run(self, pictures: Sequence[Pixels]) -> PictureOutputs:
        """Masks of the pictures' own sizes."""
        return PictureOutputs(masks_of(self._network, self._architecture, self._size, pictures))


def masks_of(network: Any, architecture: Architecture, size: int, pictures: Sequence[Pixels]) -> list[Pixels]:
    """Masks of class numbers, each of its picture's size: (H, W) uint8; the network is asked at `size` x `size`."""
    import torch

    from evergreen.tasks.image_segmentation.logits import classes_at

    masks = []
    step = max(1, _PIXELS_PER_BATCH[network.device.type] // size**2)
    with torch.inference_mode():
        for start in range(0, len(pictures), step):
            some = pictures[start : start + step]
            resized = np.stack([resize_picture(picture, size, size) for picture in some])
            on_device = torch.from_numpy(resized).to(network.device)  # a byte a value on its way there
            inputs = normalised(as_floats(on_device), architecture.mean, architecture.std)
            logits = network(pixel_values=inputs.to(network.dtype)).logits.float()
            masks += [
                classes_at(picture_logits, *picture.shape[:2])
                for picture_logits, picture in zip(logits, some, strict=True)
            ]
    return [mask.cpu().numpy() for mask in masks]
