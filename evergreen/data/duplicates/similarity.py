"""How similar two texts are: the share of word pairs that both have, `|A ∩ B| / |A ∪ B|` (Jaccard)."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

Hashes = np.ndarray[Any, np.dtype[np.uint32]]
WordPairs = np.ndarray[Any, np.dtype[np.uint64]]
Places = np.ndarray[Any, np.dtype[np.int64]]
Levels = np.ndarray[Any, np.dtype[np.uint8]]

BITMAP_WORDS = 16
"""Words of 64 bits in which a text's word pairs are marked, so that most comparisons need no more."""

_NO_SPACES = r"([\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}])"
"""Characters of scripts that put no spaces between words."""


def word_pairs(texts: pa.Array) -> pa.Array:
    """Hashes of neighbouring words: list<uint32>, one or more a row, the last word paired with the end.

    Where nothing tells words apart (one single word, a script without spaces) characters take their place.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    spaced = _replaced(texts, pc.invert(pc.string_is_ascii(texts)), _NO_SPACES, r" \1 ")
    spaced = _replaced(spaced, pc.invert(pc.match_substring(spaced, " ")), r"(?s)(.)", r"\1 ")
    words = pc.utf8_split_whitespace(pc.utf8_trim_whitespace(spaced))
    flat = words.flatten().dictionary_encode()
    vocabulary = np.fromiter((zlib.crc32(word.encode()) for word in flat.dictionary.to_pylist()), np.uint32)
    first = _mix(vocabulary)[flat.indices.to_numpy()]
    second = np.append(first[1:], np.uint32(0))
    second[words.offsets.to_numpy()[1:] - 1] = 0
    return pa.ListArray.from_arrays(words.offsets, pa.array(_mix(first * np.uint32(0x9E3779B1) + second)))


def bounded(pairs: pa.ListArray, most: int) -> tuple[pa.ListArray, Levels]:
    """The distinct word pairs of each row, or of those of a long text a sample of at most so many, and its level."""
    place, hashes = _placed(pairs)
    ordered = np.unique((place.astype(np.uint64) << np.uint64(32)) | hashes)
    place, hashes = (ordered >> np.uint64(32)).astype(np.int64), ordered.astype(np.uint32)
    levels = np.zeros(len(pairs), dtype=np.uint8)
    while (many := np.bincount(place[_sampled(hashes, levels[place])], minlength=len(pairs)) > most).any():
        levels[many] += 1
    return _listed(place, hashes, _sampled(hashes, levels[place]), len(pairs)), levels


def sampled(pairs: pa.ListArray, level: int) -> pa.ListArray:
    """The word pairs of each row that a sample of this level has, whatever text it is of: 0 has all, each more half."""
    place, hashes = _placed(pairs)
    return _listed(place, hashes, _sampled(hashes, np.uint8(level)), len(pairs))


def _sampled(hashes: Hashes, level: Levels | np.uint8) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Whether a hash begins with so many zero bits."""
    chosen: np.ndarray[Any, np.dtype[np.bool_]] = hashes.astype(np.uint64) >> (np.uint64(32) - level) == 0
    return chosen


def _placed(pairs: pa.ListArray) -> tuple[Places, Hashes]:
    """Each hash with the place of its row."""
    offsets = pairs.offsets.to_numpy()
    return np.repeat(np.arange(len(pairs)), np.diff(offsets)), pairs.values.to_numpy()[offsets[0] : offsets[-1]]


def _listed(place: Places, hashes: Hashes, chosen: np.ndarray[Any, np.dtype[np.bool_]], rows: int) -> pa.ListArray:
    """The chosen hashes by row."""
    import pyarrow as pa

    ends = np.cumsum(np.bincount(place[chosen], minlength=rows))
    return pa.ListArray.from_arrays(pa.array(np.append(0, ends).astype(np.int32)), pa.array(hashes[chosen]))


def _replaced(texts: pa.Array, chosen: pa.Array, pattern: str, replacement: str) -> pa.Array:
    """The texts, in the chosen of which what matches the pattern is replaced."""
    import pyarrow.compute as pc

    return pc.replace_with_mask(
        texts, chosen, pc.replace_substring_regex(texts.filter(chosen), pattern=pattern, replacement=replacement)
    )


def _mix(hashes: Hashes) -> Hashes:
    """Finaliser of MurmurHash3: every input bit moves every output bit."""
    hashes = (hashes ^ (hashes >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    hashes = (hashes ^ (hashes >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return hashes ^ (hashes >> np.uint32(16))


def may_be_similar(
    pairs_by_text: WordPairs, ones: Places, others: Places, similarity: float
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """False where the texts' bitmaps alone tell that they are not similar: (pairs,); arguments as for `jaccard`.

    Texts differ in at least as many word pairs as their bitmaps differ in bits (Sandes, Teodoro, Melo: Bitmap filter,
    2020).
    """
    place, hashes = (pairs_by_text >> np.uint64(32)).astype(np.int64), pairs_by_text & np.uint64(0xFFFFFFFF)
    sizes = np.bincount(place)
    bitmaps = np.zeros((sizes.size, BITMAP_WORDS), dtype=np.uint64)
    words = place * BITMAP_WORDS + ((hashes >> np.uint64(6)) % np.uint64(BITMAP_WORDS)).astype(np.int64)
    np.bitwise_or.at(bitmaps.reshape(-1), words, np.uint64(1) << (hashes & np.uint64(63)))
    differing = np.zeros(ones.size, dtype=np.int64)
    for word in range(BITMAP_WORDS):
        differing += np.bitwise_count(bitmaps[ones, word] ^ bitmaps[others, word])
    allowed = (1 - similarity) / (1 + similarity) * (sizes[ones] + sizes[others])
    return differing <= allowed + 1e-9


def jaccard(pairs_by_text: WordPairs, ones: Places, others: Places) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Share of word pairs that the texts at `ones` and `others` both hold: (pairs,) float64, 0 to 1.

    `pairs_by_text` is sorted and has each text's distinct word pairs: the text's place in the upper 32 bits, the
    hash in the lower.
    """
    ends = np.searchsorted(
        pairs_by_text, (np.arange(int(pairs_by_text[-1] >> np.uint64(32)) + 2, dtype=np.uint64)) << np.uint64(32)
    )
    sizes = np.diff(ends)
    asked = sizes[ones]
    offsets = np.cumsum(asked) - asked
    held = np.arange(asked.sum()) + np.repeat(ends[ones] - offsets, asked)
    wanted = (np.repeat(others.astype(np.uint64), asked) << np.uint64(32)) | (
        pairs_by_text[held] & np.uint64(0xFFFFFFFF)
    )
    nearest = np.minimum(np.searchsorted(pairs_by_text, wanted), pairs_by_text.size - 1)
    shared = np.add.reduceat((pairs_by_text[nearest] == wanted).astype(np.int64), offsets)
    shares: np.ndarray[Any, np.dtype[np.float64]] = shared / (asked + sizes[others] - shared)
    return shares
