"""Pictures and masks from bytes to arrays, and back: one way for training, evaluation and serving.

A picture is (H, W, 3) uint8 RGB, a mask (H, W) uint8 class numbers. Both are read as they are stored: a rotation that a
camera noted beside the pixels is not applied, for masks are drawn over the pixels.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

Pixels = npt.NDArray[np.uint8]

INDEX_MODES = ("L", "P")
_FORMATS = ("PNG", "JPEG")
_LARGEST_BYTE = 255.0


class PictureError(ValueError):
    """Bytes are no picture or mask that can be used; the message completes `the picture …`."""


def decode_picture(data: bytes, max_pixels: int | None = None) -> Pixels:
    """(H, W, 3) RGB.

    Raises:
        PictureError: the bytes are no whole PNG or JPEG, or of more than `max_pixels`.
    """
    image = _opened(data, max_pixels)
    return np.asarray(_loaded(image).convert("RGB"))


def decode_mask(data: bytes) -> Pixels:
    """(H, W) class numbers.

    Raises:
        PictureError: the bytes are no whole PNG of one channel of 8 bits.
    """
    image = _opened(data, None)
    if image.mode not in INDEX_MODES:
        raise PictureError(f"has mode {image.mode}, a mask has one channel of 8 bits ({' or '.join(INDEX_MODES)})")
    return np.asarray(_loaded(image))


def encode_png(pixels: Pixels) -> bytes:
    """A picture or mask as PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


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


def as_floats(pictures: torch.Tensor) -> torch.Tensor:
    """(batch, 3, H, W) in [0, 1], channels last in memory, of (batch, H, W, 3) uint8."""
    return pictures.permute(0, 3, 1, 2).float().div_(_LARGEST_BYTE)


def normalised(pictures: torch.Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> torch.Tensor:
    """(batch, 3, H, W) as the model reads them, of values in [0, 1]."""
    import torch

    shape = (1, 3, 1, 1)
    scaled = (pictures - torch.tensor(mean).view(shape)) / torch.tensor(std).view(shape)
    return scaled.contiguous(memory_format=torch.channels_last)


def _opened(data: bytes, max_pixels: int | None) -> Image:
    """The picture, whose head alone was read."""
    import warnings

    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # `max_pixels` is ours
            image = Image.open(io.BytesIO(data), formats=_FORMATS)
    except Image.DecompressionBombError as error:
        raise PictureError(f"is far too large ({error}); make it smaller") from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise PictureError(f"is no {' or '.join(_FORMATS)} file") from error
    if max_pixels is not None and image.width * image.height > max_pixels:
        raise PictureError(
            f"has {image.width} × {image.height} pixels, at most {max_pixels:,} are allowed; make it smaller"
        )
    return image


def _loaded(image: Image) -> Image:
    try:
        image.load()
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise PictureError(f"is damaged: {error}") from error
    return image
