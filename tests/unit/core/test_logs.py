import json
import logging
import sys

from evergreen.core.logs import JsonFormatter


def test_an_event_is_one_line_of_json_with_its_fields() -> None:
    record = logging.makeLogRecord({"msg": "ready\nnow", "levelname": "INFO", "fields": {"version": "a1", "path": 1j}})
    line = JsonFormatter().format(record)
    assert "\n" not in line
    content = json.loads(line)
    assert content["event"] == "ready\nnow"
    assert (content["level"], content["version"], content["path"]) == ("info", "a1", "1j")
    assert content["time"].endswith("Z")


def test_an_exception_is_named_but_not_quoted() -> None:
    try:
        int("the payload")
    except ValueError:
        record = logging.makeLogRecord({"msg": "fault", "exc_info": sys.exc_info()})
    line = JsonFormatter().format(record)
    assert json.loads(line)["error"] == "ValueError"
    assert "payload" not in line
