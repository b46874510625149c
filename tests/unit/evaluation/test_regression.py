import numpy as np
import pytest

from evergreen.core.metric import MetricSpec
from evergreen.evaluation import regression
from evergreen.evaluation.regression import Regression, RowMetric
from evergreen.evaluation.resampling import interval
from evergreen.evaluation.scores import Floats

WITHIN_TENTH = RowMetric(MetricSpec(name="within_tenth", bounds=(0, 1)), lambda true, own: abs(own / true - 1) <= 0.1)


def noisy(rows: int, spread: float, seed: int = 0) -> Floats:
    """(rows, 2) true numbers around 100 and answers that are off by `spread`."""
    draw = np.random.default_rng(seed)
    truth = np.random.default_rng(9).normal(100, 20, rows)
    return np.column_stack([truth, truth + draw.normal(0, spread, rows)])


def test_intervals_match_those_of_rows_drawn_one_by_one() -> None:
    counts = noisy(500, 5)
    ours = Regression().overall(counts)
    drawn = counts[np.random.default_rng(3).integers(0, 500, (2000, 500))]  # (resamples, rows, 2)
    errors, truth = drawn[:, :, 1] - drawn[:, :, 0], drawn[:, :, 0]
    explained = 1 - (errors**2).sum(axis=1) / ((truth - truth.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    for name, samples, close in (
        ("mae", abs(errors).mean(axis=1), 0.06),
        ("rmse", np.sqrt((errors**2).mean(axis=1)), 0.06),
        ("r2", explained, 0.004),
    ):
        metric = interval(ours[name])
        assert (metric.low, metric.high) == pytest.approx(tuple(np.quantile(samples, [0.025, 0.975])), abs=close)


def test_differences_are_paired_and_a_metric_of_a_tasks_own_is_a_mean_over_rows() -> None:
    ours, theirs = noisy(800, 5), noisy(800, 8, seed=1)
    measure = Regression(unit="EUR", further=(WITHIN_TENTH,))
    scored = measure.score(ours, [measure.constant(ours, 100.0)], theirs)
    assert scored.champion is not None
    (always,) = scored.baselines
    assert interval(scored.champion.differences["mae"]).high < 0
    assert interval(scored.champion.differences["r2"]).low > 0
    assert always.scores["r2"][0] == pytest.approx(0, abs=0.01)
    assert scored.overall["within_tenth"][0] == pytest.approx((abs(ours[:, 1] / ours[:, 0] - 1) <= 0.1).mean())
    alone = interval(scored.overall["mae"] - interval(scored.overall["mae"]).value)
    same = interval(measure.score(ours, champion=ours).champion.differences["mae"])  # type: ignore[union-attr]
    assert (same.low, same.value, same.high) == (0, 0, 0)
    assert alone.low < 0 < alone.high
    assert [(spec.name, spec.better, spec.unit) for spec in measure.metrics] == [
        ("mae", "lower", "EUR"),
        ("rmse", "lower", "EUR"),
        ("r2", "higher", ""),
        ("within_tenth", "higher", ""),
    ]


def test_many_rows_are_drawn_in_groups_with_the_same_value_and_about_the_same_interval(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counts = noisy(1500, 5)
    whole = interval(Regression().overall(counts)["mae"])
    monkeypatch.setattr(regression, "MOST_GROUPS", 300)
    grouped = interval(Regression().overall(counts)["mae"])
    assert grouped.value == pytest.approx(whole.value, rel=1e-12)
    assert grouped.high - grouped.low == pytest.approx(whole.high - whole.low, rel=0.2)


def test_where_all_true_numbers_are_equal_nothing_can_be_explained() -> None:
    scores = Regression().overall(np.array([[0.1, 0.2], [0.1, 0.3], [0.1, 0.1]]))
    assert np.isnan(interval(scores["r2"]).value)
    assert interval(scores["mae"]).value == pytest.approx(0.1)


def test_residuals_hold_every_row_between_their_edges() -> None:
    (section,) = Regression(unit="EUR").sections(noisy(1000, 5))
    assert sum(section.counts) == 1000
    assert len(section.edges) == len(section.counts) + 1
    assert section.low == pytest.approx(-1.645 * 5, abs=0.8)
    assert section.low < section.median < section.high
