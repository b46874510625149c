"""Pictures and masks as bytes: out of a source's columns, into pixels and back. Loads Pillow only where it decodes.

A mask is a PNG of one channel with 8 bits (mode L, or P whose palette is ignored): the class index of each pixel.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from evergreen.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    import pyarrow as pa
    from PIL import Image

Pixels = np.ndarray[Any, np.dtype[np.uint8]]

UNLISTED = 254
"""The class index of mask values that `mask_classes` does not list: none that a label has, so that validation tells."""
PICTURE_FORMATS = ("PNG", "JPEG")
"""What a picture that is learned from and served may be, in Pillow's words."""
MODES = {"L", "P"}
"""One channel of 8 bits, in Pillow's words."""
MOST_PIXELS = 64_000_000
"""Of one picture: what bounds the memory that decoding takes."""
_PNG = "PNG"
_SEVERAL_JPEGS = "MPO"
"""What Pillow calls the JPEGs of cameras that store a preview behind the picture."""
_DEEP_MODES = ("I", "F")
"""How modes of more than 8 bits begin; bringing them to 8 would cut off all that is bright."""
_BITS = 8
_ORIENTATION = 274
_UPRIGHT = 1
"""The Exif tag in which a camera notes how it was held, and what it notes of a picture that is stored upright."""
_BIT_DEPTH_AT = 24
"""Where a PNG tells its bits a sample."""


class PictureError(ValueError):
    """Bytes that are no usable picture or mask; the message says why and names no row."""


def picture_bytes(column: pa.Array, source: str) -> pa.Array:
    """The encoded pictures of a column of bytes, or of structures with the member `bytes` as the Hub's data sets have.

    Raises:
        InputError: the column holds something else.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_struct(column.type) and column.type.get_field_index("bytes") >= 0:
        column = pc.struct_field(column, "bytes")
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type) or pa.types.is_null(column.type):
        return column.cast(pa.binary())
    raise InputError(
        f"column '{source}' holds {column.type}, not the bytes of encoded pictures; map another column, or read "
        "Parquet, TFRecord or folders of pictures"
    )


def reclassed(masks: pa.Array, classes: Mapping[int, int]) -> pa.Array:
    """The masks with each pixel's value replaced by its class index, UNLISTED where there is none, as PNG again.

    What is no mask of one channel stays as it is: validation names it.
    """
    import pyarrow as pa

    table = np.full(256, UNLISTED, dtype=np.uint8)
    for value, index in classes.items():
        table[value] = index
    return pa.array([None if one is None else _reclassed(one, table) for one in masks.to_pylist()], pa.binary())


def _reclassed(mask: bytes, table: Pixels) -> bytes:
    try:
        with _opened(mask) as opened:
            if opened.mode not in {*MODES, "1"} or opened.format == "JPEG" or _is_spread(mask, opened):
                return mask
            return encode_png(table[np.asarray(opened, dtype=np.uint8)])
    except PictureError:
        return mask


def decode_picture(encoded: bytes, formats: Collection[str] | None = None, most_pixels: int | None = None) -> Pixels:
    """The picture as (height, width, 3) uint8, at most `most_pixels` (None: MOST_PIXELS), as it is stored.

    Raises:
        PictureError: it cannot be decoded whole, is too large, has channels of more than 8 bits, or is of none of the
            `formats`, where they are given. A JPEG of several pictures counts as JPEG: the first is taken.
    """
    with _opened(encoded, most_pixels, " or ".join(formats or ["picture"])) as opened:
        kind = "JPEG" if opened.format == _SEVERAL_JPEGS else opened.format
        if formats is not None and kind not in formats:
            raise PictureError(f"is a {kind} (allowed: {', '.join(formats)})")
        if opened.mode.startswith(_DEEP_MODES):
            raise PictureError(f"is a {kind} of mode {opened.mode}, with more than 8 bits a channel; convert it")
        with _decoding():
            return np.asarray(opened.convert("RGB"))


def is_turned(encoded: bytes) -> bool:
    """Whether a picture that can be decoded is a JPEG, as cameras write them, that viewers turn; here it is not."""
    from PIL import Image

    with _decoding(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is broken in the note
        with Image.open(io.BytesIO(encoded)) as opened:
            noted = opened.getexif().get(_ORIENTATION, _UPRIGHT) if opened.format != _PNG else _UPRIGHT
    return bool(noted != _UPRIGHT)


def decode_mask(encoded: bytes) -> Pixels:
    """The class index of each pixel: (height, width) uint8. Raises PictureError for what is no mask."""
    with _opened(encoded) as opened:
        if opened.format != _PNG or opened.mode not in MODES:
            raise PictureError(
                f"is a {opened.format} of mode {opened.mode}, not a PNG with one channel of 8 bits (mode L or P)"
            )
        if _is_spread(encoded, opened):
            raise PictureError(f"is a grey PNG of {encoded[_BIT_DEPTH_AT]} bits a pixel; write it with 8")
        return np.asarray(opened)


def _is_spread(encoded: bytes, opened: Image.Image) -> bool:
    """Whether the pixels are no longer what the file holds: decoders spread grey of few bits over 0 to 255."""
    return opened.mode == "L" and opened.format == _PNG and encoded[_BIT_DEPTH_AT] != _BITS


def class_rows(masks: pa.ChunkedArray) -> dict[str, int]:
    """The masks in which each class index occurs; what is no mask has none."""
    counted = np.zeros(256, dtype=np.int64)
    for one in masks:
        try:
            counted += np.bincount(decode_mask(one.as_py() or b"").ravel(), minlength=256) > 0
        except PictureError:
            continue
    return {str(index): int(rows) for index, rows in enumerate(counted) if rows}


def encode_png(pixels: Pixels) -> bytes:
    """The pixels as PNG, lightly compressed: noise hardly shrinks, and speed matters more."""
    from PIL import Image

    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, _PNG, compress_level=1)
    return encoded.getvalue()


@contextmanager
def _opened(encoded: bytes, most_pixels: int | None = None, wanted: str = "picture") -> Iterator[Image.Image]:
    """The decoded picture, checked for its size before. Raises PictureError for bytes that are not what is `wanted`."""
    from PIL import Image

    if not encoded:
        raise PictureError("is empty")
    most = MOST_PIXELS if most_pixels is None else min(most_pixels, MOST_PIXELS)
    with _decoding(wanted), warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit is ours
        opened = Image.open(io.BytesIO(encoded))
    if opened.width * opened.height > most:
        raise PictureError(f"has {opened.width:,} x {opened.height:,} pixels (allowed: {most:,})")
    with _decoding():
        opened.load()
    with opened:
        yield opened


@contextmanager
def _decoding(wanted: str = "picture") -> Iterator[None]:
    """Whatever a decoder says of bytes that it cannot read becomes a PictureError."""
    from PIL import Image, UnidentifiedImageError

    try:
        yield
    except UnidentifiedImageError as error:
        raise PictureError(f"is no {wanted} that can be read") from error
    except (
        Image.DecompressionBombError,
        AssertionError,  # Pillow's word for a broken palette
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
        IndexError,
    ) as error:
        raise PictureError(f"cannot be decoded: {str(error) or 'its palette is broken'}") from error
