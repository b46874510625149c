"""The split of a ramp: whole percents that sum to 100, whoever shared the traffic before."""

from __future__ import annotations

import re
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from evergreen.core.ramp import Ramp, split_at
from evergreen.core.rollout import roll_out
from evergreen.core.shadow import Shadow
from tests.memory_endpoint import MemoryEndpoint
from tests.rollouts import put_live, release

CUT_OFF = {"a": 90, "b": 10}
"""A run that was to put `b` beside champion `a` was killed on its ramp."""


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


def test_shares_in_another_order_come_with_the_order_to_write() -> None:
    with pytest.raises(ValidationError, match=r"greater than the one before, got \[50, 5, 50\]; write \[5, 50\]"):
        Ramp.model_validate({"shares": [50, 5, 50]})


def test_a_ramp_ends_before_the_task_that_climbs_it() -> None:
    assert Ramp(shares=(1, 5, 10, 25, 50), hold_s=86400).total_s == 5 * 86400
    [complaint] = Ramp(shares=(1, 5, 10, 25, 50, 75), hold_s=86400).complaints()
    assert complaint.reason.startswith("6 shares of 86400 s take 6.0 days, a rollout takes 5 at most")


def test_the_time_as_a_shadow_counts_too() -> None:
    assert Ramp(shares=(5, 25), hold_s=60, shadow=Shadow(for_s=300)).total_s == 420
    [complaint] = Ramp(shares=(1, 5, 10, 25, 50), hold_s=86400, shadow=Shadow(for_s=86400)).complaints()
    assert complaint.reason.startswith("5 shares of 86400 s after a shadow take 6.0 days")


@pytest.mark.parametrize("shadow", [{"share": 0}, {"share": 1.1}, {"for_s": 0}, {"for_s": 90000}, {"max_failed": 1}])
def test_a_shadow_that_no_endpoint_could_make_is_refused(shadow: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Ramp.model_validate({"shadow": shadow})


@pytest.mark.parametrize(
    "ramp", [{"shares": range(1, 22)}, {"hold_s": -1}, {"hold_s": float("nan")}, {"hold_s": 90000}]
)
def test_what_no_rollout_could_do_is_refused(ramp: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Ramp.model_validate(ramp)


@pytest.mark.parametrize(
    ("given", "place", "words"),
    [
        (
            {"shares": [], "judge": {}},
            ("judge",),
            r"shares is \[\], .* give shares of 1 to 99 percent, .* or leave judge",
        ),
        ({"judge": {"errors": "off"}}, ("judge",), r"shares is \[\]"),
        (
            {"shares": [5], "hold_s": 120, "judge": {"max_hold_s": 60}},
            ("judge", "max_hold_s"),
            r"^60 s is shorter than hold_s, 120 s, .*; give max_hold_s 120 to 86400, or a hold_s of 60 at most$",
        ),
    ],
)
def test_what_is_asked_of_a_judge_that_never_counts_is_told(
    given: dict[str, object], place: tuple[str, ...], words: str
) -> None:
    [complaint] = Ramp.model_validate(given).complaints()
    assert complaint.path == place
    assert re.search(words, complaint.reason)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"shares": [], "judge": None},
        {"shares": [], "shadow": {}},
        {"shares": [5], "judge": {}},
        {"shares": [5], "hold_s": 7200, "judge": {"errors": "off"}},
        {"shares": [5], "hold_s": 60, "judge": {"max_hold_s": 60}},
    ],
)
def test_a_ramp_is_as_it_should_be_where_only_defaults_do_not_count(given: dict[str, object]) -> None:
    assert not list(Ramp.model_validate(given).complaints())


def test_a_ramp_that_was_written_down_with_its_defaults_is_read_again() -> None:
    assert Ramp.model_validate_json(Ramp().model_dump_json()) == Ramp()


def test_a_ramp_gives_each_share_before_all_and_asks_at_each() -> None:
    endpoint = MemoryEndpoint({"a": 100})
    assert put_live(endpoint, "b", previous="a", shares=(5, 50)).traffic == {"a": 0, "b": 100}
    assert endpoint.calls[3:] == [
        "set_traffic {'b': 5, 'a': 95}",
        "predict None",
        "set_traffic {'b': 50, 'a': 50}",
        "predict None",
        "set_traffic {'b': 100}",
        "predict None",
        "on_live",
    ]


@pytest.mark.parametrize("ready", [set(), {"a"}], ids=["first version", "champion that does not come up"])
def test_a_ramp_is_for_a_version_that_has_another_beside_it(ready: set[str]) -> None:
    endpoint = MemoryEndpoint(dict.fromkeys(ready, 100))
    endpoint.broken = ready
    endpoint.die()
    put_live(endpoint, "b", shares=(5, 50))
    assert [call for call in endpoint.calls if call.startswith("set_traffic")] == ["set_traffic {'b': 100}"]


def test_a_version_that_stops_answering_on_the_ramp_loses_its_share() -> None:
    endpoint = MemoryEndpoint({"a": 100})
    endpoint.dies_at = ("b", 5)
    deployment = put_live(endpoint, "b", previous="a", shares=(5, 50))
    assert (deployment.outcome, deployment.traffic) == ("rolled_back", {"a": 100})
    assert "stopped answering at 5 % of the traffic" in deployment.message


def test_a_version_that_dies_while_a_share_is_held_loses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint, clock = MemoryEndpoint({"a": 100}), [0.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds
        if clock[0] > 50:
            endpoint.ready.discard("b")

    monkeypatch.setattr(time, "time", lambda: clock[0])
    monkeypatch.setattr(time, "sleep", sleep)
    held = replace(release("b"), ramp=Ramp(shares=(5,), hold_s=120))
    deployment = roll_out(endpoint, held, "a", lambda: None)
    assert (deployment.outcome, deployment.traffic) == ("rolled_back", {"a": 100})
    assert 50 < clock[0] < 60


class SharedEndpoint(MemoryEndpoint):
    """Somebody else sets the traffic to `theirs` right after the first call of `during`."""

    def __init__(self, traffic: dict[str, int], during: str, theirs: dict[str, int]) -> None:
        super().__init__(traffic)
        self.during, self.theirs = during, theirs

    def _called(self, verb: str, version: str | None) -> None:
        super()._called(verb, version)
        if f"{verb} {version}" == self.during:
            self.during = ""
            self.traffic = {version: self.theirs.get(version, 0) for version in self.traffic}


@pytest.mark.parametrize(
    ("during", "shares"), [("deploy b", ()), ("predict b", (5,)), ("predict None", (5, 50)), ("predict None", (5,))]
)
def test_traffic_that_somebody_else_moves_meanwhile_stays_and_ends_the_rollout(
    during: str, shares: tuple[int, ...]
) -> None:
    endpoint = SharedEndpoint({"a": 100, "z": 0}, during, {"z": 100})
    deployment = put_live(endpoint, "b", previous="a", shares=shares)
    assert (deployment.outcome, deployment.traffic) == ("rolled_back", {"a": 0, "z": 100})
    assert "the traffic was moved to {'z': 100} meanwhile" in deployment.message
    assert "on_live" not in endpoint.calls


def test_a_newcomer_that_somebody_else_gave_a_share_keeps_it() -> None:
    endpoint = SharedEndpoint({"a": 100}, "predict None", {"a": 60, "b": 40})
    deployment = put_live(endpoint, "b", previous="a", shares=(5,))
    assert (deployment.outcome, deployment.traffic) == ("rolled_back", {"a": 60, "b": 40})


def test_a_ramp_that_was_cut_off_goes_on_where_it_was() -> None:
    endpoint = MemoryEndpoint(CUT_OFF)
    again = replace(release("b", shares=(5, 50)), champion="a")
    assert roll_out(endpoint, again, "a", lambda: None).traffic == {"a": 0, "b": 100}
    splits = [call for call in endpoint.calls if call.startswith("set_traffic")]
    assert splits == ["set_traffic {'b': 50, 'a': 50}", "set_traffic {'b': 100}"]


@pytest.mark.parametrize("version", ["b", "c"], ids=["the same version", "a third one"])
def test_what_a_cut_off_ramp_left_goes_back_to_the_champion_when_the_next_rollout_fails(version: str) -> None:
    endpoint = MemoryEndpoint(CUT_OFF, {"predict": [{}]})
    deployment = roll_out(endpoint, replace(release(version), champion="a"), "a", lambda: None)
    assert deployment.outcome == "rolled_back"
    assert {version for version, share in endpoint.traffic.items() if share} == {"a"}
    assert version not in endpoint.traffic


def test_a_third_version_shares_its_ramp_with_the_champion_alone() -> None:
    endpoint = MemoryEndpoint(CUT_OFF)
    third = replace(release("c", shares=(20,)), champion="a")
    assert roll_out(endpoint, third, "a", lambda: None).traffic == {"a": 0, "c": 100}
    assert "set_traffic {'c': 20, 'a': 80}" in endpoint.calls
