"""Masks as a person can look at them: laid over their pictures in colours, the truth beside the answer."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from evergreen.core.colours import rgb_of
from evergreen.core.training import PictureAnswers
from evergreen.data.pictures import Pixels, encode_png
from evergreen.tasks.image_segmentation.images import resize_mask, resize_picture

OPACITY = 0.55
MOST_PICTURES = 6
LONGER_SIDE_PX = 128
GAP_PX = 4
_UNCOUNTED = np.array([0, 0, 0], dtype=np.uint8)


def palette(classes: int) -> npt.NDArray[np.uint8]:
    """(classes, 3) colours."""
    return np.array([rgb_of(number) for number in range(classes)], dtype=np.uint8)


def overlay(picture: Pixels, mask: Pixels, classes: int) -> Pixels:
    """(H, W, 3): the picture under the colours of the mask; numbers outside the classes are black."""
    colours = np.vstack([palette(classes), np.tile(_UNCOUNTED, (256 - classes, 1))])
    mixed: Pixels = (picture * (1 - OPACITY) + colours[mask] * OPACITY).astype(np.uint8)
    return mixed


def side_by_side(picture: Pixels, truth: Pixels, answer: Pixels, classes: int) -> str:
    """A small PNG in base64: the picture, the truth over it, the answer over it, from left to right."""
    scale = min(1.0, LONGER_SIDE_PX / max(truth.shape))
    height, width = (max(1, round(side * scale)) for side in truth.shape)
    small = resize_picture(picture, height, width)
    gap = np.full((height, GAP_PX, 3), 255, dtype=np.uint8)
    masks = [overlay(small, resize_mask(mask, height, width), classes) for mask in (truth, answer)]
    return base64.b64encode(encode_png(np.hstack([small, gap, masks[0], gap, masks[1]]))).decode("ascii")


def validation_answers(
    answer: Callable[[Sequence[Pixels]], Sequence[Pixels]],
    pictures: Sequence[Pixels] | Any,
    masks: Any,
    labels: tuple[str, ...],
) -> PictureAnswers:
    """The first pictures: as they are, with the truth, with the answer."""
    chosen = [np.asarray(picture) for picture in pictures[:MOST_PICTURES]]
    truths = [np.asarray(mask) for mask in masks[:MOST_PICTURES]]
    answers = answer(chosen)
    comparisons = (side_by_side(*shown, len(labels)) for shown in zip(chosen, truths, answers, strict=True))
    return PictureAnswers(labels=labels, overlays=tuple(comparisons))
