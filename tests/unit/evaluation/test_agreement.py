import numpy as np
import pytest

from evergreen.evaluation.agreement import Shares, at_best, disagreement, rows_to_decide

LOOKS = range(20, 601, 20)


def ever_outside(drawn: list[Shares], truth: float) -> float:
    """The share of the draws whose interval misses the truth at one of the looks, at least."""
    return float(np.mean([any(misses(shares[:look], truth) for look in LOOKS) for shares in drawn]))


def misses(shares: Shares, truth: float) -> bool:
    bound = disagreement(shares)
    return not bound.low <= truth <= bound.high


@pytest.mark.parametrize("truth", [0.002, 0.01, 0.3])
def test_of_texts_the_interval_holds_at_thirty_looks_together(truth: float) -> None:
    random = np.random.default_rng(0)
    drawn = [(random.random(LOOKS[-1]) < truth).astype(np.float64) for _ in range(300)]
    assert ever_outside(drawn, truth) < 0.05


def test_of_pictures_it_holds_whatever_the_shares() -> None:
    random = np.random.default_rng(0)
    assert ever_outside(list(random.beta(0.05, 5, size=(300, LOOKS[-1]))), 0.05 / 5.05) < 0.05


@pytest.mark.parametrize(("hits", "rows"), [(0, 1), (1, 1), (0, 300), (3, 650), (40, 40), (0.4, 20)])
def test_the_interval_lies_about_the_mean_and_shrinks_with_more_of_the_same(hits: float, rows: int) -> None:
    shares = np.full(rows, hits / rows)
    bound, more = disagreement(shares), disagreement(np.tile(shares, 20))
    assert 0 <= bound.low <= bound.value <= bound.high <= 1
    assert bound.value == pytest.approx(hits / rows)
    assert bound.low <= more.low
    assert more.high <= bound.high
    assert more.high - more.low < bound.high - bound.low


def test_no_disagreement_needs_some_hundred_rows_and_one_at_the_limit_none_that_there_are() -> None:
    needed = rows_to_decide(0.0, 0.01)
    assert needed is not None
    assert disagreement(np.zeros(needed)).high <= 0.01 < disagreement(np.zeros(needed * 9 // 10)).high
    assert rows_to_decide(0.01, 0.01) is None


def test_a_row_or_two_decide_nothing() -> None:
    assert disagreement(np.zeros(2)).high > 0.5
    assert disagreement(np.ones(1)).low < 0.1


@pytest.mark.parametrize("seen", [1, 80, 399, 400])
def test_no_rows_to_come_show_less_than_the_best_of_them_would(seen: int) -> None:
    shares = (np.random.default_rng(0).random(400) < 0.01).astype(np.float64)
    assert at_best(shares[:seen], len(shares)) <= disagreement(shares).high
    assert at_best(shares[:seen], 0) == disagreement(shares[:seen]).high
