from datetime import UTC, datetime

import pytest

from evergreen.core.errors import InputError
from orchestration.cron import firings

AFTER = datetime(2024, 3, 30, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("cron", "times"),
    [
        ("0 3 * * *", [(31, 3), (32, 3)]),
        ("0 */8 * * *", [(30, 16), (31, 0)]),
        ("TZ=Europe/Berlin 0 12 * * *", [(31, 10), (32, 10)]),  # summer time begins that night
        ("CRON_TZ=Asia/Kolkata 30 5 * * *", [(31, 0), (32, 0)]),
    ],
)
def test_the_next_times_are_told_in_utc(cron: str, times: list[tuple[int, int]]) -> None:
    expected = [datetime(2024, 3 + day // 32, day % 32 or 1, hour, tzinfo=UTC) for day, hour in times]
    assert firings(cron, AFTER, 2) == expected


@pytest.mark.parametrize("cron", ["", "daily", "0 3 * *", "0 0 3 * * *", "0 25 * * *", "TZ=Nowhere/City 0 3 * * *"])
def test_what_names_no_times_is_an_error(cron: str) -> None:
    with pytest.raises(InputError, match="--cron "):
        firings(cron, AFTER, 1)
