"""What the examination of a dataset saw: statistics of columns and pictures, and what is odd."""

from __future__ import annotations

from evergreen.core.base import Frozen


class ColumnStatistics(Frozen):
    """What one column holds; `top` maps frequent values to rows.

    Lengths are characters, for text columns only; `minimum`, `mean` and `maximum` are those of a number column's finite
    values.
    """

    type: str
    nulls: int
    distinct: int
    min_length: int | None = None
    mean_length: float | None = None
    max_length: int | None = None
    minimum: float | None = None
    mean: float | None = None
    maximum: float | None = None
    top: dict[str, int] = {}


class Anomaly(Frozen):
    """Something odd that does not stop the run, with up to a few row ids as examples."""

    name: str
    rows: int
    message: str
    examples: tuple[str, ...] = ()


class PictureStatistics(Frozen):
    """What pictures and masks hold.

    `sizes` maps frequent sizes (`500 x 375`, width first) to rows; `channel_means` and `channel_deviations` are of red,
    green and blue, 0 to 255, over all pixels; `class_shares` maps labels to their share of the pixels that count, and
    `ignored_share` is that of the others among all.
    """

    sizes: dict[str, int]
    distinct_sizes: int
    channel_means: tuple[float, float, float]
    channel_deviations: tuple[float, float, float]
    class_shares: dict[str, float]
    ignored_share: float


class ValidationReport(Frozen):
    """Evidence that a dataset honours the task's schema: a violation would have stopped the run."""

    dataset: str
    rows: int
    columns: dict[str, ColumnStatistics]
    labels: dict[str, int]
    length_histogram: tuple[tuple[int, int], ...] = ()
    """(upper edge in characters, rows) pairs of the text column."""
    anomalies: tuple[Anomaly, ...] = ()
    pictures: PictureStatistics | None = None
    """Of pictures and their masks; `labels` then counts the rows in which a class occurs."""
    set_aside: dict[str, str] = {}
    """Why a row is left out of all that follows, by its id; only as many as the configuration allows."""
