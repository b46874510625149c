"""Pictures and their masks seen a little differently each time: mirrored, cropped, in other colours.

One view moves picture and mask together; the mask is read at the nearest pixel, so that no class appears that was not
there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evergreen.tasks.image_segmentation.settings import Augmentation

if TYPE_CHECKING:
    import torch


class View(NamedTuple):
    """One draw: a square window of `side` (share of the picture) around (`x`, `y`), both in [-1, 1]; factors of colour.

    The identity is `View(1.0, 0.0, 0.0, False, 1.0, 1.0, 1.0)`.
    """

    side: float
    x: float
    y: float
    mirrored: bool
    brightness: float
    contrast: float
    saturation: float


def draw(augmentation: Augmentation, generator: np.random.Generator) -> View:
    """A view; equal generators give equal views."""
    side = generator.uniform(augmentation.min_crop, 1)
    x, y = generator.uniform(-1, 1, 2) * (1 - side)
    mirrored = bool(augmentation.flip and generator.random() < 0.5)
    brightness, contrast, saturation = generator.uniform(1 - augmentation.colour, 1 + augmentation.colour, 3)
    return View(side, x, y, mirrored, brightness, contrast, saturation)


def look(pictures: torch.Tensor, masks: torch.Tensor, views: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The views of (batch, 3, H, W) pictures in [0, 1] and (batch, H, W) uint8 masks, in the same shapes.

    Args:
        pictures: on any device, with masks and views.
        masks: class numbers.
        views: (batch, 7) float32, a View a row.
    """
    import torch
    from torch.nn import functional

    side, x, y, mirrored = views[:, :4].unbind(dim=1)
    still = torch.zeros_like(side)
    across = torch.where(mirrored > 0, -side, side)
    moves = torch.stack([across, still, x, still, side, y], dim=1).view(-1, 2, 3)
    shape = [len(views), 1, *pictures.shape[2:]]
    grid = functional.affine_grid(moves, shape, align_corners=False)
    seen = functional.grid_sample(pictures, grid, mode="bilinear", padding_mode="border", align_corners=False)
    marked = functional.grid_sample(
        masks[:, None].float(), grid, mode="nearest", padding_mode="border", align_corners=False
    )
    return _coloured(seen, views), marked[:, 0].to(torch.uint8)


def _coloured(pictures: torch.Tensor, views: torch.Tensor) -> torch.Tensor:
    brightness, contrast, saturation = (views[:, number].view(-1, 1, 1, 1) for number in (4, 5, 6))
    pictures = pictures * brightness
    grey = pictures.mean(dim=1, keepdim=True)
    pictures = grey + (pictures - grey) * saturation
    mean = pictures.mean(dim=(1, 2, 3), keepdim=True)
    return (mean + (pictures - mean) * contrast).clamp_(0, 1)
