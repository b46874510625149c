import time
from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.core.metric import Metric, MetricName
from evergreen.evaluation import specs
from evergreen.evaluation.class_scores import Labels
from evergreen.evaluation.classification import bootstrap, bootstrap_classes
from evergreen.evaluation.resampling import difference, interval
from evergreen.evaluation.scores import Scores

CLASSES = 3
answers = st.lists(st.tuples(*[st.integers(0, CLASSES - 1)] * 3), min_size=1, max_size=60)


def noisy(rows: int, classes: int, right: float, seed: int) -> tuple[Labels, Labels]:
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, rows)
    return truth, np.where(random.random(rows) < right, truth, random.integers(0, classes, rows))


def right_on(count: int, rows: int) -> tuple[Labels, list[Labels]]:
    """Truth of 4 classes, and the answers of a model that is right on the first `count` rows."""
    truth = np.arange(rows) % 4
    return truth, [np.where(np.arange(rows) < count, truth, (truth + 1) % 4)]


def disagreeing_on(better: int, worse: int, rows: int) -> tuple[Labels, list[Labels]]:
    """Truth of 2 classes, and the answers of two models of which the first is alone right on `better` rows."""
    truth, row = np.arange(rows) % 2, np.arange(rows)
    first = np.where((row >= better) & (row < better + worse), 1 - truth, truth)
    return truth, [first, np.where(row < better, 1 - truth, truth)]


def accuracy(scores: Scores) -> Metric:
    return interval(scores[MetricName.ACCURACY])


@given(answers)
def test_intervals_hold_shares_in_order_and_differences_are_antisymmetric(rows: list[tuple[int, int, int]]) -> None:
    truth, first, second = np.array(rows).T
    a, b = bootstrap(truth, [first, second], CLASSES)
    for samples in a.values():
        metric = interval(samples)
        assert 0 <= metric.low <= metric.value <= metric.high <= 1
    there, back = (interval(metrics[MetricName.ACCURACY]) for metrics in (difference(a, b), difference(b, a)))
    assert there.value == pytest.approx(-back.value)
    assert there.low == pytest.approx(-back.high)


@given(answers)
def test_row_order_does_not_matter(rows: list[tuple[int, int, int]]) -> None:
    def metric(of: list[tuple[int, int, int]]) -> object:
        truth, first, _ = np.array(of).T
        return accuracy(bootstrap(truth, [first], CLASSES)[0])

    assert metric(rows) == metric(sorted(rows))


def test_pairing_makes_the_difference_of_agreeing_models_surer_than_their_scores() -> None:
    truth, predicted = noisy(400, 4, 0.8, seed=2)
    other = predicted.copy()
    other[:8] = (truth[:8] + 1) % 4
    a, b = bootstrap(truth, [predicted, other], 4)
    score, apart = accuracy(a), accuracy(difference(a, b))
    assert apart.high - apart.low < (score.high - score.low) / 2


def test_equal_calls_give_equal_intervals() -> None:
    truth, predicted = noisy(300, 4, 0.8, seed=3)
    first, second = (bootstrap(truth, [predicted], 4)[0][MetricName.MACRO_F1] for _ in range(2))
    assert interval(first) == interval(second)


@pytest.mark.parametrize("rows", [10, 30, 60])
def test_the_interval_covers_the_true_accuracy_as_often_as_it_says_on_few_rows(rows: int) -> None:
    intervals = [accuracy(bootstrap(*right_on(count, rows), 4)[0]) for count in range(rows + 1)]
    for share in (0.7, 0.8, 0.9, 0.95, 0.98, 0.995):
        counts = range(rows + 1)
        chances = np.array([comb(rows, count) * share**count * (1 - share) ** (rows - count) for count in counts])
        covered = [bounds.low - 1e-9 <= share <= bounds.high + 1e-9 for bounds in intervals]
        assert chances[covered].sum() >= 0.9
        # the end that the gate looks at
        assert chances[[bounds.low <= share + 1e-9 for bounds in intervals]].sum() >= 0.94


@pytest.mark.parametrize(("better", "worse"), [(0.01, 0.01), (0, 0.02), (0.02, 0.05), (0.05, 0)])
def test_the_difference_covers_the_true_one_on_few_rows(better: float, worse: float) -> None:
    rows, covered = 30, 0.0
    for up, down in product(range(8), repeat=2):
        equal = rows - up - down
        chance = comb(rows, up) * comb(rows - up, down) * better**up * worse**down * (1 - better - worse) ** equal
        if chance > 1e-6:
            bounds = accuracy(difference(*bootstrap(*disagreeing_on(up, down, rows), 2)))
            covered += chance * (bounds.low <= better - worse <= bounds.high)
    assert covered >= 0.95


@pytest.mark.parametrize("rows", [20, 40])
def test_one_more_right_answer_never_lowers_the_accuracy_that_is_certain(rows: int) -> None:
    lows = [accuracy(bootstrap(*right_on(count, rows), 4)[0]).low for count in range(rows + 1)]
    assert lows == sorted(lows)


def test_few_flawless_answers_are_not_certain() -> None:
    truth, answers = right_on(40, 40)
    overall, by_class = bootstrap(truth, answers, 4)[0], bootstrap_classes(truth, answers, 4)[0]
    for samples in (*overall.values(), *by_class[MetricName.F1].T, *by_class[MetricName.RECALL].T):
        metric = interval(samples)
        assert metric.value == metric.high == pytest.approx(1)
        assert 0.6 < metric.low < 0.95


def test_models_that_agree_on_few_rows_are_not_certain_to_be_equal() -> None:
    truth, (predicted,) = right_on(27, 30)
    a, b = bootstrap(truth, [predicted, predicted], 4)
    for name in (spec.name for spec in specs.CLASSIFICATION):
        apart = interval(difference(a, b)[name])
        assert apart.value == 0
        assert -0.15 < apart.low < -0.05
        assert 0.05 < apart.high < 0.15
    wide, narrow = (accuracy(difference(*bootstrap(*disagreeing_on(0, 0, rows), 2))) for rows in (30, 3000))
    assert narrow.high < wide.high / 50


def test_on_many_rows_resamples_match_those_drawn_row_by_row() -> None:
    truth, predicted = noisy(1000, 3, 0.7, seed=4)
    ours = accuracy(bootstrap(truth, [predicted], 3)[0])
    rows = np.random.default_rng(0).integers(0, 1000, (4000, 1000))
    low, high = np.quantile((truth == predicted)[rows].mean(axis=1), [0.025, 0.975])
    assert (ours.low, ours.high) == pytest.approx((low, high), abs=0.004)


def test_a_class_without_rows_or_answers_is_undefined_and_left_out_of_the_macro_mean() -> None:
    truth = np.array([0, 0, 1, 1])
    (scores,), (by_class,) = bootstrap(truth, [truth], 3), bootstrap_classes(truth, [truth], 3)
    undefined = interval(by_class[MetricName.F1][:, 2])
    assert np.isnan([undefined.value, undefined.low, undefined.high]).all()
    assert interval(scores[MetricName.MACRO_F1]).value == 1


def test_answers_outside_the_classes_are_wrong() -> None:
    truth = np.array([0, 1, 1, 0])
    answers = [np.array([0, 2, 2, -1])]
    assert bootstrap(truth, answers, 2)[0][MetricName.ACCURACY][0] == 0.25
    assert bootstrap_classes(truth, answers, 2)[0][MetricName.RECALL][0].tolist() == [0.5, 0]


def test_two_thousand_resamples_of_two_thousand_rows_take_under_a_second() -> None:
    truth, predicted = noisy(2000, 5, 0.9, seed=5)
    start = time.perf_counter()
    bootstrap(truth, [predicted, np.roll(predicted, 1)], 5)
    bootstrap_classes(truth, [predicted, np.roll(predicted, 1)], 5)
    assert time.perf_counter() - start < 1
