"""A hash of what a picture shows: copies that were resized or compressed again, and neighbouring frames, differ in few
of its 64 bits; other pictures in about half.

Each bit tells whether one of the 64 slowest waves of the brightness (of its cosine transform) is above their median
(Zauner: Implementation and benchmarking of perceptual image hash functions, 2010). All sums are of whole numbers, so
that every machine finds the same bits.
"""

from __future__ import annotations

import numpy as np

from evergreen.data.pictures import Pixels

BITS = 64
_SIDE = 32
_WAVES = 8
_SCALE = 4096
_LEAST = 0.5
"""Grey levels that a wave must have to tell anything; what compression leaves on a plain surface has less."""
_TELLING = BITS // 2
"""Waves that must tell something; of a plain picture, or a spot on plain ground, bits are the same or mere noise."""


_ANGLES = np.outer(np.arange(1, _WAVES + 1), 2 * np.arange(_SIDE) + 1) * np.pi / (2 * _SIDE)
_COSINES = np.rint(_SCALE * np.cos(_ANGLES)).astype(np.int64)
"""Waves 1 to 8 over 32 samples, in parts of _SCALE; wave 0 would tell the brightness alone: (8, 32)."""
_ONE_LEVEL = (_SIDE // 2 * _SCALE) ** 2
"""What the sum over a wave of one grey level comes to."""


def likeness(pixels: Pixels) -> int | None:
    """The hash of a picture, (height, width, 3) uint8; None: it shows too little to be told by it."""
    from PIL import Image

    if min(pixels.shape[:2]) <= _WAVES:
        return None  # so few pixels hold no such waves
    grey = Image.fromarray(pixels).convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    waves = (_COSINES @ np.asarray(grey, dtype=np.int64) @ _COSINES.T).ravel()  # (64,)
    if np.count_nonzero(np.abs(waves) > _LEAST * _ONE_LEVEL) < _TELLING:
        return None
    return int.from_bytes(np.packbits(waves > np.median(waves)).tobytes(), "big")
