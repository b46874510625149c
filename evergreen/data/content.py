"""What makes two texts the same: their words, case and spacing aside; for splitting and validation alike."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

Keys = np.ndarray[Any, np.dtype[np.uint64]]


def normalise(texts: pa.Array) -> pa.Array:
    """Lower case, every run of white space one space; null is empty."""
    import pyarrow.compute as pc

    words = pc.utf8_split_whitespace(pc.utf8_trim_whitespace(pc.utf8_lower(pc.fill_null(texts, ""))))
    return pc.binary_join(words, " ")


def content_keys(normalised: pa.Array, seed: int) -> Keys:
    """Hashes of seed and normalised text, uniform over 64 bits: (rows,) uint64."""
    salt = hashlib.blake2b(str(seed).encode(), digest_size=16).digest()
    digests = (hashlib.blake2b(text.encode(), digest_size=8, salt=salt).digest() for text in normalised.to_pylist())
    return np.frombuffer(b"".join(digests), dtype="<u8")
