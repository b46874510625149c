import json
from pathlib import Path

import pytest

from cloudbox.cloud_logging.entries import CUT_BYTES, Origin, entries_of
from cloudbox.cloud_logging.router import Followed
from cloudbox.cloud_logging.sinks import predicate_of
from cloudbox.cloud_logging.table import TABLE
from cloudbox.errors import ApiError
from evergreen.adapters.vertex import request_log
from evergreen.requestlog.record import MARK

ORIGIN = Origin("projects/p/locations/l/endpoints/e", "7", "deployed-7-abc")


def test_a_structured_line_is_taken_apart_and_its_labels_join_those_of_the_container() -> None:
    content = {
        "severity": "WARNING",
        "message": "late",
        "time": "2026-05-04T09:30:00Z",
        "ms": 7,
        "logging.googleapis.com/labels": {"a": "b"},
    }
    (entry,) = entries_of(json.dumps(content).encode(), 0, ORIGIN)
    assert (entry["severity"], entry["jsonPayload"]) == ("WARNING", {"message": "late", "ms": 7})
    assert entry["timestamp"] == "2026-05-04T09:30:00Z"
    assert entry["labels"] == {"a": "b", "deployed_model_id": "7", "replica_id": "deployed-7-abc"}
    assert entry["resource"]["labels"]["endpoint_id"] == "e"


@pytest.mark.parametrize("line", [b"plain words", b"[1]", b'"text"', b"{half"])
def test_any_other_line_is_a_message(line: bytes) -> None:
    (entry,) = entries_of(line, 0, ORIGIN)
    assert (entry["jsonPayload"], entry["severity"]) == ({"message": line.decode()}, "DEFAULT")


def test_a_line_that_is_too_long_is_cut_as_container_runtimes_do() -> None:
    entries = entries_of(b"x" * (CUT_BYTES + 5), 0, ORIGIN)
    assert [len(entry["jsonPayload"]["message"]) for entry in entries] == [CUT_BYTES, 5]
    assert len({entry["insertId"] for entry in entries}) == 2


def test_the_filter_of_the_guide_passes_request_lines_alone() -> None:
    passes = predicate_of(request_log.LOG_FILTER)
    structured = json.dumps({"message": json.dumps({"log": MARK})})
    for line, wanted in ((structured, True), (json.dumps({"log": MARK}), False), ("loaded", False)):
        (entry,) = entries_of(line.encode(), 0, ORIGIN)
        assert passes(entry) is wanted
    assert request_log.TABLE == TABLE


@pytest.mark.parametrize("text", ["severity >", 'log_id("x"', "AND", 'a="b" c'])
def test_a_filter_that_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(ApiError):
        predicate_of(text)


def test_a_log_is_followed_by_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\ntwo\nthr")
    followed = Followed(path)
    assert followed.lines() == [(0, b"one"), (4, b"two")]
    followed.position = 8
    assert followed.lines() == []
    path.write_bytes(b"one\ntwo\nthree\n")
    assert followed.lines() == [(8, b"three")]
