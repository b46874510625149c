"""What makes two rows the same, for splitting and validation alike.

Of texts the words, case and spacing aside. Of pictures the pixels, where no decoder has a choice in them; of a JPEG the
bytes, so that another version of a decoder moves no row.

A likeness is a hash of what a picture shows: copies that were resized or compressed again, and neighbouring frames,
differ in few of its 64 bits; other pictures in about half. Each bit tells whether one of the 64 slowest waves of the
brightness (of its cosine transform) is above their median (Zauner: Implementation and benchmarking of perceptual image
hash functions, 2010). All sums are of whole numbers, so that every machine finds the same bits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from evergreen.data.pictures import PictureError, Pixels, decode_picture

if TYPE_CHECKING:
    import pyarrow as pa

Keys = np.ndarray[Any, np.dtype[np.uint64]]
Rows = np.ndarray[Any, np.dtype[np.uint32]]
Codes = np.ndarray[Any, np.dtype[np.uint8]]

PROTECTED = 2
"""Splits with a smaller code keep others from having rows like theirs; larger codes take no part."""
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
    return _hashed((_identity(image.as_py() or b"") for image in images), seed)


def keys_and_likeness(images: pa.Array, seed: int) -> tuple[Keys, pa.Array]:
    """`picture_keys`, and beside them the `likeness` of each picture (uint64, null: it tells nothing), decoded once."""
    import pyarrow as pa

    alike: list[int | None] = []

    def identities() -> Iterator[bytes]:
        for image in images:
            encoded = image.as_py() or b""
            pixels = _decoded(encoded)
            alike.append(None if pixels is None else likeness(pixels))
            yield _identity(encoded, pixels)

    return _hashed(identities(), seed), pa.array(alike, pa.uint64())


def picture_key(encoded: bytes, pixels: Pixels) -> int:
    """The hash of one decoded picture or mask, with the seed 0."""
    return int(_hashed([_identity(encoded, pixels)], seed=0)[0])


def _identity(encoded: bytes, pixels: Pixels | None = None) -> bytes:
    """What two pictures are the same by; what cannot be decoded is told by its bytes."""
    if encoded.startswith(_JPEG):
        return encoded
    pixels = _decoded(encoded) if pixels is None else pixels
    return encoded if pixels is None else repr(pixels.shape).encode() + pixels.tobytes()


def _decoded(encoded: bytes) -> Pixels | None:
    try:
        return decode_picture(encoded)
    except PictureError:
        return None


def _hashed(contents: Iterable[bytes], seed: int) -> Keys:
    salt = hashlib.blake2b(str(seed).encode(), digest_size=16).digest()
    digests = (hashlib.blake2b(content, digest_size=8, salt=salt).digest() for content in contents)
    return np.frombuffer(b"".join(digests), dtype="<u8")


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
