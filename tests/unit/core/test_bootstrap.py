import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score

from evergreen.core.bootstrap import BootstrapPlan, Labels, bootstrap, interval
from evergreen.core.reports import MetricName

CLASSES = 3
PLAN = BootstrapPlan(resamples=200, seed=7)
answers = st.lists(st.tuples(*[st.integers(0, CLASSES - 1)] * 3), min_size=1, max_size=60)


def noisy(rows: int, classes: int, right: float, seed: int) -> tuple[Labels, Labels]:
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, rows)
    return truth, np.where(random.random(rows) < right, truth, random.integers(0, classes, rows))


@given(answers)
@settings(max_examples=40)
def test_values_equal_those_of_scikit_learn(rows: list[tuple[int, int, int]]) -> None:
    truth, first, _ = np.array(rows).T
    (scores,) = bootstrap(truth, [first], CLASSES, BootstrapPlan(resamples=1))
    options = {"labels": range(CLASSES), "zero_division": np.nan}
    value = {name: samples[0] for name, samples in scores.overall.items()}
    assert value[MetricName.ACCURACY] == pytest.approx(accuracy_score(truth, first))
    for metric, macro, score in (
        (MetricName.F1, MetricName.MACRO_F1, f1_score),
        (MetricName.PRECISION, MetricName.MACRO_PRECISION, precision_score),
        (MetricName.RECALL, MetricName.MACRO_RECALL, recall_score),
    ):
        np.testing.assert_allclose(scores.per_class[metric][0], score(truth, first, average=None, **options))
        np.testing.assert_allclose(value[macro], score(truth, first, average="macro", **options))


@given(answers)
@settings(max_examples=30)
def test_intervals_hold_shares_in_order_and_differences_are_antisymmetric(rows: list[tuple[int, int, int]]) -> None:
    truth, first, second = np.array(rows).T
    a, b = bootstrap(truth, [first, second], CLASSES, PLAN)
    for samples in a.overall.values():
        metric = interval(samples, 0.95)
        assert 0 <= metric.low <= metric.high <= 1
    there, back = (interval(one.overall[MetricName.ACCURACY], 0.95) for one in (a.minus(b), b.minus(a)))
    assert there.value == pytest.approx(-back.value)
    assert there.low == pytest.approx(-back.high)


@given(answers)
@settings(max_examples=30)
def test_row_order_does_not_matter(rows: list[tuple[int, int, int]]) -> None:
    def metric(of: list[tuple[int, int, int]]) -> object:
        truth, first, _ = np.array(of).T
        return interval(bootstrap(truth, [first], CLASSES, PLAN)[0].overall[MetricName.ACCURACY], 0.95)

    assert metric(rows) == metric(sorted(rows))


def test_the_same_model_differs_from_itself_by_exactly_nothing() -> None:
    truth, predicted = noisy(300, 4, 0.8, seed=1)
    a, b = bootstrap(truth, [predicted, predicted], 4, PLAN)
    difference = interval(a.minus(b).overall[MetricName.MACRO_F1], 0.95)
    assert (difference.value, difference.low, difference.high) == (0, 0, 0)


def test_pairing_makes_the_difference_of_agreeing_models_surer_than_their_scores() -> None:
    truth, predicted = noisy(400, 4, 0.8, seed=2)
    other = predicted.copy()
    other[:8] = (truth[:8] + 1) % 4
    a, b = bootstrap(truth, [predicted, other], 4, PLAN)
    score, difference = (interval(one.overall[MetricName.ACCURACY], 0.95) for one in (a, a.minus(b)))
    assert difference.high - difference.low < (score.high - score.low) / 2


def test_equal_seeds_give_equal_intervals_and_others_do_not() -> None:
    truth, predicted = noisy(300, 4, 0.8, seed=3)

    def low(seed: int) -> float:
        scores = bootstrap(truth, [predicted], 4, BootstrapPlan(resamples=50, seed=seed))[0]
        return interval(scores.overall[MetricName.MACRO_F1], 0.95).low

    assert low(1) == low(1)
    assert low(1) != low(2)


def test_the_interval_covers_the_true_accuracy_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(200):
        truth, predicted = noisy(200, 2, 0.8, seed)  # 0.8 + 0.2 / 2 = 0.9 accurate
        (scores,) = bootstrap(truth, [predicted], 2, BootstrapPlan(resamples=300, seed=seed))
        metric = interval(scores.overall[MetricName.ACCURACY], 0.95)
        covered += metric.low <= 0.9 <= metric.high
    assert 180 <= covered <= 199


def test_resamples_match_those_drawn_row_by_row() -> None:
    truth, predicted = noisy(250, 3, 0.7, seed=4)
    plan = BootstrapPlan(resamples=4000)
    ours = interval(bootstrap(truth, [predicted], 3, plan)[0].overall[MetricName.ACCURACY], 0.95)
    rows = np.random.default_rng(0).integers(0, 250, (4000, 250))
    low, high = np.quantile((truth == predicted)[rows].mean(axis=1), [0.025, 0.975])
    assert (ours.low, ours.high) == pytest.approx((low, high), abs=0.006)


def test_a_class_without_rows_or_answers_is_undefined_and_left_out_of_the_macro_mean() -> None:
    truth = np.array([0, 0, 1, 1])
    (scores,) = bootstrap(truth, [truth], 3, PLAN)
    undefined = interval(scores.per_class[MetricName.F1][:, 2], 0.95)
    assert np.isnan([undefined.value, undefined.low, undefined.high]).all()
    assert interval(scores.overall[MetricName.MACRO_F1], 0.95).value == 1


def test_answers_outside_the_classes_are_wrong() -> None:
    truth = np.array([0, 1, 1, 0])
    (scores,) = bootstrap(truth, [np.array([0, 2, 2, -1])], 2, PLAN)
    assert scores.overall[MetricName.ACCURACY][0] == 0.25
    assert scores.per_class[MetricName.RECALL][0].tolist() == [0.5, 0]


def test_two_thousand_resamples_of_two_thousand_rows_take_under_a_second() -> None:
    truth, predicted = noisy(2000, 5, 0.9, seed=5)
    start = time.perf_counter()
    bootstrap(truth, [predicted, np.roll(predicted, 1)], 5, BootstrapPlan())
    assert time.perf_counter() - start < 1
