"""What scores are, of rows as they are and of resampled ones; learning curves use them as the evaluation does."""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Scores = dict[str, Floats]
"""One model's metrics by name: index 0 holds the rows as they are, the others one resample each; NaN where 0/0."""


def macro_mean(values: Floats) -> Floats:
    """Mean over classes of (resamples, classes), NaN left out."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
        return np.asarray(np.nanmean(values, axis=1), dtype=np.float64)
