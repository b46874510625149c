from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.monitoring.alarms import holm


@pytest.mark.parametrize(
    ("p_values", "corrected"),
    [
        ([], []),
        ([0.02], [0.02]),
        ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),
        ([0.5, 0.9], [1.0, 1.0]),
        ([0.02, 0.02], [0.04, 0.04]),
    ],
)
def test_the_smallest_counts_for_all_and_the_next_for_all_but_it(p_values: list[float], corrected: list[float]) -> None:
    assert holm(p_values) == pytest.approx(corrected)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_corrected_p_values_are_larger_in_the_same_order_and_no_more_than_one(p_values: list[float]) -> None:
    corrected = holm(p_values)
    assert all(p <= held <= 1 for p, held in zip(p_values, corrected, strict=True))
    for p, held in zip(p_values, corrected, strict=True):
        assert all(held <= other for q, other in zip(p_values, corrected, strict=True) if p < q)
