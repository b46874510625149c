"""Rows that are asked of both versions where clients ask nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from evergreen.core import replay
from evergreen.core.errors import EndpointError, InputError
from evergreen.core.judge.evidence import Minute
from evergreen.core.replay import Replay, replayed

ROWS = Replay([{"text": str(number)} for number in range(5)], "5 rows")


def never(_: Sequence[Minute]) -> bool:
    return False


def enough_after(requests: int) -> Any:
    return lambda minutes: sum(minute.newcomer.requests for minute in minutes) >= requests


def test_both_versions_are_asked_the_same_rows_by_turns() -> None:
    asked: list[tuple[str, str]] = []

    def ask(instances: Sequence[Any], version: str) -> Sequence[dict[str, Any]]:
        asked.append((version, instances[0]["text"]))
        return [{"label": version}]

    minutes = replayed(ask, ROWS, "b", "a", enough_after(50))
    assert asked[:4] == [("b", "0"), ("a", "0"), ("a", "1"), ("b", "1")]
    assert Counter(asked)[("a", "3")] == Counter(asked)[("b", "3")] == 10
    assert sum(minute.newcomer.requests for minute in minutes) == 50
    assert sum(sum(minute.champion.latencies) for minute in minutes) == 50


def test_a_row_that_is_asked_again_says_nothing_new_of_classes() -> None:
    minutes = replayed(lambda _, version: [{"label": version}], ROWS, "b", "a", enough_after(200))
    counted: Counter[str] = Counter()
    for minute in minutes:
        counted.update(minute.newcomer.predictions)
    assert counted == {"b": 5}


def test_what_a_version_fails_is_an_error_and_what_a_row_is_at_fault_for_is_none() -> None:
    def ask(instances: Sequence[Any], version: str) -> Sequence[dict[str, Any]]:
        if version == "b":
            raise EndpointError("it fell over") if instances[0]["text"] == "1" else InputError("no such text")
        return []

    minutes = replayed(ask, ROWS, "b", "a", enough_after(50))
    newcomers = [minute.newcomer for minute in minutes]
    assert (sum(arm.requests for arm in newcomers), sum(arm.errors for arm in newcomers)) == (50, 10)
    assert sum(minute.champion.errors for minute in minutes) == 50  # no prediction for an instance


def test_it_ends_in_time_where_each_question_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "MOST_S", 0.0)
    (minute,) = replayed(lambda *_: [{"label": "x"}], ROWS, "b", "a", never)
    assert (minute.newcomer.requests, minute.champion.requests) == (1, 0)


def test_without_rows_nothing_is_asked() -> None:
    assert replayed(lambda *_: [], Replay([], "none"), "b", "a", never) == []
