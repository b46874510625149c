import io
import json
import logging

from evergreen.core.logs import JsonFormatter, QuietHandler


def test_lines_of_libraries_come_once_a_second_without_what_they_quote() -> None:
    stream = io.StringIO()
    handler = QuietHandler(stream, "evergreen.serving")
    handler.setFormatter(JsonFormatter())
    records = [
        logging.LogRecord("asyncio", logging.ERROR, "", 1, "Task exception\nfuture: %s", ("a caller's text",), None)
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
