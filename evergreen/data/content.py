"""What makes two rows the same, for splitting and validation alike.

Of texts the words, case and spacing aside. Of pictures the pixels, where no decoder has a choice in them; of a JPEG the
bytes, so that another version of a decoder moves no row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from evergreen.data.pictures import PictureError, decode_picture

if TYPE_CHECKING:
    import pyarrow as pa

Keys = np.ndarray[Any, np.dtype[np.uint64]]

_JPEG = b"\xff\xd8\xff"


def normalise(texts: pa.Array) -> pa.Array:
    """Lower case, every run of white space one space; null is empty."""
    import pyarrow.compute as pc

    words = pc.utf8_split_whitespace(pc.utf8_trim_whitespace(pc.utf8_lower(pc.fill_null(texts, ""))))
    return pc.binary_join(words, " ")


def content_keys(normalised: pa.Array, seed: int) -> Keys:
    """Hashes of seed and normalised text, uniform over 64 bits: (rows,) uint64."""
    return _hashed((text.encode() for text in normalised.to_pylist()), seed)


def picture_keys(images: pa.Array, seed: int) -> Keys:
    """Hashes of seed and picture, uniform over 64 bits: (rows,) uint64."""
    return _hashed((_told_by(image.as_buffer()) for image in images), seed)


def _told_by(encoded: pa.Buffer | None) -> bytes:
    """What two pictures are the same by; null and what cannot be decoded are told by their bytes."""
    content = b"" if encoded is None else encoded.to_pybytes()
    if content.startswith(_JPEG):
        return content
    try:
        pixels = decode_picture(content)
    except PictureError:
        return content
    return repr(pixels.shape).encode() + pixels.tobytes()


def _hashed(contents: Iterable[bytes], seed: int) -> Keys:
    salt = hashlib.blake2b(str(seed).encode(), digest_size=16).digest()
    digests = (hashlib.blake2b(content, digest_size=8, salt=salt).digest() for content in contents)
    return np.frombuffer(b"".join(digests), dtype="<u8")
