"""Logits brought to the size of the picture, for loss, metric and answer alike; and what a segmentation is fitted to:
cross-entropy of the pixels, and how well each class overlaps.

Dice loss: Milletari et al. 2016, arXiv:1606.04797, summed over the batch.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

IGNORED = -100
"""What torch leaves out of a cross-entropy."""


def upsampled(logits: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """(batch, classes, height, width), bilinear."""
    if logits.shape[-2:] == (height, width):
        return logits
    return functional.interpolate(logits, size=(height, width), mode="bilinear", align_corners=False)


def classes_at(logits: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """(height, width) uint8: the class of the highest logit, of (classes, h, w) logits brought to that size.

    One class at a time, so that a large picture of many classes needs little memory.
    """
    best = upsampled(logits[None, :1], height, width)[0, 0]
    classes = torch.zeros((height, width), dtype=torch.uint8, device=logits.device)
    for number in range(1, len(logits)):
        other = upsampled(logits[None, number : number + 1], height, width)[0, 0]
        higher = other > best
        best = torch.where(higher, other, best)
        classes[higher] = number
    return classes


def segmentation_loss(outputs: Any, labels: torch.Tensor, dice_weight: float) -> torch.Tensor:
    """Mean cross-entropy over the pixels that count, plus `dice_weight` times the Dice loss.

    Args:
        outputs: with `logits`: (batch, classes, h, w), brought to the size of the labels first.
        labels: (batch, H, W) int64 class numbers, IGNORED where nothing counts.
        dice_weight: 0 leaves the Dice loss out.
    """
    logits = upsampled(outputs["logits"], labels.shape[-2], labels.shape[-1]).float()
    counted = (labels != IGNORED).sum().clamp(min=1)
    # CUDA has no deterministic kernel that reduces the loss of pixels: it is summed apart
    loss = functional.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="none").sum() / counted
    return loss + dice_weight * dice_loss(logits, labels) if dice_weight else loss


def dice_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """1 − mean Dice coefficient of the classes that the batch has: soft, of the probabilities."""
    counts = (labels != IGNORED)[:, None]
    truth = functional.one_hot(labels.clamp(min=0), logits.shape[1]).movedim(-1, 1) * counts
    answer = logits.softmax(dim=1) * counts
    overlap, total = (answer * truth).sum(dim=(0, 2, 3)), (answer + truth).sum(dim=(0, 2, 3))
    present = truth.sum(dim=(0, 2, 3)) > 0
    dice = 2 * overlap / total.clamp(min=1e-6)
    return 1 - (dice * present).sum() / present.sum().clamp(min=1)
