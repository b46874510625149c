"""Surfaces of generated pictures. Loads numpy and Pillow.

Colours of a body and of what is behind it are drawn alike, so that no single pixel tells them apart: a body has a coat
(fine hair in one direction, under spots, bands or patches), a background has gradients, flat pieces and grain.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

Plane = np.ndarray[Any, np.dtype[np.float32]]
"""(size, size) or (size, size, 3) float32; colours are about 0 to 1."""

HAIR_LENGTH = 6
"""Pixels of a hair's length for one of its width."""


def coat(draw: np.random.Generator, size: int) -> Plane:
    """The surface of a body: (size, size, 3)."""
    first, second = _colours(draw)
    pattern = draw.integers(4)
    if pattern == 0:
        share = _smooth_step(noise(draw, size, int(draw.integers(3, 6))) - 0.5)
    elif pattern == 1:
        share = _smooth_step(noise(draw, size, int(draw.integers(9, 15))) - 0.55)
    elif pattern == 2:
        waves = _along(draw, size) * draw.uniform(25, 50) + 6 * noise(draw, size, 4)
        share = _smooth_step(np.sin(waves))
    else:
        share = 0.5 * noise(draw, size, 3)
    hair = draw.uniform(0.10, 0.18) * _hair(draw, size)
    light = draw.uniform(0.1, 0.4) * _along(draw, size)
    surface: Plane = _mixed(first, second, share) * (1 + light)[..., None] + hair[..., None]
    return surface


def backdrop(draw: np.random.Generator, size: int) -> Plane:
    """A surface that is none of a body: (size, size, 3)."""
    first, second = _colours(draw)
    share = 0.5 + _along(draw, size) * draw.uniform(-0.5, 0.5) + draw.uniform(0, 0.8) * (noise(draw, size, 3) - 0.5)
    pattern = draw.integers(4)
    if pattern == 0:  # planks or tiles
        frequency = draw.uniform(8, 30)
        share = share + 0.25 * np.sign(np.sin(frequency * _along(draw, size)))
    elif pattern == 1:  # foliage: as blotched as a coat
        share = _smooth_step(noise(draw, size, int(draw.integers(6, 15))) - 0.5)
    surface = _mixed(first, second, np.clip(share, 0, 1))
    if draw.random() < 0.6:
        grain = draw.uniform(0.12, 0.42) * (noise(draw, size, size // 2) - 0.5)
        surface = surface + grain.astype(np.float32)[..., None]
    return surface


def noise(draw: np.random.Generator, size: int, cells: int) -> Plane:
    """Smooth noise of about 0 to 1 with `cells` hills a side: (size, size)."""
    grid = draw.random((cells, cells), dtype=np.float32)
    return np.asarray(Image.fromarray(grid).resize((size, size), Image.Resampling.BICUBIC))


def _colours(draw: np.random.Generator) -> tuple[Plane, Plane]:
    """Two colours, the second sometimes close to the first: (3,) each."""
    first = draw.uniform(0.1, 0.9, 3).astype(np.float32)
    second = draw.uniform(0.1, 0.9, 3).astype(np.float32)
    return first, first + (second - first) * np.float32(draw.uniform(0.3, 1))


def _mixed(first: Plane, second: Plane, share: Plane) -> Plane:
    mixed: Plane = (first + (second - first) * share[..., None]).astype(np.float32)
    return mixed


def _smooth_step(signed: Plane) -> Plane:
    """0 below zero and 1 above it, with a soft edge."""
    share: Plane = np.clip(signed * 6 + 0.5, 0, 1)
    return share


def _along(draw: np.random.Generator, size: int) -> Plane:
    """How far each pixel lies in a random direction, about -0.7 to 0.7: (size, size)."""
    angle = draw.uniform(0, 2 * np.pi)
    steps = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    return np.add.outer(np.float32(np.sin(angle)) * steps, np.float32(np.cos(angle)) * steps)


def _hair(draw: np.random.Generator, size: int) -> Plane:
    """Fine streaks in one direction, mean 0: (size, size)."""
    side = size * 3 // 2  # of this the middle is left when it was turned
    streaks = draw.standard_normal((side, side // HAIR_LENGTH), dtype=np.float32)
    turned = Image.fromarray(streaks).resize((side, side), Image.Resampling.BILINEAR)
    turned = turned.rotate(float(draw.uniform(0, 180)), Image.Resampling.BILINEAR)
    edge = (side - size) // 2
    return np.asarray(turned.crop((edge, edge, edge + size, edge + size)))
