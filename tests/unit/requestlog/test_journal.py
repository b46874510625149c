import json
import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from evergreen.core.observation import Observation
from evergreen.requestlog.journal import MOST_ROWS, Journal, Redact
from evergreen.requestlog.reading import FolderLog
from evergreen.requestlog.record import Request, Row
from evergreen.requestlog.spool import Spool
from evergreen.requestlog.storm import EACH_S, Storm
from tests.noted import Seeing, request, rows, witness

LOGGER = logging.getLogger("evergreen.test")


class Kept:
    """A sink in memory; `waits` holds it up, `fails` makes it raise."""

    def __init__(self) -> None:
        self.lines: list[tuple[Request, list[Row]]] = []
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.fails = False

    def write(self, model: str, request: Request, rows: list[Row]) -> None:
        assert self.goes_on.wait(10)
        if self.fails:
            raise OSError(28, "No space left on device")
        self.lines.append((request, rows))

    def flush(self) -> None: ...

    def close(self) -> None: ...


def journal(sink: Kept, sample: float = 1.0, redact: Redact | None = None) -> Journal:
    return Journal(sink, "news", sample, redact, LOGGER)


def test_every_noted_request_is_written_before_the_journal_is_closed(tmp_path: Path) -> None:
    noting = Journal(Spool(tmp_path, lambda: "v"), "news", 1.0, None, LOGGER)
    for value in range(200):
        noting.note(request(ago_s=1000 - value), witness(value))
    noting.close()
    read = rows(FolderLog(tmp_path))
    assert [row["features"] for row in read] == [[("tokens", float(value))] for value in range(200)]
    assert noting.dropped == 0


def test_a_row_has_all_that_is_known_and_each_instance_its_own(tmp_path: Path) -> None:
    noting = Journal(Spool(tmp_path, lambda: "v"), "news", 1.0, None, LOGGER)
    noting.note(request(), witness(7, 8))
    noting.close()
    first, second = rows(FolderLog(tmp_path))
    assert (first["index"], second["index"]) == (0, 1)
    assert (second["prediction"], second["score"], second["probabilities"]) == ("class 8", 0.5, [0.5, 0.25, 0.25])
    assert (second["sketch"], len(second["embedding"])) == ([0, 3, 1], 32)
    assert (second["model"], second["version"], second["engine"]) == ("news", "36df30fb3710", "torch")
    assert (second["status"], second["latency_ms"], second["count"], second["input"]) == (200, 12.5, 1, None)
    assert first["trace_id"] == second["trace_id"] == "36df30fb37109c41d2ab77e05f81c6d0"


def test_rows_that_were_predicted_in_another_order_have_their_own_index() -> None:
    sink, seen, predictor = Kept(), witness(), Seeing()
    seen.saw(predictor, [30, 10], [0.0, 0.0], (2, 0))
    seen.saw(predictor, [20], [0.0], (1,))
    noting = journal(sink)
    noting.note(request(), seen)
    noting.close()
    assert [row["features"]["tokens"] for row in sink.lines[0][1]] == [10, 20, 30]


@pytest.mark.parametrize("status", [400, 413, 499, 503])
def test_a_refused_request_is_one_row_with_its_status(tmp_path: Path, status: int) -> None:
    noting = Journal(Spool(tmp_path, lambda: "v"), "news", 1.0, None, LOGGER)
    noting.note(request(status), witness())
    noting.close()
    (row,) = rows(FolderLog(tmp_path))
    assert (row["status"], row["index"], row["prediction"], row["features"]) == (status, None, None, None)


def refused(number: int, at: float) -> Request:
    return Request(at, "v", f"t{number}", "torch", 503 if number % 2 else 400, 1.0)


def test_a_storm_of_refused_requests_takes_few_rows_which_count_them_all() -> None:
    storm = Storm()
    written = [one for number in range(1000) for one in storm.admit(refused(number, 100.0 + number / 1001))]
    assert len(written) == EACH_S
    assert storm.over(100.9) == []
    rest = storm.over(101.0)
    assert {request.status: request.count for request in rest} == {400: 490, 503: 490}
    assert storm.over(102.0, at_once=True) == []
    assert storm.admit(refused(1, 102.0)) == [refused(1, 102.0)]


def test_what_a_storm_holds_back_is_written_before_the_journal_is_closed() -> None:
    sink = Kept()
    noting = journal(sink)
    for number in range(1000):
        noting.note(refused(number, time.time()), witness())
    noting.close()
    assert sum(request.count for request, _ in sink.lines) == 1000 - noting.dropped == 1000


def test_a_sample_is_about_its_share() -> None:
    noting = journal(Kept(), sample=0.25)
    drawn = sum(noting.begin() is not None for _ in range(4000))
    noting.close()
    assert 800 < drawn < 1200


def test_a_slow_disk_holds_nobody_up_and_what_is_dropped_is_counted() -> None:
    sink = Kept()
    sink.goes_on.clear()
    noting = journal(sink)
    started = time.monotonic()
    for value in range(2 * MOST_ROWS):
        noting.note(request(), witness(value))
    assert time.monotonic() - started < 5
    sink.goes_on.set()
    noting.close()
    assert len(sink.lines) + noting.dropped == 2 * MOST_ROWS
    assert noting.dropped >= MOST_ROWS - 2


def test_rows_of_a_caller_who_left_that_come_late_make_no_room_for_others() -> None:
    sink = Kept()
    sink.goes_on.clear()
    noting = journal(sink)
    noting.note(request(), witness(0))
    left = witness()
    noting.note(request(status=499), left)
    left.parts += witness(*range(100)).parts  # its batch was under way
    sink.goes_on.set()
    while len(sink.lines) < 2:
        time.sleep(0.01)
    sink.goes_on.clear()
    noting.note(request(), witness(0))
    noting.note(request(), witness(*range(MOST_ROWS)))
    assert noting.dropped == 1
    sink.goes_on.set()
    noting.close()


def test_one_request_of_many_rows_is_noted_whatever_may_wait() -> None:
    sink = Kept()
    noting = journal(sink)
    noting.note(request(), witness(*range(2 * MOST_ROWS)))
    noting.close()
    assert len(sink.lines[0][1]) == 2 * MOST_ROWS


def test_a_full_disk_is_told_and_logging_goes_on_after_it(caplog: pytest.LogCaptureFixture) -> None:
    sink = Kept()
    sink.fails = True
    noting = journal(sink)
    noting.note(request(), witness(1))
    while not noting.dropped:
        time.sleep(0.01)
    sink.fails = False
    noting.note(request(), witness(2))
    noting.close()
    assert len(sink.lines) == 1
    assert caplog.records[0].fields["reason"] == "No space left on device"  # type: ignore[attr-defined]


class Stumbling(Seeing):
    def observe(self, batch: Sequence[Any], outputs: Any) -> list[Observation]:
        raise ZeroDivisionError(f"a bug met {batch!r}")


def test_a_predictor_that_cannot_observe_costs_the_rows_and_tells_no_input(caplog: pytest.LogCaptureFixture) -> None:
    sink, seen = Kept(), witness()
    seen.saw(Stumbling(), ["secret words"], [0.0], [0])
    noting = journal(sink)
    noting.note(request(), seen)
    noting.close()
    assert sink.lines[0][1] == []
    assert [record.fields["error"] for record in caplog.records] == ["ZeroDivisionError"]  # type: ignore[attr-defined]
    assert "secret" not in repr([record.__dict__ for record in caplog.records])


def cautious(instance: dict[str, Any]) -> Any:
    if "name" in instance["text"]:
        raise ValueError(f"cannot hide {instance}")
    return None if instance["text"] == "never" else {"text": instance["text"].upper()}


def test_inputs_are_kept_as_the_hook_lets_them_and_never_where_it_fails(caplog: pytest.LogCaptureFixture) -> None:
    sink = Kept()
    noting = journal(sink, redact=cautious)
    asked = [{"text": text} for text in ("open", "never", "my name", "shut")]
    seen = noting.begin()
    assert seen is not None
    seen.came(asked)
    seen.saw(Seeing(), [1, 2, 3, 4], [0.0] * 4, range(4))
    noting.note(request(), seen)
    noting.close()
    kept = [row.get("input") for row in sink.lines[0][1]]
    assert kept == [{"text": "OPEN"}, None, None, {"text": "SHUT"}]
    assert "my name" not in json.dumps(sink.lines[0][1]) + repr([record.__dict__ for record in caplog.records])


def test_without_a_hook_no_instance_is_even_held() -> None:
    noting = journal(Kept())
    seen = noting.begin()
    assert seen is not None
    seen.came([{"text": "open"}])
    noting.close()
    assert seen.instances == ()
