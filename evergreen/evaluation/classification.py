"""Rows that have one class each, and how sure their scores are.

Drawing rows with replacement and counting their outcomes (truth, answer of each model) is a multinomial draw over the
distinct outcomes: a resample costs as much as there are distinct outcomes, not as there are rows, and every model
is counted on the very same resample.

The bare bootstrap is certain of what few rows never showed: 40 right answers of 40 would give 1.0 to 1.0, and two
models that agree on 30 rows would differ by exactly nothing. So resamples, but no values, are drawn from the rows and
two pseudo-rows more: each model is right on one and wrong on the other, two models never on the same one. For one model
that is Laplace's rule; for two it is one disagreement in each direction (Bonett and Price, *J. Educ. Behav. Stat.* 37,
2012).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from evergreen.core.metric import MetricName, MetricSpec
from evergreen.core.sections import ConfusionMatrix
from evergreen.evaluation import specs
from evergreen.evaluation.class_scores import Labels, classification_scores, counted
from evergreen.evaluation.measure import Counts, Numbers, Paired, Scored
from evergreen.evaluation.resampling import difference, resamples
from evergreen.evaluation.scores import Scores


@dataclass(frozen=True)
class Classification:
    """Counts are (rows, 2) class numbers, the true one and the answer; answers outside the labels are always wrong."""

    labels: tuple[str, ...]

    kind: ClassVar[str] = "classification"
    metrics: ClassVar[tuple[MetricSpec, ...]] = specs.CLASSIFICATION
    class_metrics: ClassVar[tuple[MetricSpec, ...]] = specs.CLASSIFICATION_BY_CLASS
    primary_class_metric: ClassVar[str | None] = MetricName.F1

    def score(self, ours: Counts, baselines: Sequence[Counts] = (), champion: Counts | None = None) -> Scored:
        """The model by itself, and in pairs with each of the others: pseudo-rows are of one model or of two."""
        (by_class,) = bootstrap_classes(ours[:, 0], [ours[:, 1]], len(self.labels))
        scored = Scored(self.overall(ours), by_class, tuple(self._paired(ours, theirs) for theirs in baselines))
        if champion is None:
            return scored
        both = bootstrap_classes(ours[:, 0], [ours[:, 1], champion[:, 1]], len(self.labels))
        return scored._replace(champion=self._paired(ours, champion), class_differences=difference(*both))

    def overall(self, ours: Counts) -> Scores:
        """The model's scores alone."""
        (overall,) = bootstrap(ours[:, 0], [ours[:, 1]], len(self.labels))
        return overall

    def _paired(self, ours: Counts, theirs: Counts) -> Paired:
        left, right = bootstrap(ours[:, 0], [ours[:, 1], theirs[:, 1]], len(self.labels))
        return Paired(right, difference(left, right))

    def constant(self, ours: Counts, answer: float) -> Counts:
        """Every row answered with one class number."""
        return pairs(ours[:, 0], np.full(len(ours), int(answer)))

    def support(self, ours: Counts) -> list[int]:
        """Rows of each class."""
        counted: list[int] = np.bincount(ours[:, 0], minlength=len(self.labels)).tolist()
        return counted

    def sections(self, ours: Counts) -> tuple[ConfusionMatrix, ...]:
        """Rows by true and answered label; answers outside the labels have no column."""
        counts = np.zeros((len(self.labels), len(self.labels)), dtype=np.int64)
        known = ours[ours[:, 1] < len(self.labels)]
        np.add.at(counts, (known[:, 0], known[:, 1]), 1)
        return (ConfusionMatrix(labels=self.labels, counts=tuple(map(tuple, counts.tolist()))),)


def pairs(truth: Labels, answers: Labels) -> Numbers:
    """(rows, 2) of (rows,) true class numbers and answers."""
    return np.stack([truth, answers], axis=1).astype(np.int64)


def bootstrap(truth: Labels, predictions: Sequence[Labels], classes: int) -> tuple[Scores, ...]:
    """Overall metrics of each model on shared resamples: (1 + RESAMPLES,) each; equal calls give equal scores.

    Args:
        truth: (rows,) class numbers in [0, classes); at least one row.
        predictions: (rows,) class numbers of one model or two; numbers outside [0, classes) are always wrong.
        classes: how many classes there are.
    """
    seen, counts = np.unique(np.stack([truth, *predictions]), axis=1, return_counts=True)  # (1 + models, outcomes)
    pseudo = _pseudo_outcomes(np.unique(truth), len(predictions), classes)
    outcomes, extra = np.concatenate([seen, pseudo], axis=1), pseudo.shape[1]
    added = np.append(np.zeros(seen.shape[1]), np.full(extra, 2 / extra))
    parts: list[list[Scores]] = [[] for _ in predictions]
    for weights in resamples(np.append(counts, np.zeros(extra)), added):
        for part, predicted in zip(parts, outcomes[1:], strict=True):
            part.append(classification_scores(*counted(weights, outcomes[0], predicted, classes))[0])
    return tuple({name: np.concatenate([part[name] for part in scores]) for name in scores[0]} for scores in parts)


def bootstrap_classes(truth: Labels, predictions: Sequence[Labels], classes: int) -> tuple[Scores, ...]:
    """Metrics of each class and model on shared resamples: (1 + RESAMPLES, classes) each; arguments of `bootstrap`.

    A class is drawn by itself: of its own rows and the answers that name it, all that its metrics depend on.
    """
    by_class = [_one_class([column == number for column in (truth, *predictions)]) for number in range(classes)]
    return tuple(
        {
            spec.name: np.stack([models[model][spec.name] for models in by_class], axis=1)
            for spec in specs.CLASSIFICATION_BY_CLASS
        }
        for model in range(len(predictions))
    )


def _pseudo_outcomes(present: Labels, models: int, classes: int) -> Labels:
    """(1 + models, outcomes): of each class that has rows, one that the first model gets right and one not.

    A wrong answer is the next class, so that each class is missed as often as it is wrongly named.
    """
    following = np.roll(present, -1) if len(present) > 1 else present + 1
    following = np.where(following < classes, following, present - 1)
    answers = [[present, following], [following, present]]
    return np.concatenate([np.stack([present, *both[:models]]) for both in answers], axis=1)


def _one_class(members: Sequence[npt.NDArray[np.bool_]]) -> list[Scores]:
    """Precision, recall and F1 of each model: (1 + RESAMPLES,) each.

    `members` says of each row whether the truth, then whether each model's answer, is the class. The pseudo-rows are
    one right answer of each model, one row that it missed and one that it wrongly gave to the class.
    """
    kinds = np.array(list(product((0, 1), repeat=len(members)))[1:])  # rows that have nothing to do with it say nothing
    codes = (1 << np.arange(len(members))[::-1]) @ np.array(members)
    counts = np.bincount(codes, minlength=len(kinds) + 1)[1:].astype(np.float64)
    added = np.ones(len(kinds)) if len(members) < 3 else (kinds[:, 1] != kinds[:, 2]).astype(np.float64)
    weights = np.concatenate(list(resamples(counts, added)))  # (1 + resamples, kinds)
    actual, *answered = ((weights @ kinds).T)[:, :, np.newaxis]
    right = ((weights @ (kinds[:, :1] * kinds[:, 1:])).T)[:, :, np.newaxis]
    by_model = [classification_scores(*both, actual)[1] for both in zip(right, answered, strict=True)]
    return [{name: samples[:, 0] for name, samples in scores.items()} for scores in by_model]
