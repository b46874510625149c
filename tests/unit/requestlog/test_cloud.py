import io
import json
from typing import Any

import pytest

from evergreen.core.errors import InputError
from evergreen.requestlog.arrow import DamagedLineError, rows_in
from evergreen.requestlog.cloud import MOST_LINE_BYTES, Stdout
from evergreen.requestlog.opening import hook
from evergreen.requestlog.record import Row, row_of
from evergreen.requestlog.settings import LogSettings
from tests.noted import Seeing, request


def printed(*rows: Row, status: int = 200) -> list[str]:
    stream = io.BytesIO()
    Stdout(stream).write("news", request(status), list(rows))
    return stream.getvalue().decode().splitlines()


def seen(count: int) -> list[Row]:
    return [row_of(index, one) for index, one in enumerate(Seeing().observe(range(count), [0.0] * count))]


def test_a_request_is_one_line_that_cloud_logging_takes_apart() -> None:
    (line,) = printed(*seen(3))
    entry = json.loads(line)
    assert (entry["severity"], entry["model"], entry["version"]) == ("INFO", "news", "36df30fb3710")
    assert entry["logging.googleapis.com/labels"] == {"evergreen_log": "requests"}
    assert [row["prediction"] for row in rows_in(entry["message"])] == ["class 0", "class 1", "class 2"]


def test_a_line_that_nobody_takes_apart_has_the_same_rows() -> None:
    (line,) = printed(*seen(3))
    assert rows_in(line) == rows_in(json.loads(line)["message"])


def test_a_fault_is_a_warning() -> None:
    assert [json.loads(line)["severity"] for line in printed(status=503)] == ["WARNING"]
    assert [json.loads(line)["severity"] for line in printed(status=400)] == ["INFO"]


def test_many_rows_are_lines_that_no_container_cuts() -> None:
    lines = printed(*seen(300))
    assert len(lines) > 1
    assert max(len(line.encode()) for line in lines) < 16 * 1024
    read = [row for line in lines for row in rows_in(json.loads(line)["message"])]
    assert [row["index"] for row in read] == list(range(300))


def test_a_line_is_as_long_as_it_is_printed_with_all_that_is_quoted_in_it() -> None:
    (row,) = seen(1)
    for text in ('"' * 4_000, "\\" * 5_000, "é" * 7_900, "\n" * 4_000):
        (line,) = printed(row | {"input": text})
        assert len(line.encode()) < 16 * 1024
        (read,) = rows_in(json.loads(line)["message"])
        assert "input" not in read or json.loads(read["input"]) == text


def test_an_input_that_makes_a_row_too_long_is_left_out() -> None:
    short, long = seen(2)
    (first, second) = [
        row
        for line in printed(short | {"input": "kept"}, long | {"input": "x" * MOST_LINE_BYTES})
        for row in rows_in(json.loads(line)["message"])
    ]
    assert first["input"] == '"kept"'
    assert "input" not in second
    assert second["prediction"] == "class 1"


@pytest.mark.parametrize("line", ["", "null", "[]", "{}", '{"log": "other"}', '{"message": 7}', "{", b"\xff"])
def test_what_is_no_line_of_a_log_is_told(line: Any) -> None:
    with pytest.raises(DamagedLineError):
        rows_in(line)


def test_settings_reach_a_server_through_its_environment() -> None:
    settings = LogSettings(sample=0.25, inputs="rules.masks:mask")
    assert LogSettings.from_environment(settings.variables("news", "stdout")) == settings
    assert LogSettings.from_environment({}) == LogSettings()


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"EVERGREEN_LOG_SAMPLE": "2"}, "EVERGREEN_LOG_SAMPLE: .*less than or equal to 1.*got '2'"),
        ({"EVERGREEN_LOG_INPUTS": "mask"}, "EVERGREEN_LOG_INPUTS: .*module:function.*got 'mask'"),
    ],
)
def test_a_wrong_variable_is_named(variables: dict[str, str], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        LogSettings.from_environment(variables)


@pytest.mark.parametrize(("place", "reason"), [("nowhere:f", "cannot be imported"), ("json:__doc__", "no function")])
def test_a_hook_that_is_not_there_is_named(place: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        hook(place)
