import numpy as np
import pytest
from scipy.stats import binomtest

from evergreen.evaluation.agreement import disagreement, rows_to_decide


@pytest.mark.parametrize(("hits", "rows"), [(0, 300), (0, 368), (3, 650), (40, 40)])
def test_of_texts_the_interval_is_the_binomials(hits: int, rows: int) -> None:
    measured = disagreement(np.array([1.0] * hits + [0.0] * (rows - hits)))
    expected = binomtest(hits, rows).proportion_ci(0.95, "exact")
    assert (measured.low, measured.high) == pytest.approx((expected.low, expected.high))
    assert measured.value == hits / rows


def test_of_pictures_the_bound_holds_whatever_the_shares() -> None:
    random = np.random.default_rng(0)
    drawn = random.beta(0.05, 5, size=(400, 300))
    truth = 0.05 / 5.05
    bounds = [disagreement(shares) for shares in drawn]
    assert np.mean([bound.high < truth for bound in bounds]) < 0.025
    assert np.mean([bound.low > truth for bound in bounds]) < 0.025
    assert all(0 <= bound.low <= bound.value <= bound.high <= 1 for bound in bounds)
    assert np.mean([bound.high for bound in bounds]) < 0.05


def test_no_disagreement_needs_some_hundred_rows_and_one_at_the_limit_none_that_there_are() -> None:
    needed = rows_to_decide(0.0, 0.01)
    assert needed is not None
    assert disagreement(np.zeros(needed)).high <= 0.01 < disagreement(np.zeros(needed // 2)).high
    assert rows_to_decide(0.01, 0.01) is None
