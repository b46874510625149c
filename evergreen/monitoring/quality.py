"""What the answers of requests were worth, by labels that came later, and whether that is certainly too little.

A log keeps of pictures how much of them each class takes, no mask: what answers to them are worth, `run.py evaluate`
tells of labelled ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy import stats

from evergreen.core.errors import InputError
from evergreen.core.metric import Metric, MetricName
from evergreen.core.quality import METRICS
from evergreen.evaluation.class_scores import classification_scores
from evergreen.evaluation.resampling import CONFIDENCE, intervals, resamples
from evergreen.monitoring.labels import Joined


def quality_of(joined: Joined, labels: Sequence[str]) -> dict[str, Metric]:
    """Accuracy with Wilson's interval, macro F1 with the bootstrap's; nothing where no label was used.

    A label that is none of the model's `labels` is one more class, which it never answers.
    """
    if not len(joined.truth):
        return {}
    known = [*labels, *sorted(set(joined.truth) - set(labels))]
    numbers = {label: number for number, label in enumerate(known)}
    truth = np.array([numbers[label] for label in joined.truth])
    answers = np.array([numbers.get(label, len(known)) for label in joined.answers])
    pairs = np.bincount(truth * (len(known) + 1) + answers, minlength=len(known) * (len(known) + 1)).astype(float)
    scores = [_macro_f1(block.reshape(len(block), len(known), -1)) for block in resamples(pairs, np.zeros_like(pairs))]
    f1 = intervals({MetricName.MACRO_F1: np.concatenate(scores)})
    return {MetricName.ACCURACY: wilson(int((truth == answers).sum()), len(truth))} | f1


def below_floors(quality: Mapping[str, Metric], floors: Mapping[str, float]) -> tuple[str, ...]:
    """The metrics that are certainly below their floors: whose intervals end there.

    Raises:
        InputError: a floor of a metric that labels do not give.
    """
    if unknown := sorted(set(floors) - set(METRICS)):
        raise InputError(
            f"no quality {unknown[0]!r} comes of labels (allowed: {', '.join(METRICS)}); name one of these"
        )
    return tuple(name for name, floor in floors.items() if name in quality and quality[name].high < floor)


def wilson(right: int, rows: int) -> Metric:
    """A share with its 95 % interval: E. B. Wilson, Journal of the American Statistical Association 22, 1927."""
    interval = stats.binomtest(right, rows).proportion_ci(CONFIDENCE, method="wilson")
    return Metric(value=right / rows, low=float(interval.low), high=float(interval.high))


def _macro_f1(confusions: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Of (n, classes, classes + 1) counts of true classes and answers, the last answer being none of the classes."""
    right = np.einsum("nii->ni", confusions[:, :, :-1])
    answered, actual = confusions.sum(axis=1)[:, :-1], confusions.sum(axis=2)
    overall, _ = classification_scores(right, answered, actual)
    return np.asarray(overall[MetricName.MACRO_F1])
