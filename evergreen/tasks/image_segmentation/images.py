"""Pictures and masks between bytes and arrays of a size: one way for preparation, training, evaluation and serving.

A picture is (H, W, 3) uint8 RGB, a mask (H, W) uint8 class numbers. Both are read as they are stored: a rotation that a
camera noted beside the pixels is not applied, for masks are drawn over the pixels.
"""

from __future__ import annotations

import io

import numpy as np

from evergreen.data.pictures import Pixels


def encode_jpeg(pixels: Pixels, quality: int = 85) -> bytes:
    """A picture as JPEG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def resize_picture(picture: Pixels, height: int, width: int) -> Pixels:
    """(height, width, 3): bilinear, as transformers' image processors resize."""
    from PIL import Image

    if picture.shape[:2] == (height, width):
        return picture
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR))


def resize_mask(mask: Pixels, height: int, width: int) -> Pixels:
    """(height, width): nearest neighbour, for between two class numbers lies no class."""
    from PIL import Image

    if mask.shape == (height, width):
        return mask
    return np.asarray(Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST))
