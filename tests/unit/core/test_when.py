"""When verdicts, labels and time are a reason to train, and when they are none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from evergreen.core.artifacts import ResolvedWindow
from evergreen.core.metric import Metric
from evergreen.core.refresh import Refresh
from evergreen.core.verdict import Moved, Verdict
from evergreen.core.when import Cause, Drift, When, causes, unheard, verdicts_that_count

DAY = timedelta(days=1)
SINCE = datetime(2026, 11, 1, 3, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 2, tzinfo=UTC)
TWO_OF_FIVE = When(drift=Drift(k=2, of=5))


def verdict(day: int, *, drifted: bool = False, length: timedelta = DAY, **changes: Any) -> Verdict:
    """On the window that ends `day` midnights after the first one, made two hours later."""
    end = MIDNIGHT + day * DAY
    shift = Metric(value=0.2, low=0.1, high=0.3)
    moved = Moved(evidence="predictions", name="", shift=shift, p_value=0.001, alarm=True, message="sport: more")
    plain: dict[str, Any] = {
        "model": "news",
        "version": "a1",
        "window": ResolvedWindow(start=end - length, end=end),
        "rows": 2000,
        "requests": 2000,
        "enough": True,
        "drifted": drifted,
        "moved": (moved,) if drifted else (),
        "created": end + timedelta(hours=2),
    }
    return Verdict(**{**plain, **changes})


def days(drifted: str, **changes: Any) -> list[Verdict]:
    """A verdict a day, oldest first: `d` drifted, `-` did not."""
    return [verdict(day, drifted=letter == "d", **changes) for day, letter in enumerate(drifted)]


def found(when: When, verdicts: list[Verdict], now: datetime | None = None, since: datetime = SINCE) -> list[str]:
    now = now or max((one.created for one in verdicts), default=SINCE) + timedelta(hours=1)
    return [cause.kind for cause in causes(when, verdicts_that_count(verdicts, "a1", since, now), since, now)]


@pytest.mark.parametrize(
    ("drifted", "expected"),
    [
        ("", []),
        ("d", []),
        ("dd", ["drift"]),
        ("d-", []),  # the newest did not
        ("d-d", ["drift"]),
        ("d---d", ["drift"]),
        ("d----d", []),  # six windows ago
        ("ddddd-", []),
        ("-----", []),
    ],
)
def test_k_of_the_last_windows_and_the_newest_have_to_drift(drifted: str, expected: list[str]) -> None:
    assert found(TWO_OF_FIVE, days(drifted)) == expected
    assert found(When(), days(drifted)) == []


def test_the_reason_says_how_many_windows_drifted_and_what_moved() -> None:
    verdicts = days("d--d")
    now = verdicts[-1].created
    counted = verdicts_that_count(verdicts, "a1", SINCE, now)
    assert causes(TWO_OF_FIVE, counted, SINCE, now) == (
        Cause(kind="drift", words="2 of the last 4 windows drifted, the newest to 2026-11-05 00:00 (predictions)"),
    )


def test_the_reason_names_features_in_words() -> None:
    (moved,) = verdict(0, drifted=True).moved
    named = moved.model_copy(update={"evidence": "feature", "name": "unknown_share"})
    (cause,) = causes(When(drift=Drift(k=1, of=1)), [verdict(0, drifted=True, moved=(named,))], SINCE, MIDNIGHT)
    assert cause.words.endswith("(share of unknown tokens)")


@pytest.mark.parametrize(
    "changes",
    [
        {"version": "b2"},
        {"enough": False, "quality": {}, "below": ()},
        {"window": ResolvedWindow(start=SINCE - DAY, end=SINCE)},  # used up by the last training
        {"window": ResolvedWindow(start=MIDNIGHT + 100 * DAY, end=MIDNIGHT + 101 * DAY)},  # by a clock that is off
    ],
    ids=["of another version", "of too few rows", "of before the last training", "of the future"],
)
def test_what_does_not_speak_of_the_champion_now_never_counts(changes: dict[str, Any]) -> None:
    quality = {"quality": {"accuracy": Metric(value=0.5, low=0.4, high=0.6)}, "below": ("accuracy",)}
    every = When(drift=Drift(k=1, of=1), quality=True)
    assert found(every, days("dd", **quality)) == ["drift", "quality"]
    assert found(every, days("dd", **{**quality, **changes})) == []
    beside = [*days("--"), *days("dd", **{**quality, **changes})]
    assert found(every, beside, beside[1].created) == []


def test_a_verdict_that_is_older_than_its_window_counts_for_nothing_and_that_is_told() -> None:
    verdicts = days("ddd")
    made = verdicts[-1].created
    assert found(TWO_OF_FIVE, verdicts, made + DAY) == ["drift"]
    assert found(TWO_OF_FIVE, verdicts, made + DAY + timedelta(hours=1)) == ["drift"]  # a firing that came late
    now = made + DAY + timedelta(hours=2)
    assert found(TWO_OF_FIVE, verdicts, now) == []
    told = unheard(TWO_OF_FIVE, verdicts, verdicts_that_count(verdicts, "a1", SINCE, now))
    assert told == (
        "no verdict counts for refresh.when: the newest one is of version a1 and the window to 2026-11-04 00:00, made "
        "2026-11-04 02:00"
    )
    assert unheard(TWO_OF_FIVE, [], ()) == "there is no verdict for refresh.when to read"
    assert unheard(When(max_age="30d"), [], ()) is None


def test_a_window_of_long_ago_that_is_judged_now_says_nothing_of_now() -> None:
    now = MIDNIGHT + 40 * DAY
    assert found(TWO_OF_FIVE, days("ddd", created=now), now) == []


def test_one_window_counts_once_however_often_it_was_judged() -> None:
    first = verdict(3, drifted=True)
    again = verdict(3, drifted=True, created=first.created + timedelta(hours=1))
    assert found(TWO_OF_FIVE, [first, again]) == []
    withdrawn = verdict(3, drifted=False, created=first.created + timedelta(hours=1))
    assert found(TWO_OF_FIVE, [verdict(2, drifted=True), first, withdrawn]) == []  # the last word on it


def test_windows_that_overlap_do_not_count_one_bad_day_more_than_once() -> None:
    week = days("ddddddd", length=7 * DAY)
    assert found(TWO_OF_FIVE, week) == []
    assert found(TWO_OF_FIVE, [*week, verdict(7, drifted=True, length=7 * DAY)]) == ["drift"]


def test_a_firing_that_came_some_minutes_early_is_a_window_of_its_own() -> None:
    late = verdict(0, drifted=True)
    for early, expected in ((timedelta(minutes=50), ["drift"]), (timedelta(minutes=70), [])):
        end = MIDNIGHT + DAY - early
        early_one = verdict(1, drifted=True, window=ResolvedWindow(start=end - DAY, end=end))
        assert found(TWO_OF_FIVE, [late, early_one]) == expected


def test_quality_counts_by_the_newest_window_that_has_labels() -> None:
    low = Metric(value=0.6, low=0.55, high=0.65)
    below = verdict(0, quality={"accuracy": low, "macro_f1": low}, below=("accuracy", "macro_f1"))
    when = When(quality=True)
    assert found(when, [below]) == ["quality"]
    assert found(when, [below, verdict(1)]) == ["quality"]  # its labels have yet to come
    assert found(when, [below, verdict(1, quality={"accuracy": low})]) == []
    assert found(When(drift=Drift()), [below]) == []


def test_few_rows_with_labels_enough_tell_of_quality_and_not_of_drift() -> None:
    low = Metric(value=0.6, low=0.5, high=0.7)
    labelled = verdict(1, drifted=True, enough=False, quality={"accuracy": low}, below=("accuracy",))
    every = When(drift=Drift(k=1, of=1), quality=True)
    assert found(every, [labelled]) == ["quality"]
    assert found(every, [verdict(0, drifted=True), labelled], labelled.created) == ["drift", "quality"]
    late = labelled.created + timedelta(hours=5)
    assert found(every, [verdict(0, drifted=True), labelled], late) == ["quality"]  # what drifted is too old by then


def test_age_counts_from_the_last_training_that_was_judged() -> None:
    when = When(max_age="30d")
    assert found(when, [], SINCE + 30 * DAY) == ["age"]
    assert found(when, [], SINCE + 30 * DAY - timedelta(minutes=1)) == []
    assert found(when, [], SINCE + 60 * DAY, since=SINCE + 50 * DAY) == []


def test_a_rule_that_can_never_hold_is_refused() -> None:
    with pytest.raises(ValidationError, match="k 3 of the last 2 windows can never be"):
        Refresh.model_validate({"when": {"drift": {"k": 3, "of": 2}}})
    with pytest.raises(ValidationError, match="is not a duration"):
        Refresh.model_validate({"when": {"max_age": "a month"}})
    assert Refresh.model_validate({"when": {"drift": {}}}).when.drift == Drift(k=2, of=5)


WINDOWS = st.lists(st.tuples(st.integers(0, 12), st.booleans(), st.integers(0, 3)), max_size=14)


def _verdicts(windows: list[tuple[int, bool, int]]) -> list[Verdict]:
    """Of one version each, by the last number; no two made at once."""
    return [
        verdict(day, drifted=drifted, version=f"v{of}", created=MIDNIGHT + day * DAY + timedelta(hours=2, seconds=turn))
        for turn, (day, drifted, of) in enumerate(windows)
    ]


@given(WINDOWS, st.randoms(), st.integers(1, 5), st.integers(0, 14))
def test_order_and_verdicts_on_others_change_nothing(
    windows: list[tuple[int, bool, int]], random: Any, k: int, day: int
) -> None:
    verdicts, now = _verdicts(windows), MIDNIGHT + day * DAY + timedelta(hours=3)
    counted = verdicts_that_count(verdicts, "v0", SINCE, now)
    shuffled = random.sample(verdicts, len(verdicts))
    assert verdicts_that_count(shuffled, "v0", SINCE, now) == counted
    own = [one for one in verdicts if one.version == "v0"]
    assert verdicts_that_count([*own, *own], "v0", SINCE, now) == counted
    rule = When(drift=Drift(k=k, of=5))
    assert bool(causes(rule, counted, SINCE, now)) == (
        bool(counted) and counted[0].drifted and sum(one.drifted for one in counted[:5]) >= k
    )


@given(WINDOWS, st.integers(0, 14))
def test_a_training_uses_up_every_verdict_that_was_made_before_it(
    windows: list[tuple[int, bool, int]], day: int
) -> None:
    now = MIDNIGHT + day * DAY + timedelta(hours=3)
    made = [one for one in _verdicts(windows) if one.created <= now]
    assert verdicts_that_count(made, "v0", now, now + DAY) == ()
