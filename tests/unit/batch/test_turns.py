"""Two jobs of one output on this machine, and one that has lost its turn."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from evergreen.adapters.files.predictions import FilesPredictions
from evergreen.batch.job import Job, Told, run
from evergreen.batch.turns import in_turn
from evergreen.core.batch import BatchReport
from evergreen.core.errors import BusyError, InputError
from evergreen.core.lease import Claim, LeaseLostError
from evergreen.runtime.hold import holder_of, left_by_the_dead
from tests.batches import Keywords, job, keywords, texts
from tests.memory_lease import MemoryLease

OUTPUTS = ["out.csv", "out"]


@pytest.fixture(autouse=True)
def predictor() -> Iterator[Keywords]:
    with keywords() as made:
        yield made


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "in.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in texts(25)), encoding="utf-8")
    return path


def here(made: Job, told: Told) -> BatchReport:
    return run(made, 1, told)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_second_job_of_an_output_is_refused_at_once_and_the_first_one_ends_well(
    tmp_path: Path, rows: Path, output: str
) -> None:
    def met(made: Job, told: Told) -> BatchReport:
        before = names(tmp_path)
        refusal = rf"another job writes \S+{output} \(process {os.getpid()}, since 2\S+ \S+ UTC\); wait for it to end"
        with pytest.raises(BusyError, match=refusal):
            in_turn(job(rows, tmp_path / output, shard_rows=7), here)
        assert names(tmp_path) == before
        return here(made, told)

    assert in_turn(job(rows, tmp_path / output), met).rows == 25
    assert not list(tmp_path.rglob(".*"))
    assert in_turn(job(rows, tmp_path / output), here).rows == 25


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_job_that_fails_gives_its_turn_back_and_leaves_nothing(tmp_path: Path, rows: Path, output: str) -> None:
    def fail(_: Job, __: Told) -> BatchReport:
        raise InputError("column 'text' is missing")

    with pytest.raises(InputError, match="column 'text' is missing"):
        in_turn(job(rows, tmp_path / output), fail)
    assert names(tmp_path) == ["in.jsonl"]


def test_a_lock_that_cannot_be_made_is_told_of_the_output(tmp_path: Path, rows: Path) -> None:
    (tmp_path / ".out.csv.lock").mkdir()
    with pytest.raises(InputError, match=r"out\.csv cannot be written: .*; correct the output"):
        in_turn(job(rows, tmp_path / "out.csv"), here)


def lapsed() -> tuple[Claim, Claim]:
    """A claim that was another's until it lapsed, and the one that came after it."""
    store = MemoryLease()
    first, second = (Claim(store, "gs://news/out", holder_of(name)) for name in ("batch-1", "batch-2"))
    assert first.take(store.read())
    assert second.take(store.read(), over=lambda _: True)
    return first, second


def test_a_job_whose_turn_is_another_s_by_now_removes_nothing_of_the_other(tmp_path: Path, rows: Path) -> None:
    first, _ = lapsed()
    here(job(rows, tmp_path / "out", shard_rows=7), lambda _: None)
    others = set(names(tmp_path / "out"))
    with pytest.raises(LeaseLostError, match=r"gs://news/out was lost: .* \(batch-2\) since"):
        here(replace(job(rows, tmp_path / "out"), turn=first), lambda _: None)
    assert others < set(names(tmp_path / "out")), "its own parts are beside them, which the next job removes"


def test_a_job_stops_after_the_shard_at_which_its_turn_is_known_to_be_lost(
    tmp_path: Path, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = lapsed()
    with pytest.raises(LeaseLostError):
        first.fence()

    monkeypatch.setattr(FilesPredictions, "turn", lambda *_: nullcontext(first))
    with pytest.raises(LeaseLostError):
        in_turn(job(rows, tmp_path / "out"), here)
    assert len(names(tmp_path / "out")) == 1


def test_a_turn_is_taken_over_from_a_process_that_is_gone_and_from_a_try_of_the_same_run() -> None:
    alive = holder_of("batch-1")
    elsewhere = alive.model_copy(update={"owner": "ann@laptop", "pid": 1 << 30})
    gone = alive.model_copy(update={"pid": 1 << 30})
    store = MemoryLease()
    store.write(store.read().lease, 0)
    lease = store.read().lease
    over = left_by_the_dead("batch-2")
    taken = [over(lease.model_copy(update={"holder": holder})) for holder in (None, alive, elsewhere, gone)]
    assert taken == [False, False, False, True]
    again = elsewhere.model_copy(update={"run": "batch-2"})
    assert over(lease.model_copy(update={"holder": again}))
    assert not left_by_the_dead()(lease.model_copy(update={"holder": again}))
