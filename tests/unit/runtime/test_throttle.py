import asyncio
import logging
from typing import Any

import pytest

from evergreen.runtime.throttle import Throttle

LOGGER = logging.getLogger("evergreen.throttled")


def test_a_storm_of_events_is_a_line_at_once_and_one_with_the_count(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evergreen.runtime.throttle.LOG_PERIOD_S", 0.05)

    async def storm() -> None:
        throttle = Throttle(LOGGER)
        for number in range(100):
            throttle.log("refused", 503, {"status": 503, "number": number})
        throttle.log("refused", 404, {"status": 404})
        await asyncio.sleep(0.2)

    with caplog.at_level(logging.WARNING, "evergreen.throttled"):
        asyncio.run(storm())
    written: list[dict[str, Any]] = [vars(record)["fields"] for record in caplog.records]
    assert [(fields["status"], fields["count"]) for fields in written] == [(503, 1), (404, 1), (503, 99)]
    assert written[-1]["number"] == 99
