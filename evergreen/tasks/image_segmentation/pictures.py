"""Splits decoded and resized once, as memory-mapped arrays: no epoch decodes again, and memory stays flat.

train-pictures.npy  (rows, size, size, 3) uint8
train-masks.npy     (rows, size, size) uint8

A training sees them a little differently each time: mirrored, cropped, in other colours. A view moves picture and mask
together; the mask is read at the nearest pixel, so that no class appears that was not there.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from evergreen.core.artifacts import Splits
from evergreen.core.errors import EvergreenError, InputError
from evergreen.data.pictures import PictureError, Pixels, decode_mask, decode_picture
from evergreen.data.shards import split_batches
from evergreen.tasks.image_segmentation.images import resize_mask, resize_picture
from evergreen.tasks.image_segmentation.settings import Augmentation

if TYPE_CHECKING:
    import torch

ROWS_AT_ONCE = 64
COLUMNS = ("id", "image", "mask")


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


class Sample(NamedTuple):
    """One row of a table: (size, size, 3) and (size, size) uint8, and how to look at it; None: as it is."""

    picture: Pixels
    mask: Pixels
    view: View | None


@dataclass(frozen=True)
class PictureTable:
    """A split of equal sizes. With an augmentation, a key is `epoch * rows + row`, and the view follows from it.

    So a view depends on seed, epoch and row alone: a resumed training sees what it would have seen.
    """

    pictures: npt.NDArray[np.uint8]
    masks: npt.NDArray[np.uint8]
    augmentation: Augmentation | None = None
    seed: int = 0

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, key: int) -> Sample:
        epoch, row = divmod(key, len(self))
        generator = np.random.default_rng((self.seed, epoch, row))
        view = None if self.augmentation is None else draw(self.augmentation, generator)
        return Sample(self.pictures[row], self.masks[row], view)

    def order(self, epoch: int) -> npt.NDArray[np.int64]:
        """The keys of an epoch, shuffled: (rows,)."""
        return epoch * len(self) + np.random.default_rng((self.seed, epoch)).permutation(len(self))


@dataclass(frozen=True)
class PictureCache:
    """Writes splits as picture tables below `folder`, each picture brought to `size` × `size`."""

    folder: Path
    size: int

    def table(self, splits: Splits, split: str, chosen: npt.NDArray[np.int64] | None = None) -> PictureTable:
        """The table of a split, or of its `chosen` row numbers in ascending order.

        Raises:
            InputError: no row, or one whose picture or mask cannot be used.
            EvergreenError: the disk has no room.
        """
        rows = splits.manifest.rows.get(split, 0) if chosen is None else len(chosen)
        if not rows:
            raise InputError(f"the {split} split has no rows; give it a larger fraction or the source more rows")
        pictures = self._array(f"{split}-pictures", (rows, self.size, self.size, 3))
        masks = self._array(f"{split}-masks", (rows, self.size, self.size))
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # decoding lets other threads run
            at = 0
            for batch in split_batches(splits, split, COLUMNS, ROWS_AT_ONCE, chosen):
                for picture, mask in pool.map(self._decoded, *(batch[name].to_pylist() for name in COLUMNS)):
                    pictures[at], masks[at] = picture, mask
                    at += 1
        return PictureTable(pictures, masks)

    def _array(self, name: str, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
        """A mapped array whose room on the disk is taken: a disk that fills up later would kill the process."""
        path = self.folder / f"{name}.npy"
        array = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
        try:
            with path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        except OSError as error:
            raise EvergreenError(
                f"no room in {self.folder} for {array.nbytes / 1e9:.1f} GB of decoded pictures ({error.strerror}); "
                "set TMPDIR to a larger disk, or lower task.image_size or task.max_train_rows"
            ) from error
        return array

    def _decoded(self, row_id: str, image: bytes, mask: bytes) -> tuple[Pixels, Pixels]:
        picture, truth = decode_pair(row_id, image, mask)
        return resize_picture(picture, self.size, self.size), resize_mask(truth, self.size, self.size)


def decode_pair(row_id: str, image: bytes, mask: bytes) -> tuple[Pixels, Pixels]:
    """Picture and mask of a row, of one size.

    Raises:
        InputError: one cannot be used, or their sizes differ; the row is named.
    """
    try:
        picture = decode_picture(image)
    except PictureError as error:
        raise InputError(f"row {row_id!r}: the picture {error}; correct or remove the row") from error
    try:
        truth = decode_mask(mask)
    except PictureError as error:
        raise InputError(f"row {row_id!r}: the mask {error}; correct or remove the row") from error
    if truth.shape != picture.shape[:2]:
        sizes = " and ".join(f"{width} × {height}" for height, width in (picture.shape[:2], truth.shape))
        raise InputError(f"row {row_id!r}: picture and mask have different sizes, {sizes}; correct or remove the row")
    return picture, truth


def draw(augmentation: Augmentation, generator: np.random.Generator) -> View:
    """A view; equal generators give equal views."""
    side = generator.uniform(augmentation.min_crop, 1)
    x, y = generator.uniform(-1, 1, 2) * (1 - side)
    mirrored = bool(augmentation.flip and generator.random() < 0.5)
    brightness, contrast, saturation = generator.uniform(1 - augmentation.colour, 1 + augmentation.colour, 3)
    return View(side, x, y, mirrored, brightness, contrast, saturation)


def augmented(pictures: torch.Tensor, masks: torch.Tensor, views: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
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
