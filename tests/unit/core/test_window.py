from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import ValidationError

from evergreen.core.window import Window

NOW = datetime(2026, 3, 9, 14, 45, tzinfo=UTC)


@pytest.mark.parametrize(
    ("window", "start", "end"),
    [
        (Window(length="7d"), datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 9, tzinfo=UTC)),
        (Window(length="6h", grain="1h"), datetime(2026, 3, 9, 8, tzinfo=UTC), datetime(2026, 3, 9, 14, tzinfo=UTC)),
        (
            Window(end=datetime(2026, 1, 5, 1, tzinfo=timezone(timedelta(hours=2))), length="1d"),
            datetime(2026, 1, 3, tzinfo=UTC),
            datetime(2026, 1, 4, tzinfo=UTC),
        ),
    ],
    ids=["now, whole days", "now, whole hours", "a backfill, in UTC"],
)
def test_a_window_ends_at_a_multiple_of_its_grain(window: Window, start: datetime, end: datetime) -> None:
    resolved = window.resolve(NOW)
    assert (resolved.start, resolved.end) == (start, end)


def test_a_backfill_is_the_same_whenever_it_runs() -> None:
    window = Window(end=datetime(2026, 1, 5, tzinfo=UTC), length="2w")
    assert window.resolve(NOW) == window.resolve(NOW + timedelta(days=30))


@pytest.mark.parametrize("length", ["99999999999999d", "5300w", "9" * 5_000 + "m"])
def test_a_window_of_centuries_is_refused(length: str) -> None:
    with pytest.raises(ValidationError, match="longer than 100 years"):
        Window(length=length)


@pytest.mark.parametrize(
    "end",
    [
        date(2024, 5, 1),
        "2024-05-01",
        datetime(2024, 5, 1, 12),  # noqa: DTZ001 - as YAML reads it
        "2024-05-01T12:00:00",
        20240501,
        "1714521600",
        True,
        "x",
    ],
)
def test_an_end_without_time_and_zone_is_told_with_what_is_one(end: Any) -> None:
    with pytest.raises(
        ValidationError, match="should be now, or a day with its time and zone such as 2024-05-01T00"
    ) as caught:
        Window(end=end, length="1d")
    assert f"got '{str(end)[:19]}" in str(caught.value)
    assert Window(end="2024-05-01T00:00:00+02:00", length="1d").resolve().end == datetime(2024, 4, 30, tzinfo=UTC)


@pytest.mark.parametrize("length", ["7", "0d", "7 days", "-1d", "", 7, 1.5, True])
def test_what_is_no_duration_is_told_with_what_is(length: Any) -> None:
    with pytest.raises(ValidationError, match="such as 7d"):
        Window(length=length)
