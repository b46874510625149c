"""Two jobs of one output in a bucket or in BigQuery, each a process of its own, and what a killed one leaves."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gcsfs
import pyarrow.parquet as pq
import pytest
from google.cloud import bigquery

from cloudbox.box import Box
from evergreen.adapters.bigquery import leases as tables
from evergreen.adapters.bigquery.output_settings import BigQueryOutput
from evergreen.adapters.files.output_settings import FilesOutput
from evergreen.adapters.gcs import leases as objects
from evergreen.batch.job import Job, Told, run
from evergreen.batch.settings import store_of
from evergreen.batch.turns import in_turn
from evergreen.core.batch import BatchReport
from evergreen.core.errors import BusyError, InputError
from evergreen.core.kinds import Settings
from evergreen.core.lease import LeaseLostError
from evergreen.runtime import hold
from evergreen.runtime.hold import holder_of, left_by_the_dead
from tests.batches import job, keywords, texts
from tests.hosted_trial import BUCKET
from tests.own_zenml import ROOT
from tests.waiting import wait_until

ROWS = 24
Output = FilesOutput | BigQueryOutput


@pytest.fixture(params=["bucket", "bigquery"])
def output(request: pytest.FixtureRequest, box: Box, tmp_path: Path) -> Output:
    if request.param == "bucket":
        return FilesOutput(path=f"gs://{BUCKET}/{tmp_path.name}/out")
    return BigQueryOutput(project=box.project, table=f"turns.{re.sub(r'[^a-z0-9]', '_', tmp_path.name)}")


class Other:
    """A job in a process of its own, which has begun and waits."""

    def __init__(self, output: Settings, name: str, host: str | None = None) -> None:
        code = "import sys; from tests.turn_holder import main; main(*sys.argv[1:])"
        named = f"import socket; socket.gethostname = lambda: {host!r}; " if host else ""
        command = [sys.executable, "-W", "ignore", "-c", named + code, output.model_dump_json(), name]
        pipe = subprocess.PIPE
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=pipe, stdout=pipe, text=True)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "begun\n"

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def end(self) -> str:
        return self.process.communicate(timeout=120)[0].strip()


@pytest.fixture
def started() -> Iterator[list[Other]]:
    others: list[Other] = []
    yield others
    for other in others:
        other.kill()


@pytest.fixture
def mine(output: Output, tmp_path: Path) -> Iterator[Job]:
    rows = tmp_path / "in.jsonl"
    rows.write_text("".join(f"{json.dumps(row)}\n" for row in texts(ROWS)), encoding="utf-8")
    with keywords():
        yield job(rows, output, shard_rows=7)


def here(made: Job, told: Told) -> BatchReport:
    return run(made, 1, told)


def ids(box: Box, output: Output) -> list[str]:
    """Of the rows that the output holds."""
    if isinstance(output, BigQueryOutput):
        return [str(row["id"]) for row in bigquery.Client(project=box.project).list_rows(output.table)]
    files = gcsfs.GCSFileSystem(project=box.project, skip_instance_cache=True, use_listings_cache=False)
    rows: list[dict[str, Any]] = []
    for path in sorted(files.find(output.path)):
        with files.open(path, "rb") as file:
            rows += pq.read_table(file).to_pylist()
    return [str(row["id"]) for row in rows]


def test_the_second_of_two_jobs_is_refused_with_whose_the_output_is_and_the_first_makes_it(
    box: Box, output: Output, mine: Job, started: list[Other]
) -> None:
    started.append(Other(output, "batch-1", "laptop"))
    refusal = r"is held by \S+@laptop \(batch-1\) since 2\S+ \S+ UTC, until \S+ UTC unless renewed; wait for it to end"
    with pytest.raises(BusyError, match=refusal):
        in_turn(mine, here, run="batch-2")
    assert started[0].end() == str(ROWS)
    assert ids(box, output) == [str(number) for number in range(ROWS)]


def test_a_job_killed_on_this_machine_or_of_the_same_run_is_followed_at_once(
    box: Box, output: Output, mine: Job, started: list[Other]
) -> None:
    for name, host, again in (("batch-1", None, "batch-2"), ("batch-2", "worker-0", "batch-2")):
        other = Other(output, name, host)
        started.append(other)
        other.kill()
        assert in_turn(mine, here, run=again).rows == ROWS
        mine = job(Path(mine.origin.split()[-1]), output, shard_rows=7)
    assert ids(box, output) == [str(number) for number in range(ROWS)]


def test_a_job_killed_on_another_machine_is_followed_when_its_lease_has_lapsed(
    box: Box, output: Output, mine: Job, started: list[Other], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Other(output, "batch-1", "laptop")
    started.append(other)
    other.kill()
    with pytest.raises(BusyError, match="laptop"):
        in_turn(mine, here, run="batch-2")
    for module in (objects, tables):
        monkeypatch.setattr(module, "TTL_S", 1.0)
    monkeypatch.setattr(hold, "RENEW_EVERY_S", 0.2)
    made: list[BatchReport] = []

    def is_done() -> bool:
        try:
            made.append(in_turn(mine, here, run="batch-2"))
        except LeaseLostError:
            raise
        except BusyError:
            return False
        return True

    wait_until(is_done, timeout_s=30)
    assert made[0].rows == ROWS
    assert ids(box, output) == [str(number) for number in range(ROWS)]


def test_rows_are_not_added_to_a_table_that_another_job_replaces_and_tables_of_a_bucket_have_turns_of_their_own(
    box: Box,
) -> None:
    at = f"gs://{BUCKET}/{box.project}-turns"
    replaced = BigQueryOutput(project=box.project, table="turns.both")
    added = replaced.model_copy(update={"write": "append"})
    store_of(replaced).check()
    for one, same, other in (
        (replaced, added, BigQueryOutput(project=box.project, table="turns.other")),
        (FilesOutput(path=f"{at}/out"), FilesOutput(path=f"{at}/out/"), FilesOutput(path=f"{at}/out.csv")),
    ):
        first, second = (holder_of(name) for name in ("batch-1", "batch-2"))
        with store_of(one).turn(first, left_by_the_dead()):
            with pytest.raises(BusyError, match=r"\(batch-1\) since"), store_of(same).turn(second, left_by_the_dead()):
                pass
            with store_of(other).turn(second, left_by_the_dead()) as turn:
                turn.fence()
        with store_of(same).turn(second, left_by_the_dead()) as turn:
            turn.fence()


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl.gz", "out.parquet"])
def test_an_object_that_was_not_predicted_is_left_alone_and_an_earlier_output_is_replaced(
    box: Box, tmp_path: Path, name: str
) -> None:
    del box  # it answers for the bucket
    rows = tmp_path / "in.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in texts(ROWS)), encoding="utf-8")
    place = f"gs://{BUCKET}/{tmp_path.name}/{name}"
    files = gcsfs.GCSFileSystem(skip_instance_cache=True)
    files.pipe_file(place, b"id,text\n1,mine\n")
    with keywords():
        with pytest.raises(InputError, match=r"is there already, ends with no version and error of a p"):
            run(job(rows, FilesOutput(path=place)), 1)
        assert files.cat_file(place) == b"id,text\n1,mine\n"
        files.rm_file(place)
        for _ in range(2):
            assert run(job(rows, FilesOutput(path=place)), 1).predicted == ROWS
