"""One generated picture and its trimap. Loads numpy and Pillow.

Bodies stand before a backdrop of several pieces; bars that run across the picture may hide parts of them. The border
lies half inside and half outside the outline of what can be seen.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from evergreen.adapters.shapes.textures import Plane, backdrop, coat, noise
from evergreen.data.pictures import Pixels

BODY, BACKGROUND, BORDER = range(3)
Points = np.ndarray[Any, np.dtype[np.float64]]

_FINER = 4
"""Outlines are drawn so many times as large, then made smaller: their edges are soft."""
_BORDER_SHARE = 1 / 16
_ONE_DEVIATION = 0.8413
"""Share of an edge blurred by a Gaussian that is left one standard deviation inside of it."""


def draw_scene(seed: int, number: int, size: int) -> tuple[Pixels, Pixels]:
    """Picture (size, size, 3) and class indices (size, size), both uint8; equal for equal arguments."""
    draw = np.random.default_rng([seed, size, number])
    picture = _background(draw, size)
    bodies = [_filled(_body(draw), size) for _ in range(draw.choice([1, 2, 3], p=[0.65, 0.25, 0.1]))]
    seen = np.zeros((size, size), dtype=np.float32)
    for body in bodies:
        picture = _over(picture, coat(draw, size), body)
        seen = np.maximum(seen, body)
    for _ in range(draw.choice([0, 1, 2], p=[0.5, 0.35, 0.15])):
        bar = _filled([_bar(draw)], size)
        picture = _over(picture, backdrop(draw, size), bar)
        seen = seen * (1 - bar)
    return _photographed(draw, picture), _trimap(seen)


def _background(draw: np.random.Generator, size: int) -> Plane:
    """A backdrop with up to three pieces of others on it, each from edge to edge."""
    picture = backdrop(draw, size)
    for _ in range(draw.integers(4)):
        piece = _bar(draw, narrowest=0.15, widest=0.6)
        picture = _over(picture, backdrop(draw, size), _filled([piece], size))
    return picture


def _body(draw: np.random.Generator) -> list[Points]:
    """Outlines that make up one body, in units of the picture's side: a trunk, and often parts that stick out."""
    centre = draw.uniform(0.25, 0.75, 2)
    radius = draw.uniform(0.17, 0.36)
    outlines = [_outline(draw, centre, radius)]
    for _ in range(draw.choice([0, 1, 2, 3], p=[0.4, 0.3, 0.2, 0.1])):
        angle = draw.uniform(0, 2 * np.pi)
        place = centre + radius * np.array([np.cos(angle), np.sin(angle)])
        outlines.append(_outline(draw, place, radius * draw.uniform(0.35, 0.6)))
    return outlines


def _outline(draw: np.random.Generator, centre: Points, radius: float) -> Points:
    """An ellipse, a blob, a polygon or a star, turned and stretched: (corners, 2)."""
    form = draw.integers(4)
    corners = int(draw.integers(3, 8)) * (2 if form == 3 else 1) if form >= 2 else 48
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    distances = np.full(corners, radius)
    if form == 1:
        for waves in range(2, 6):
            distances += radius * draw.normal(0, 0.28 / waves) * np.cos(waves * angles + draw.uniform(0, 2 * np.pi))
    elif form == 2:
        distances *= draw.uniform(0.8, 1.3, corners)
    elif form == 3:
        distances[::2] *= 1.25
        distances[1::2] *= draw.uniform(0.55, 0.8)
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1) * distances[:, None]
    points *= [1, draw.uniform(0.55, 1)]
    turn = draw.uniform(0, 2 * np.pi)
    turned: Points = points @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return centre + turned


def _bar(draw: np.random.Generator, narrowest: float = 0.05, widest: float = 0.12) -> Points:
    """A straight bar from one edge of the picture to another: (4, 2)."""
    centre = draw.uniform(0.1, 0.9, 2)
    angle = draw.uniform(0, np.pi)
    along = 2 * np.array([np.cos(angle), np.sin(angle)])
    across = draw.uniform(narrowest, widest) / 2 * np.array([-np.sin(angle), np.cos(angle)])
    return np.stack(
        [centre + along + across, centre + along - across, centre - along - across, centre - along + across]
    )


def _filled(outlines: list[Points], size: int) -> Plane:
    """Share of each pixel that the outlines cover: (size, size), 0 to 1."""
    drawn = Image.new("L", (size * _FINER, size * _FINER))
    for outline in outlines:
        corners = [(float(x), float(y)) for x, y in outline * (size * _FINER)]
        ImageDraw.Draw(drawn).polygon(corners, fill=255)
    return np.asarray(drawn.reduce(_FINER), dtype=np.float32) / np.float32(255)


def _over(below: Plane, above: Plane, share: Plane) -> Plane:
    mixed: Plane = below + (above - below) * share[..., None]
    return mixed


def _photographed(draw: np.random.Generator, picture: Plane) -> Pixels:
    """The picture under uneven light, sometimes out of focus, with the noise of a sensor."""
    size = len(picture)
    lit = picture * (1 + draw.uniform(0, 0.6) * (noise(draw, size, 2) - 0.5))[..., None]
    noisy = lit + draw.uniform(0, 0.05) * draw.standard_normal(picture.shape, dtype=np.float32)
    pixels = (np.clip(noisy, 0, 1) * 255).astype(np.uint8)
    if draw.random() < 0.3:
        blurred = Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(float(draw.uniform(0.3, 0.8))))
        pixels = np.asarray(blurred)
    return pixels


def _trimap(seen: Plane) -> Pixels:
    """Class indices: what can be seen of the bodies, all else, and between them a border of even width.

    Blurred by half the border's width, a straight edge has _ONE_DEVIATION left where the border ends.
    """
    inside = seen >= 0.5
    edge = Image.fromarray(np.where(inside, np.uint8(255), np.uint8(0)))
    blurred = np.asarray(edge.filter(ImageFilter.GaussianBlur(len(seen) * _BORDER_SHARE / 2)))
    classes = np.full(seen.shape, BORDER, dtype=np.uint8)
    classes[blurred >= 255 * _ONE_DEVIATION] = BODY
    classes[(blurred <= 255 * (1 - _ONE_DEVIATION)) & ~inside] = BACKGROUND
    return classes
