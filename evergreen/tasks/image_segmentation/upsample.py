"""Logits brought to the size of the picture, for loss, metric and answer alike."""

from __future__ import annotations

import torch
from torch.nn import functional


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
