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
    others: dict[str, int], percent: int
) -> None:
    split = split_at(others, "b", percent)
    assert split["b"] == percent
    assert sum(split.values()) == 100
    total = sum(others.values())
    for version, share in others.items():
        assert abs(split[version] - (100 - percent) * share / total) < 1


@pytest.mark.parametrize("shares", [[50, 5], [5, 5], [0], [100], [12.5]])
def test_shares_that_do_not_rise_between_1_and_99_are_refused(shares: list[float]) -> None:
    with pytest.raises(ValidationError):
        Ramp.model_validate({"shares": shares})


def test_a_ramp_ends_before_the_task_that_climbs_it() -> None:
    assert Ramp(shares=(1, 5, 10, 25, 50), hold_s=86400).total_s == 5 * 86400
    with pytest.raises(ValidationError, match=r"6 shares of 86400 s take 6\.0 days, a rollout takes 5 at most"):
        Ramp(shares=(1, 5, 10, 25, 50, 75), hold_s=86400)


@pytest.mark.parametrize(
    "ramp", [{"shares": range(1, 22)}, {"hold_s": -1}, {"hold_s": float("nan")}, {"hold_s": 90000}]
)
def test_what_no_rollout_could_do_is_refused(ramp: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Ramp.model_validate(ramp)
