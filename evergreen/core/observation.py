"""What a server notes of one instance and its answer: numbers that tell whether the world moved, never the input.

Observation({"tokens": 53.0, "unknown_share": 0.02, "characters": 241.0}, "business", 0.98, (0.98, 0.02))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SKETCH_BITS = 8
_KNUTH = 2654435761
"""Multiplicative hashing spreads neighbouring numbers: D. Knuth, The Art of Computer Programming, vol. 3, 6.4."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One row of a request log, but for what the request itself tells.

    `features` are numbers of the input by name, `prediction` is the class that the answer names, `score` its
    probability, `probabilities` are in the order of the model's labels: of a picture the shares of its pixels.
    `sketch` counts the input's vocabulary by bucket of a hash. `embedding` is where the served network puts the input,
    where its engine tells that.
    """

    features: Mapping[str, float]
    prediction: str
    score: float
    probabilities: tuple[float, ...]
    sketch: tuple[int, ...] = ()
    embedding: tuple[float, ...] | None = None


def sketch_of(numbers: Sequence[int]) -> tuple[int, ...]:
    """How many of the numbers, such as tokens, fall into each of 256 buckets.

    Order is lost, and a hundred words of a vocabulary share a bucket: no input can be read from it.
    """
    counts = [0] * (1 << SKETCH_BITS)
    for number in numbers:
        counts[(number * _KNUTH & 0xFFFFFFFF) >> (32 - SKETCH_BITS)] += 1
    return tuple(counts)
