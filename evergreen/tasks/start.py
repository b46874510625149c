"""What a training begins with, whatever the task: which rows, and whether a champion's weights fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from evergreen.core.artifacts import SplitName, Splits, TrainedModel
from evergreen.core.errors import InputError


def sampled_rows(splits: Splits, most: int | None, seed: int) -> npt.NDArray[np.int64] | None:
    """Row numbers of `most` training rows, in ascending order; None: all are taken."""
    rows = splits.manifest.rows[SplitName.TRAIN]
    if most is None or most >= rows:
        return None
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))


def check_warm_start(start: TrainedModel, wanted: Mapping[str, object], fields: Sequence[str]) -> None:
    """Returns when the champion was trained with the wanted values of these fields of the task.

    Raises:
        InputError: naming the first that differs.
    """
    for field in fields:
        if (got := start.manifest.task.get(field)) != wanted[field]:
            raise InputError(
                f"warm_start: champion {start.version} was trained with {field} {got!r}, task.{field} is "
                f"{wanted[field]!r}; set task.warm_start: false for this run"
            )
