"""The answers of one predictor to many instances: sorted by their size for it, given back in order.

A row that cannot be predicted gets the reason instead, and costs no other row anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from evergreen.core.errors import EvergreenError, InstanceError, RequestTooLargeError
from evergreen.core.protocols import Predictor
from evergreen.tasks.budget import batches_within

DECODED_AT_ONCE = 64
HELD_BYTES = 128 << 20
"""Of decoded pictures, until which they are waited for to be sorted; texts are sorted within a whole shard."""
UNFORESEEN = "cannot be decoded; look at it"

Answer = dict[str, Any] | str
"""A prediction, or why there is none."""
Placed = list[tuple[int, Any]]


def answers_of(predictor: Predictor, instances: Sequence[Any]) -> list[Answer]:
    """One an instance, in their order."""
    answers: list[Answer] = [""] * len(instances)
    held: Placed = []
    held_bytes = 0
    for start in range(0, len(instances), DECODED_AT_ONCE):
        block = list(enumerate(instances[start : start + DECODED_AT_ONCE], start))
        for decoded in _decoded(predictor, block, answers):
            held += decoded
            held_bytes += sum(int(getattr(item, "nbytes", 0)) for _, item in decoded)
            if held_bytes > HELD_BYTES:
                _answer(predictor, held, answers)
                held, held_bytes = [], 0
    _answer(predictor, held, answers)
    return answers


def _decoded(predictor: Predictor, block: Placed, answers: list[Answer]) -> Iterator[Placed]:
    """The block's inputs that can be used, by their places; of others the reason goes into `answers`."""
    if not block:
        return
    try:
        inputs = predictor.decode([instance for _, instance in block])
    except InstanceError as error:
        place, _ = block[error.index]
        answers[place] = error.reason
        yield from _decoded(predictor, block[: error.index], answers)
        yield from _decoded(predictor, block[error.index + 1 :], answers)
    except Exception as error:
        if isinstance(error, EvergreenError) and not isinstance(error, RequestTooLargeError):
            raise
        if len(block) == 1:
            reason = str(error) if isinstance(error, RequestTooLargeError) else UNFORESEEN
            answers[block[0][0]] = reason
            return
        half = len(block) // 2
        yield from _decoded(predictor, block[:half], answers)
        yield from _decoded(predictor, block[half:], answers)
    else:
        yield [(place, item) for (place, _), item in zip(block, inputs, strict=True)]


def _answer(predictor: Predictor, held: Placed, answers: list[Answer]) -> None:
    if not held:
        return
    sizes = np.asarray(predictor.sizes([item for _, item in held]), dtype=np.int64)
    for rows in batches_within(sizes, predictor.budget):
        made = predictor.encode(predictor.predict([held[row][1] for row in rows]))
        for row, answer in zip(rows, made, strict=True):
            answers[held[row][0]] = answer
