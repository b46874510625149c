"""What every `RequestLog` must give; each host runs this suite on an endpoint of its own, which it has asked before."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from evergreen.core.answers import Predictions
from evergreen.core.artifacts import ResolvedWindow
from evergreen.core.errors import EvergreenError, InputError
from evergreen.core.protocols import Endpoint, RequestLog
from evergreen.core.traces import version_of
from evergreen.requestlog.arrow import SCHEMA
from evergreen.requestlog.evidence import minutes_of
from tests.noted import ALWAYS, rows
from tests.waiting import wait_until

SECRET = "zyzzogeton"
"""In every input, good and bad, and in no log."""
MANY = 300
SIZES = (1, 2, MANY)
SPORT, BUSINESS = {"text": f"a late goal {SECRET}"}, {"text": f"the bank {SECRET}"}
BAD: tuple[list[Any], ...] = ([{"txet": SECRET}], [BUSINESS, {"text": [SECRET]}], [{"text": 7, SECRET: SECRET}])


@dataclass
class Asked:
    """A live endpoint of `version` that was asked, when, what it answered, and where whatever it wrote may be."""

    endpoint: Endpoint
    log: RequestLog
    version: str
    places: Sequence[Path]
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    answers: list[Predictions] = field(default_factory=list)

    @property
    def asked_in(self) -> ResolvedWindow:
        """From the first question to a minute from now."""
        return ResolvedWindow(start=self.began - timedelta(seconds=1), end=datetime.now(UTC) + timedelta(minutes=1))

    def ask(self) -> Asked:
        """Asks everything, and waits until it can be read."""
        for size in SIZES:
            instances = [SPORT if number % 2 else BUSINESS for number in range(size)]
            self.answers.append(self.endpoint.predict(instances))
        for instances in BAD:
            with suppress(InputError):
                self.endpoint.predict(instances)
        with suppress(EvergreenError):
            self.endpoint.predict([{"text": "raise a fault"}, SPORT])
        wait_until(lambda: len(rows(self.log, self.asked_in)) >= sum(SIZES) + len(BAD) + 1, timeout_s=30)
        return self

    def requests(self) -> list[list[dict[str, Any]]]:
        """Rows of each request, in the order in which they came; of one in that of its instances."""
        by_trace: dict[str, list[dict[str, Any]]] = {}
        for row in rows(self.log, self.asked_in):
            by_trace.setdefault(row["trace_id"], []).append(row)
        return [sorted(found, key=lambda row: row["index"] or 0) for found in by_trace.values()]


class RequestLogContract:
    """Subclasses give the fixture `asked`, which may be shared."""

    def test_each_instance_that_was_answered_is_one_row_with_its_answer(self, asked: Asked) -> None:
        answered = [request for request in asked.requests() if request[0]["status"] == 200]
        assert [len(request) for request in answered] == list(SIZES)
        for request, answers in zip(answered, asked.answers, strict=True):
            assert [row["index"] for row in request] == list(range(len(answers)))
            assert [row["prediction"] for row in request] == [answer["label"] for answer in answers]
            assert [round(row["score"], 4) for row in request] == [round(answer["score"], 4) for answer in answers]
            assert [len(row["probabilities"]) for row in request] == [2] * len(answers)
            assert {(row["trace_id"], row["version"]) for row in request} == {(answers.trace_id, answers.version)}

    def test_a_refused_request_is_one_row_with_its_status_alone(self, asked: Asked) -> None:
        refused = [request for request in asked.requests() if request[0]["status"] != 200]
        assert [[row["status"] for row in request] for request in refused] == [[400], [400], [400], [500]]
        assert {row["count"] for request in refused for row in request} == {1}
        empty = ("index", "features", "prediction", "score", "probabilities", "embedding", "input")
        assert {row[name] for request in refused for row in request for name in empty} == {None}

    def test_each_row_leads_to_its_version(self, asked: Asked) -> None:
        read = rows(asked.log, asked.asked_in)
        assert {(row["model"], row["version"], row["engine"]) for row in read} == {("news", asked.version, "python")}
        assert {version_of(row["trace_id"]) for row in read} == {asked.version}

    def test_times_are_those_of_the_requests(self, asked: Asked) -> None:
        for row in rows(asked.log, asked.asked_in):
            assert asked.began - timedelta(seconds=1) <= row["time"] <= datetime.now(UTC)
            assert 0 < row["latency_ms"] < 60_000

    def test_every_batch_has_the_columns_that_are_promised(self, asked: Asked) -> None:
        batches = list(asked.log.read(asked.asked_in))
        assert batches
        assert {batch.schema for batch in batches} == {SCHEMA}

    def test_a_window_is_half_open_and_another_one_is_empty(self, asked: Asked) -> None:
        read = rows(asked.log, asked.asked_in)
        first, last = read[0]["time"], read[-1]["time"]
        until_last = rows(asked.log, ResolvedWindow(start=first, end=last))
        assert [row for row in read if row["time"] < last] == until_last
        before = ResolvedWindow(start=asked.began - timedelta(days=2), end=asked.began - timedelta(days=1))
        assert rows(asked.log, before) == []

    def test_what_rollouts_are_judged_by_counts_each_request_once(self, asked: Asked) -> None:
        within = asked.asked_in
        minutes = minutes_of(asked.log.read(within), asked.version, "another", within, every_s=1.0)
        arms = [minute.newcomer for minute in minutes]
        assert sum(arm.requests for arm in arms) == len(SIZES) + len(BAD) + 1
        assert sum(arm.errors for arm in arms) == 1
        assert sum(sum(arm.latencies) for arm in arms) == len(SIZES)
        assert sum(sum(arm.predictions.values()) for arm in arms) == len(SIZES)
        assert {minute.champion.requests for minute in minutes} == {0}

    def test_a_log_says_when_it_is_whole_and_that_it_keeps_no_inputs(self, asked: Asked) -> None:
        assert 0 < asked.log.late_s < 600
        assert not asked.log.keeps_inputs

    def test_a_reading_can_be_repeated_and_skips_nothing(self, asked: Asked) -> None:
        reading = asked.log.read(asked.asked_in)
        counts = [sum(batch.num_rows for batch in reading) for _ in range(2)]
        assert counts[0] == counts[1] > 0
        assert reading.skipped == 0

    def test_no_input_is_in_any_log(self, asked: Asked) -> None:
        assert SECRET not in json.dumps(rows(asked.log, ALWAYS), default=str)
        files = list(files_below(asked.places))
        assert any("log" in path.name or path.suffix in (".jsonl", ".parquet") for path in files)
        assert [path for path in files if SECRET.encode() in path.read_bytes()] == []


def files_below(places: Sequence[Path]) -> Iterator[Path]:
    for place in places:
        yield from (path for path in place.rglob("*") if path.is_file())
