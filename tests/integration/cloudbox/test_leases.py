"""The lease of a model between machines: processes with homes of their own, on one bucket or data set, or one state
directory.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudbox.box import Box
from evergreen.adapters.bigquery import leases as tables
from evergreen.adapters.gcs import leases as objects
from evergreen.adapters.gcs.failures import RefusedError
from evergreen.adapters.gcs.leases import GcsLease
from evergreen.core.lease import TTL_S, Claim, Lease, LeaseLostError, LeaseStore, MovedError
from evergreen.runtime.hold import holder_of
from tests.hosted_trial import BUCKET
from tests.lease_holder import store_of
from tests.own_zenml import ROOT
from tests.waiting import wait_until

FILE, OBJECT, TABLE = "file", "bucket", "table"


@pytest.fixture(params=[FILE, OBJECT, TABLE])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == FILE:
        return str(tmp_path / "locks" / "news.json")
    box = request.getfixturevalue("box")
    if request.param == TABLE:
        from google.cloud import bigquery

        bigquery.Client(project=box.project).create_dataset("leases", exists_ok=True)
        return f"bq://leases.{re.sub(r'[^a-z0-9]', '_', tmp_path.name)}"
    return f"gs://{BUCKET}/locks/{tmp_path.name}.json"


class Machine:
    """A process that takes the lease, and what it said."""

    def __init__(self, address: str, run: str, home: Path) -> None:
        home.mkdir()
        command = [sys.executable, "-W", "ignore", "-m", "tests.lease_holder", address, run]
        environment = {**os.environ, "HOME": str(home), "PYTHONPATH": str(ROOT)}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=pipe, stdout=pipe, text=True)

    def said(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def send(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def machines(address: str, tmp_path: Path) -> Iterator[list[Machine]]:
    started = [Machine(address, run, tmp_path / run) for run in ("training-1", "training-2", "training-3")]
    yield started
    for machine in started:
        machine.kill()


def claim(store: LeaseStore) -> Claim:
    return Claim(store, "news", holder_of("rollback"))


def test_of_machines_that_want_it_at_once_one_gets_it_and_a_killed_one_frees_it(
    machines: list[Machine], address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {machine: machine.said() for machine in machines}
    (holder,) = [machine for machine, word in said.items() if word == "held"]
    held_by = f"training-{machines.index(holder) + 1}"
    others = [word for word in said.values() if word != "held"]
    assert len(others) == 2
    assert all(f"({held_by}) since" in word and word.startswith("refused: ") for word in others)

    holder.send("fence")
    assert holder.said() == "passed"
    store = store_of(address)
    seen = store.read()
    assert seen.holder is not None
    assert 0 < (seen.until - seen.now).total_seconds() <= TTL_S + 1  # a Date has whole seconds
    holder.kill()
    if "://" in address:
        assert not claim(store).take(store.read())
        for module in (objects, tables):
            monkeypatch.setattr(module, "TTL_S", 1.0)
        wait_until(lambda: store.read().holder is None, timeout_s=10)
    assert claim(store).take(store.read())


def test_a_machine_that_was_overruled_changes_nothing_any_more(address: str) -> None:
    store = store_of(address)
    run, person = Claim(store, "news", holder_of("training-1")), claim(store_of(address))
    assert run.take(store.read())
    run.fence()
    assert person.take(store.read(), over=lambda lease: lease.holder == run.holder)
    person.fence()
    with pytest.raises(LeaseLostError, match=r"\(rollback\)"):
        run.fence()
    run.release()
    assert store.read().holder == person.holder
    person.release()
    assert store.read().lease == Lease()


def test_only_the_generation_that_was_read_is_replaced(address: str) -> None:
    store = store_of(address)
    assert (store.read().generation, store.read().holder) == (0, None)
    first = store.write(Lease(), 0)
    for stale in (0, first + 1):
        with pytest.raises(MovedError):
            store.write(Lease(holder=holder_of("rollback")), stale)
    second = store.write(Lease(), first)
    assert store.read().generation == second != first


def test_a_bucket_that_is_not_there_is_named_with_what_the_account_needs(box: Box) -> None:
    store = GcsLease(box.project, "no-such-bucket", "locks/news.json")
    with pytest.raises(RefusedError, match=r"gs://no-such-bucket/locks/news.json may not be used, or has no bucket"):
        store.write(Lease(), 0)
