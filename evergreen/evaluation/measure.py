"""What a kind of measuring must offer: counts of each row in, scores on shared resamples out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from evergreen.core.metric import MetricSpec
from evergreen.core.sections import Section
from evergreen.evaluation.scores import Scores

Counts = npt.NDArray[Any]
"""(rows, …): what one model's answers count, row by row; the rows of an index are those of a slice."""
Numbers = npt.NDArray[np.int64]


class Paired(NamedTuple):
    """Another model on the same resamples: its scores, and ours minus its."""

    scores: Scores
    differences: Scores


class Scored(NamedTuple):
    """(1 + RESAMPLES,) scores of a model and of others; (1 + RESAMPLES, classes) those by class."""

    overall: Scores
    by_class: Scores
    baselines: tuple[Paired, ...] = ()
    champion: Paired | None = None
    class_differences: Scores = {}
    """The model minus the champion."""


class Measure(Protocol):
    """Classification, segmentation, regression, or a kind of a task's own."""

    @property
    def kind(self) -> str:
        """What registries know the evaluation by."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names, in the order of class numbers; empty without classes."""

    @property
    def metrics(self) -> tuple[MetricSpec, ...]:
        """Of all rows and of slices; the first is the primary one."""

    @property
    def class_metrics(self) -> tuple[MetricSpec, ...]:
        """Of each class."""

    @property
    def primary_class_metric(self) -> str | None:
        """The one that orders the classes."""

    def score(self, ours: Counts, baselines: Sequence[Counts] = (), champion: Counts | None = None) -> Scored:
        """The model's scores, and those of others on the same rows; equal calls give equal scores."""

    def overall(self, ours: Counts) -> Scores:
        """The model's scores alone, as those of a slice."""

    def constant(self, ours: Counts, answer: float) -> Counts:
        """What giving every row the same answer would count, on the same rows."""

    def support(self, ours: Counts) -> list[int]:
        """Rows that have each class."""

    def sections(self, ours: Counts) -> tuple[Section, ...]:
        """What of the counts is shown beside the metrics."""
