from __future__ import annotations

import asyncio
import io
import json
import logging
from typing import Any

import pytest

from evergreen.runtime.logs import JsonFormatter, QuietHandler, Throttle

LOGGER = logging.getLogger("evergreen.throttled")


def test_lines_of_libraries_come_once_a_second_without_what_they_quote() -> None:
    stream = io.StringIO()
    handler = QuietHandler(stream)
    handler.setFormatter(JsonFormatter())
    records = [
        logging.LogRecord("asyncio", logging.WARNING, "", 1, "Task exception\nfuture: %s", ("a caller's text",), None)
        for _ in range(3)
    ]
    for record in records:
        handler.handle(record)
    own = logging.LogRecord("evergreen.serving", logging.INFO, "", 1, "request", (), None)
    handler.handle(own)
    handler.handle(own)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["Task exception", "request", "request"]
    assert (lines[0]["logger"], lines[0]["count"]) == ("asyncio", 1)
    assert "a caller's text" in records[0].getMessage()  # for whoever else is given it


def test_errors_of_libraries_and_every_line_of_the_project_s_own_modules_come_all() -> None:
    stream = io.StringIO()
    handler = QuietHandler(stream)
    handler.setFormatter(JsonFormatter())
    for name in ("asyncio", "evergreen.adapters.gcs.failures"):
        for number in range(3):
            handler.handle(logging.LogRecord(name, logging.ERROR, "", 1, "%d\n%s", (number, "x" * 300), None))
    lines = [json.loads(line)["event"] for line in stream.getvalue().splitlines()]
    assert lines == ["0", "1", "2", *(f"{number}\n{'x' * 300}" for number in range(3))]


def test_a_storm_of_events_is_a_line_at_once_and_one_with_the_count(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evergreen.runtime.logs.LOG_PERIOD_S", 0.05)

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
