"""The usual segmentation loop: every picture and mask is decoded and resized in each epoch, by the process that trains.

As in "Semantic segmentation" of the Hugging Face documentation and its countless copies: float32, AdamW, random
batches.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from evergreen.tasks.image_segmentation.model import ARCHITECTURES
from evergreen.tasks.image_segmentation.settings import ImageSegmentation

Rows = Sequence[tuple[bytes, bytes]]


class Pictures(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Encoded pictures and masks, decoded when they are asked for; half of them mirrored."""

    def __init__(self, rows: Rows, size: int) -> None:
        self._rows, self._size = rows, size

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, torch.Tensor]:
        """(3, size, size) float32 and (size, size) int64."""
        image, mask = self._rows[row]
        sides = (self._size, self._size)
        picture = Image.open(io.BytesIO(image)).convert("RGB").resize(sides, Image.Resampling.BILINEAR)
        classes = Image.open(io.BytesIO(mask)).resize(sides, Image.Resampling.NEAREST)
        pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1).float().div(127.5).sub(1)
        labels = torch.from_numpy(np.array(classes)).long()
        if torch.rand(()) < 0.5:
            pixels, labels = pixels.flip(2), labels.flip(1)
        return pixels, labels


def train(task: ImageSegmentation, rows: Rows, validation: Rows, seed: int) -> Any:
    """The trained network, with the task's architecture, size, epochs, batch size and learning rate.

    After each epoch it is asked for the loss on the rows of `validation`.
    """
    transformers.set_seed(seed)
    network = ARCHITECTURES[task.architecture].fresh(task.labels)
    optimizer = torch.optim.AdamW(network.parameters(), lr=task.learning_rate, weight_decay=task.weight_decay)
    loader = DataLoader(Pictures(rows, task.image_size), batch_size=task.batch_size, shuffle=True)
    held_out = DataLoader(Pictures(validation, task.image_size), batch_size=task.batch_size)
    for _ in range(task.epochs):
        network.train()
        for pixels, labels in loader:
            loss = _loss(network, pixels, labels)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
        network.eval()
        with torch.no_grad():
            for pixels, labels in held_out:
                _loss(network, pixels, labels)
    return network


def _loss(network: Any, pixels: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    logits = torch.nn.functional.interpolate(network(pixel_values=pixels).logits, labels.shape[1:])
    return torch.nn.functional.cross_entropy(logits, labels)
