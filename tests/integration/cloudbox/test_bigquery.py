"""BigQuery in the box and the source `bigquery`, through Google's unmodified clients."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cloudbox import faults, refusals
from cloudbox.bigquery.alone import running
from cloudbox.faults import Fault
from cloudbox.home import Home

CLIENTS = Path(__file__).with_name("bigquery_clients.py")
ROOT = Path(__file__).parents[3]
ORDERS = 4
SCENARIO_S = 120


@dataclass(frozen=True)
class Box:
    """Google for processes of these tests; `clients` answers scenarios, one a line."""

    home: Home
    environment: dict[str, str]
    clients: subprocess.Popen[str]

    def ask(self, scenario: str) -> Any:
        """What a scenario comes to in the process that has the clients, and had them before."""
        assert self.clients.stdin is not None
        assert self.clients.stdout is not None
        self.clients.stdin.write(f"{scenario}\n")
        self.clients.stdin.flush()
        ready, _, _ = select.select([self.clients.stdout], [], [], SCENARIO_S)
        assert ready, f"{scenario}: no answer within {SCENARIO_S} s"
        line = self.clients.stdout.readline()
        assert line, f"{scenario}: the clients ended with {self.clients.wait(20)}"
        told = json.loads(line)
        assert "answer" in told, told["failed"]
        return told["answer"]

    def run(self, *arguments: str, timeout_s: float = 60) -> str:
        """What Python prints in a process whose Google is the box."""
        argv = [sys.executable, *arguments]
        environment = os.environ | self.environment | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            argv, check=False, env=environment, capture_output=True, text=True, timeout=timeout_s, cwd=ROOT
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("bigquery"))


@contextmanager
def opened(home: Home) -> Iterator[Box]:
    """A box that is started, and stopped when the block ends."""
    with running(home.path) as environment:
        variables = os.environ | environment | {"PYTHONPATH": str(ROOT)}
        pipe = subprocess.PIPE
        with subprocess.Popen(
            [sys.executable, str(CLIENTS)], env=variables, stdin=pipe, stdout=pipe, text=True, cwd=ROOT
        ) as clients:
            try:
                yield Box(home, environment, clients)
            finally:
                clients.kill()


@pytest.fixture(scope="module")
def box(home: Home) -> Iterator[Box]:
    """A box that loaded ten days of articles and was stopped and started since: what it says comes from its disk."""
    with opened(home) as first:
        assert first.ask("prepare") == {"loaded": 240, "clustering": ["label"], "etag": True}
    with opened(home) as box:
        yield box


def test_queries_answer_through_rest_and_through_the_storage_read_api(box: Box) -> None:
    said = box.ask("ask")
    assert said["rows"] == 48
    assert said["first"] == ["näws 47", "2026-01-08T00:00:00+00:00"]
    assert said["labels"] == {"team": "news"}
    assert said["arrow"] == [48, "timestamp[us, tz=UTC]"]
    assert said["waited"] == 3
    assert said["pages"] == 240
    assert said["partitions"] == [24] * 10


def test_a_dry_run_counts_the_bytes_of_touched_columns_in_chosen_partitions(box: Box) -> None:
    two_days, two_days_of_time, ten_days = box.ask("ask")["dry"]
    texts = sum(2 + len(f"näws {hour}".encode()) for hour in range(48))
    assert two_days == texts + 48 * 16
    assert two_days_of_time == 48 * 8
    assert ten_days > 4 * two_days


def test_errors_have_the_code_and_reason_of_google(box: Box) -> None:
    failed = box.ask("fail")
    assert failed["table"][:2] == [404, "notFound"]
    assert failed["duplicate"][:2] == [409, "duplicate"]
    assert failed["column"][:2] == [400, "invalidQuery"]
    assert failed["partition"][1] == "invalidQuery"
    assert "without a filter over column(s) 'timestamp'" in failed["partition"][2]
    assert failed["bytes"][1] == "bytesBilledLimitExceeded"
    assert "10485760 or higher required" in failed["bytes"][2]
    assert failed["function"][:2] == [501, "notImplemented"]
    assert failed["unknown"][0] == 501
    assert any("routines" in refusal["what"] for refusal in refusals.listed(box.home))


def test_rows_are_inserted_all_or_none_and_deleted_by_sql(box: Box) -> None:
    said = box.ask("stream_inserts")
    assert [error["errors"][0]["reason"] for error in said["errors"]] == ["stopped", "stopped", "invalid"]
    assert (said["refused"], said["deleted"], said["left"]) == (0, 1, 1)


def test_the_source_reads_a_window_and_its_identity_follows_the_table(box: Box) -> None:
    said = box.ask("read")
    assert said["rows"] == [48, 12]
    assert said["intake"] == "48 read of 48 seen"
    assert said["columns"] == {
        "id": "string",
        "text": "string",
        "label": "string",
        "timestamp": "timestamp[us, tz=UTC]",
    }
    assert said["repeats"]
    assert said["same"]
    assert said["moved"]
    assert said["stretch"] == 1
    assert said["other_window"] != said["fingerprint"]


def test_new_rows_are_counted_and_read_of_one_state_of_a_table_while_others_arrive(box: Box) -> None:
    said = box.ask("new_rows")
    first, second, third = said["nights"]
    assert first == [30, 0, 30, True, sorted(f"n{number}" for number in range(30))]
    # a row came between the first night's count and its read: it is of the second
    assert second == [3, 0, 3, True, ["n100", "n30", "n31"]]
    new, replayed, read, same, ids = third
    assert (new, same) == (5, True)
    assert replayed > 0
    assert read == new + replayed
    assert {"n101", "n32", "n33", "n34", "n35"} <= set(ids)
    assert "n102" not in ids
    assert "column 'text' of local-project.news.arriving is STRING" in said["refused"]


def test_a_late_row_is_read_beside_rows_that_arrived_after_it(box: Box) -> None:
    said = box.ask("late")
    covered, new, replayed = said["counted"]
    assert (covered, new) == (50, 1)
    assert 10 < replayed < 40
    assert said["read"] == [["n50"], replayed]
    assert said["same"]


def test_what_is_new_to_one_champion_is_the_same_each_night_however_the_rows_lie(box: Box) -> None:
    said = box.ask("repeated")
    trained, next_night, in_another_order, edited = said["asked"]
    assert said["moments"] == 4
    assert trained[0]["rows"] > 10
    assert next_night == in_another_order == trained
    assert edited[1] == trained[1]
    assert edited[0]["fingerprint"] != trained[0]["fingerprint"]
    then, made_again, of_edited = said["rows"]
    assert then[0] == made_again[0] == trained[0]  # of a table that is younger than the moment
    assert then[1] == made_again[1]
    assert of_edited[0]["fingerprint"] != then[0]["fingerprint"]
    new, replays, asked = said["quiet"]
    assert (new, replays) == (0, True)
    assert asked.startswith("SELECT `id`, `timestamp`, `arrived`\n")


def test_partitions_by_ingestion_tell_when_rows_came(box: Box) -> None:
    said = box.ask("ingestion")
    first, second, streamed, last = said["nights"]
    assert first == [2, ["a", "b"]]
    assert second == [2, ["c", "late"]]
    assert streamed == [0, []]
    assert last == [1, ["d"]]
    assert said["came"] == [f"2026-01-04T{hour}:00:00+00:00" for hour in (11, 12, 13)]
    assert said["whole"] == 6
    assert said["unpartitioned"] == 1
    assert list(said["partitions"].values()) == [3, 1, 1, 1]
    assert list(said["partitions"])[:3] == ["2026010410", "2026010411", "2026010412"]
    assert said["hours"] == [f"2026-01-04T{hour}:00:00+00:00" for hour in (10, 11, 12)]
    assert "without a filter over column(s) '_PARTITIONTIME'" in said["filter"][2]
    assert said["columns"] == [["id", "text", "label"]] * 2
    advice = "needs one that is partitioned by HOUR or DAY of ingestion (PARTITION BY _PARTITIONDATE)"
    for table, how in {
        "articles": "partitioned by column timestamp",
        "months": "partitioned by MONTH of ingestion",
        "plain": "not partitioned",
    }.items():
        assert f"table local-project.news.{table} is {how}, and arrived: ingestion {advice}" in said["told"][table]


def test_each_row_of_a_table_is_trained_on_once_in_random_orders(box: Box, capsys: pytest.CaptureFixture[str]) -> None:
    counts = box.run("-m", "tests.table_arrivals", str(ORDERS), timeout_s=300)
    with capsys.disabled():
        sys.stdout.write(f"\n{counts}")
    assert all(f" {what}" in counts for what in ("rollbacks", "failed runs", "overtaken runs", "edited", "repeated"))


def test_a_mistake_is_told_with_what_there_is(box: Box) -> None:
    told = box.ask("mistake")
    assert {name: error[0] for name, error in told.items()} == dict.fromkeys(
        ["table", "dataset", "column", "limit", "window", "filtered"], "InputError"
    )
    assert "has: articles" in told["table"][1]
    assert "has datasets: news" in told["dataset"][1]
    assert "has: 'text', 'label', 'timestamp'" in told["column"][1]
    assert "source.maximum_bytes_billed" in told["limit"][1]
    assert "set `window`, and source.columns.timestamp: timestamp" in told["window"][1]
    assert "data: incremental asks for rows of any partition" in told["filtered"][1]
    for name in "window", "filtered":
        assert told[name][1].endswith("bq update --norequire_partition_filter local-project:news.articles")


def test_tables_that_bigquery_does_not_show_are_marked_by_what_the_query_reads_of_them(box: Box) -> None:
    seen = box.ask("behind")
    faults.add(box.home, Fault(kind="error", target="tables.get", code="PERMISSION_DENIED"))
    try:
        hidden = box.ask("behind")
    finally:
        faults.clear(box.home)
    note = "; a change of local-project.news.articles is noticed by its size alone, since BigQuery shows no more"
    assert hidden["view"][1].endswith(note)
    assert "noticed" not in seen["view"][1]
    assert hidden["view"][0] != seen["view"][0]
    assert "INFORMATION_SCHEMA.PARTITIONS is noticed by its size alone" in seen["schema"][1]


def test_what_is_no_single_select_is_refused_and_never_run(box: Box) -> None:
    before = box.ask("ask")["rows"]
    script, change = box.ask("no_select")
    assert script[0] == change[0] == "InputError"
    assert "is a SCRIPT for BigQuery, whose rows cannot be read; let it be one SELECT" in script[1]
    assert "is a DELETE for BigQuery" in change[1]
    assert box.ask("ask")["rows"] == before


@pytest.mark.parametrize(
    ("target", "code"),
    [("tables.get", "UNAVAILABLE"), ("jobs.insert", "RESOURCE_EXHAUSTED"), ("ReadRows", "UNAVAILABLE")],
)
def test_a_fault_that_passes_is_survived(box: Box, target: str, code: str) -> None:
    faults.add(box.home, Fault(kind="error", target=target, code=code, times=1))
    assert box.ask("read_plainly")[0] == "read"
    assert faults.listed(box.home) == []


@pytest.mark.parametrize(
    ("target", "code", "error"),
    [
        ("ReadRows", "UNAVAILABLE", "EvergreenError"),
        ("CreateReadSession", "PERMISSION_DENIED", "InputError"),
    ],
)
def test_a_fault_that_stays_ends_in_one_clear_line(box: Box, target: str, code: str, error: str) -> None:
    faults.add(box.home, Fault(kind="error", target=target, code=code))
    try:
        told = box.ask("read_plainly")
    finally:
        faults.clear(box.home)
    assert told[0] == error
    assert "\n" not in told[1]
    assert "news.articles" in told[1]
