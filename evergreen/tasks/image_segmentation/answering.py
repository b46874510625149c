"""What a network answers for pictures, in training's pages as in evaluation and at the endpoint.

In float32 on every machine, so that what was evaluated is what is served.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from evergreen.data.pictures import Pixels
from evergreen.tasks.image_segmentation.images import resize_picture
from evergreen.tasks.image_segmentation.model import Architecture, as_floats, normalised

_PIXELS_PER_BATCH = {"cpu": 8 * 128 * 128, "cuda": 64 * 256 * 256}


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
            logits = network(pixel_values=inputs).logits
            masks += [
                classes_at(picture_logits, *picture.shape[:2])
                for picture_logits, picture in zip(logits, some, strict=True)
            ]
    return [mask.cpu().numpy() for mask in masks]
