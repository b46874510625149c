"""When a window of requests counts as moved away from what the model was trained on.

drift: {min_rows: 1000, level: 0.001, min_shift: 0.2}
"""

from __future__ import annotations

from pydantic import Field

from evergreen.core.base import Frozen


class DriftRules(Frozen):
    """Rules of the comparison with the reference.

    With fewer than `min_rows` rows, or `min_requests` requests, a window says nothing. Kinds of evidence raise an alarm
    where their p-values, corrected for all that was compared, lie below `level`, and what moved is no trifle: at least
    `min_shift` in units of the reference's spread, of the classes' shares `min_share_shift` in total variation
    distance. The statistics are of `sample_rows` rows drawn by their trace ids, the classes' shares of all rows.
    """

    min_rows: int = Field(500, ge=30)
    min_requests: int = Field(50, ge=10)
    level: float = Field(0.05, gt=0, lt=0.5)
    min_shift: float = Field(0.1, ge=0)
    min_share_shift: float = Field(0.03, ge=0, le=1)
    sample_rows: int = Field(20_000, ge=1_000, le=200_000)
