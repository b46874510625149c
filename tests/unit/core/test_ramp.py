"""The split of a ramp: whole percents that sum to 100, whoever shared the traffic before."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from evergreen.core.ramp import Ramp, split_at


@given(
    st.dictionaries(st.sampled_from("acdefg"), st.integers(1, 100), min_size=1),
    st.integers(1, 99),
)
def test_the_newcomer_gets_its_percent_and_the_others_what_they_had_in_proportion(
    incumbents: dict[str, int], percent: int
) -> None:
    split = split_at(incumbents, "b", percent)
    assert split["b"] == percent
    assert sum(split.values()) == 100
    total = sum(incumbents.values())
    for version, share in incumbents.items():
        assert abs(split[version] - (100 - percent) * share / total) < 1


@pytest.mark.parametrize("shares", [[50, 5], [5, 5], [0], [100], [12.5]])
def test_shares_that_do_not_rise_between_1_and_99_are_refused(shares: list[float]) -> None:
    with pytest.raises(ValidationError):
        Ramp.model_validate({"shares": shares})
