"""Pictures and masks between bytes and pixels. Loads Pillow only where it decodes, and lets it look only as far as the
formats that are allowed: decoders of others start programs (an EPS Ghostscript).

A mask is a PNG of one channel with 8 bits (mode L, or P whose palette is ignored): the class index of each pixel.
"""

from __future__ import annotations

import io
import warnings
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image

Pixels = np.ndarray[Any, np.dtype[np.uint8]]

UNLISTED = 254
"""The class index of mask values that `mask_classes` does not list: none that a label has, so that validation tells."""
PICTURE_FORMATS = ("PNG", "JPEG")
"""What a picture that is kept and served may be, in Pillow's words."""
READ_FORMATS = (*PICTURE_FORMATS, "WEBP", "BMP", "TIFF", "GIF")
"""What a picture or mask of a source may be; those that are not kept become PNG."""
MODES = {"L", "P"}
"""One channel of 8 bits, in Pillow's words."""
MOST_PIXELS = 64_000_000
"""Of one picture: what bounds the memory that decoding takes."""
_PNG = "PNG"
_SEVERAL_JPEGS = "MPO"
"""What Pillow calls the JPEGs of cameras that store a preview behind the picture."""
_RENUMBERED = "GIF"
_NOT_KEPT = ("JPEG", _SEVERAL_JPEGS, _RENUMBERED)
"""Formats that keep no values of masks: with losses, or by a palette that writers sort anew, {0, 255} as {0, 1}."""
_DEEP_MODES = ("I", "F")
"""How modes of more than 8 bits begin; bringing them to 8 would cut off all that is bright."""
_BITS = 8
_ORIENTATION = 274
_UPRIGHT = 1
"""The Exif tag in which a camera notes how it was held, and what it notes of a picture that is stored upright."""
_BIT_DEPTH_AT = 24
"""Where a PNG tells its bits a sample."""
_TIFF_BITS, _TIFF_INTERPRETATION, _WHITE_IS_ZERO = 258, 262, 0
"""The tags in which a TIFF tells its bits a sample, and whether they mean darkness."""
_LOSSY_TIFF = ("jpeg", "tiff_jpeg", "webp")
_STARTS = {
    b"GIF8": "GIF",
    b"RIFF": "WEBP",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"%!PS": "EPS",
    b"\xc5\xd0\xd3\xc6": "EPS",
    b"%PDF": "PDF",
}
"""How files of formats begin that people take for pictures; only messages go by it."""
_NOTE = "evergreen:unlisted"
"""The text of a mask in which its values are kept that no class index was given to."""


class PictureError(ValueError):
    """Bytes that are no usable picture or mask; the message says why and names no row."""


def decode_picture(encoded: bytes, formats: tuple[str, ...] = READ_FORMATS, most_pixels: int | None = None) -> Pixels:
    """The picture as (height, width, 3) uint8, at most `most_pixels` (None: MOST_PIXELS), as it is stored.

    Raises:
        PictureError: it cannot be decoded whole, is too large, has channels of more than 8 bits or several frames, or
            is of none of the `formats`. A JPEG of several pictures counts as JPEG: the first is taken.
    """
    with _opened(encoded, formats, most_pixels) as opened:
        if opened.mode.startswith(_DEEP_MODES):
            kind = opened.format
            raise PictureError(f"is a {kind} of mode {opened.mode}, with more than 8 bits a channel; convert it")
        with _decoding(formats):
            return np.asarray(opened.convert("RGB"))


def is_turned(encoded: bytes) -> bool:
    """Whether a picture that can be decoded is a JPEG, as cameras write them, that viewers turn; here it is not."""
    from PIL import Image

    with _decoding(READ_FORMATS), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is broken in the note
        with Image.open(io.BytesIO(encoded), formats=READ_FORMATS) as opened:
            noted = opened.getexif().get(_ORIENTATION, _UPRIGHT) if opened.format != _PNG else _UPRIGHT
    return bool(noted != _UPRIGHT)


def decode_mask(encoded: bytes) -> Pixels:
    """The class index of each pixel: (height, width) uint8. Raises PictureError for what is no mask."""
    with _opened(encoded, READ_FORMATS) as opened:
        if opened.format == "TIFF" and _is_spread(encoded, opened):
            raise PictureError(
                "is a TIFF whose values its decoder changes: of fewer than 8 bits, with white as 0, or with losses; "
                "write it as PNG"
            )
        if opened.format == _RENUMBERED:
            raise PictureError("is a GIF, whose writers renumber the values of masks; write it as PNG")
        if opened.format != _PNG or opened.mode not in MODES:
            raise PictureError(
                f"is a {opened.format} of mode {opened.mode}, not a PNG with one channel of 8 bits (mode L or P)"
            )
        if _is_spread(encoded, opened):
            raise PictureError(f"is a grey PNG of {encoded[_BIT_DEPTH_AT]} bits a pixel; write it with 8")
        return np.asarray(opened)


def mask_values(encoded: bytes) -> Pixels | None:
    """The values that a mask's file holds: (height, width) uint8, 0 and 1 where it has one bit a pixel.

    None where its format does not keep them, or its decoder changes them.

    Raises:
        PictureError: it cannot be decoded.
    """
    with _opened(encoded, READ_FORMATS) as opened:
        if opened.mode not in {*MODES, "1"} or opened.format in _NOT_KEPT or _is_spread(encoded, opened):
            return None
        return np.asarray(opened, dtype=np.uint8)


def unlisted_values(mask: bytes) -> dict[int, int]:
    """Pixels by value of the mask's file that `mask_classes` does not list: those that are UNLISTED by now."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(mask), formats=(_PNG,)) as opened:
            opened.load()
            noted = opened.info.get(_NOTE, "")
        return {
            int(value): int(pixels) for value, _, pixels in (pair.partition(":") for pair in noted.split(",") if pair)
        }
    except (OSError, ValueError):
        return {}


def _is_spread(encoded: bytes, opened: Image.Image) -> bool:
    """Whether the pixels are no longer what the file holds: decoders spread grey of few bits over 0 to 255."""
    if opened.mode == "L" and opened.format == _PNG:
        return encoded[_BIT_DEPTH_AT] != _BITS
    if opened.format != "TIFF":
        return False
    tags = opened.tag_v2  # type: ignore[attr-defined]
    inverted = tags.get(_TIFF_INTERPRETATION) == _WHITE_IS_ZERO
    few = opened.mode == "L" and tuple(tags.get(_TIFF_BITS, (1,))) != (_BITS,)
    return inverted or few or opened.info.get("compression") in _LOSSY_TIFF


def encode_png(pixels: Pixels, unlisted: dict[int, int] | None = None) -> bytes:
    """The pixels as PNG, lightly compressed: noise hardly shrinks, and speed matters more.

    `unlisted` is what `unlisted_values` gives back.
    """
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    notes = PngInfo()
    if unlisted:
        notes.add_text(_NOTE, ",".join(f"{value}:{count}" for value, count in unlisted.items()))
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, _PNG, compress_level=1, pnginfo=notes)
    return encoded.getvalue()


@contextmanager
def _opened(encoded: bytes, formats: tuple[str, ...], most_pixels: int | None = None) -> Iterator[Image.Image]:
    """The decoded picture, checked before: its format, size, frames. Raises PictureError for what cannot be used."""
    from PIL import Image

    if not encoded:
        raise PictureError("is empty")
    most = MOST_PIXELS if most_pixels is None else min(most_pixels, MOST_PIXELS)
    _silence_warnings()
    with _decoding(formats, encoded):
        opened = Image.open(io.BytesIO(encoded), formats=formats)
        if opened.width * opened.height > most:
            raise PictureError(f"has {opened.width:,} x {opened.height:,} pixels (allowed: {most:,})")
        if opened.format not in ("JPEG", _SEVERAL_JPEGS):
            _check_single(opened)
        opened.load()
    with opened:
        yield opened


@cache
def _silence_warnings() -> None:
    """Once for the whole process: to catch warnings for a while is not safe in threads.

    The limit of pixels is ours, and what is broken is told by an error.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")


def _check_single(opened: Image.Image) -> None:
    """Raises PictureError for several frames, of which a mask fits one, and for what its decoder would turn."""
    if (frames := getattr(opened, "n_frames", 1)) != 1:
        raise PictureError(f"is a {opened.format} of {frames} frames (allowed: 1); write one as a picture of its own")
    if opened.format != _PNG and opened.getexif().get(_ORIENTATION, _UPRIGHT) != _UPRIGHT:
        raise PictureError(f"is a {opened.format} with a note that turns it; write it as it is to be seen")


@contextmanager
def _decoding(formats: tuple[str, ...], encoded: bytes = b"") -> Iterator[None]:
    """Whatever a decoder says of bytes that it cannot read becomes a PictureError."""
    from PIL import UnidentifiedImageError

    try:
        yield
    except (PictureError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        kind = next((kind for start, kind in _STARTS.items() if encoded.startswith(start)), None)
        if kind is not None and kind not in formats:
            raise PictureError(f"is a {kind} (allowed: {', '.join(formats)})") from error
        wanted = "picture" if formats == READ_FORMATS else " or ".join(formats)
        raise PictureError(f"is no {wanted} that can be read") from error
    except AssertionError as error:  # Pillow's word for a broken palette
        raise PictureError(f"cannot be decoded: {str(error) or 'its palette is broken'}") from error
    except Exception as error:  # decoders raise struct.error, KeyError and more, by the bytes they meet
        raise PictureError(f"cannot be decoded: {str(error) or type(error).__name__}") from error
