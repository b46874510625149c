"""Our metrics, loaded without a Hub, beside those of scikit-learn; and the bootstrap's values beside both."""

import socket

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    mean_absolute_error,
    precision_score,
    r2_score,
    recall_score,
    root_mean_squared_error,
)

from evergreen.core.metric import MetricName
from evergreen.evaluation import segmentation
from evergreen.evaluation.classification import bootstrap, bootstrap_classes
from evergreen.evaluation.metrics import classes, numbers, pixels
from evergreen.evaluation.regression import Regression

CLASSES = 3
ROWS = st.lists(st.tuples(*[st.integers(0, CLASSES - 1)] * 2), min_size=1, max_size=60)


def test_metrics_of_classes_need_no_network_and_equal_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    random = np.random.default_rng(0)
    truth, predicted = random.integers(0, 4, 500), random.integers(0, 4, 500)
    given = {"predictions": predicted, "references": truth, "labels": range(4)}
    assert classes.Accuracy().compute(**given) == {"accuracy": pytest.approx(accuracy_score(truth, predicted))}
    for metric, name, score in (
        (classes.MacroF1, "macro_f1", f1_score),
        (classes.MacroPrecision, "macro_precision", precision_score),
        (classes.MacroRecall, "macro_recall", recall_score),
    ):
        assert metric().compute(**given) == {name: pytest.approx(score(truth, predicted, average="macro"))}


def test_metrics_of_numbers_equal_scikit_learn_and_the_value_that_the_bootstrap_starts_from() -> None:
    random = np.random.default_rng(1)
    truth = random.normal(40_000, 900, 700)
    predicted = truth + random.normal(3, 50, 700)
    values = {name: samples[0] for name, samples in Regression().overall(np.column_stack([truth, predicted])).items()}
    for metric, name, score in (
        (numbers.MeanAbsoluteError, "mae", mean_absolute_error),
        (numbers.RootMeanSquaredError, "rmse", root_mean_squared_error),
        (numbers.R2, "r2", r2_score),
    ):
        expected = pytest.approx(score(truth, predicted))
        assert metric().compute(predictions=predicted, references=truth) == {name: expected}
        assert values[name] == expected


def test_metrics_of_pixels_equal_those_of_counting_them() -> None:
    random = np.random.default_rng(2)
    truth, answer = random.integers(0, 3, (2, 5, 40, 30))
    pictures = [segmentation.confusion_of(*pair, 3) for pair in zip(truth, answer, strict=True)]
    given = {"confusions": [picture.tolist() for picture in pictures]}
    flat = truth.ravel(), answer.ravel()
    assert pixels.PixelAccuracy().compute(**given) == {"pixel_accuracy": pytest.approx(accuracy_score(*flat))}
    assert pixels.Dice().compute(**given) == {"dice": pytest.approx(f1_score(*flat, average="macro"))}
    both, either = ([op(truth == n, answer == n).sum() for n in range(3)] for op in (np.logical_and, np.logical_or))
    assert pixels.MeanIou().compute(**given) == {"mean_iou": pytest.approx(np.mean(np.divide(both, either)))}


@given(ROWS)
@settings(max_examples=40)
def test_values_of_the_bootstrap_equal_those_of_scikit_learn(rows: list[tuple[int, int]]) -> None:
    truth, first = np.array(rows).T
    (scores,), (by_class,) = bootstrap(truth, [first], CLASSES), bootstrap_classes(truth, [first], CLASSES)
    options = {"labels": range(CLASSES), "zero_division": np.nan}
    value = {name: samples[0] for name, samples in scores.items()}
    assert value[MetricName.ACCURACY] == pytest.approx(accuracy_score(truth, first))
    for metric, macro, score in (
        (MetricName.F1, MetricName.MACRO_F1, f1_score),
        (MetricName.PRECISION, MetricName.MACRO_PRECISION, precision_score),
        (MetricName.RECALL, MetricName.MACRO_RECALL, recall_score),
    ):
        np.testing.assert_allclose(by_class[metric][0], score(truth, first, average=None, **options))
        np.testing.assert_allclose(value[macro], score(truth, first, average="macro", **options))
