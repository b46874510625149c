"""How rows are shared out, and the split that each is drawn for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from pydantic import Field, model_validator

from evergreen.core.artifacts import RecordedSplitPlan, SplitName
from evergreen.core.base import Frozen
from evergreen.core.errors import InputError
from evergreen.data.duplicates.keys import Keys

CODES = (SplitName.TEST, SplitName.VALIDATION, SplitName.TRAIN)
"""Splits by code, the most protected first."""

Assignment = np.ndarray[Any, np.dtype[np.uint8]]


class SplitPlan(Frozen):
    """How rows are shared out.

    `near_duplicate_similarity` is the share of common word pairs from which two texts count as the same (below one half
    it would tell nothing of copies); None: only equal texts do. `near_duplicate_distance` is the number of bits, of
    the 64 that tell what a picture shows, in which pictures that count as the same may differ; None: only equal ones.
    """

    seed: int = 0
    train: float = Field(0.8, gt=0, lt=1)
    validation: float = Field(0.1, gt=0, lt=1)
    test: float = Field(0.1, gt=0, lt=1)
    near_duplicate_similarity: float | None = Field(0.8, ge=0.5, le=1)
    near_duplicate_distance: int | None = Field(6, ge=0, le=12)

    @model_validator(mode="after")
    def _fractions_sum_to_one(self) -> Self:
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-6:
            raise ValueError(
                f"train {self.train:g} + validation {self.validation:g} + test {self.test:g} = {total:g}; "
                "they must sum to 1"
            )
        return self


def check_shared_out_alike(then: RecordedSplitPlan | None, plan: SplitPlan, way_out: str) -> None:
    """Returns when the plan puts no row into another split than the plan of before, or that was not noted.

    Raises:
        InputError: naming the first field that differs; `way_out` is what to do where it is to stay so.
    """
    for field in ("seed", *SplitName.ALL):
        if then is not None and (before := getattr(then, field)) != (now := getattr(plan, field)):
            raise InputError(
                f"the champion's rows were shared out by split.{field}: {before:g}, and it is {now:g} now: rows that "
                f"it was trained on would be tested on; set it as before, or {way_out}"
            )


def split_codes(keys: Keys, plan: SplitPlan) -> Assignment:
    """Index into CODES of each key: (rows,) uint8."""
    return np.searchsorted([plan.test, plan.test + plan.validation], keys / 2.0**64, side="right").astype(np.uint8)


def codes_beside(given: Assignment, keys: Keys, plan: SplitPlan, present: Sequence[str]) -> Assignment:
    """The given codes, but for rows of train that are drawn for splits which are not `present`: (rows,) uint8.

    A split is drawn with the fraction that the plan has for it beside train.
    """
    absent = [name for name in CODES if name not in present]
    shares = np.array([getattr(plan, name) for name in absent])
    bounds = np.cumsum(shares) / (shares.sum() + plan.train)
    drawn = np.array([CODES.index(name) for name in (*absent, SplitName.TRAIN)], dtype=np.uint8)
    place = np.searchsorted(bounds, keys / 2.0**64, side="right")
    return np.where(given == CODES.index(SplitName.TRAIN), drawn[place], given).astype(np.uint8)
