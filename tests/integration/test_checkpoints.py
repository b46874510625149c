"""Checkpoints in an artifact store that is no folder of this machine, as another machine finds them."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.store_of_many import StoreOfMany


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine's temporary folder."""
    folder = tmp_path / "machine"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def write(folder: Path, step: int, weights: str) -> None:
    (folder / f"checkpoint-{step}").mkdir()
    (folder / f"checkpoint-{step}" / "model.safetensors").write_text(weights)
    (folder / f"checkpoint-{step}" / "trainer_state.json").write_text("{}")


@pytest.mark.usefixtures("zenml_home", "scratch")
def test_another_machine_goes_on_from_the_newest_checkpoint_that_was_kept() -> None:
    from zenml.client import Client

    from orchestration.checkpoints import RemoteCheckpoints

    store = Client().active_stack.artifact_store
    uri = f"{store.path}/elsewhere/abc"
    first = RemoteCheckpoints(store, uri)
    first.open()
    (first.path / "start.json").write_text("pretrained")
    write(first.path, 4, "early")
    first.keep()
    write(first.path, 8, "late")
    (first.path / "checkpoint-4" / "model.safetensors").unlink()
    (first.path / "checkpoint-4" / "trainer_state.json").unlink()
    (first.path / "checkpoint-4").rmdir()
    first.keep()
    path = first.path

    second = RemoteCheckpoints(store, uri)
    second.open()
    assert second.path == path
    assert (second.path / "start.json").read_text() == "pretrained"
    assert [file.name for file in second.path.glob("checkpoint-*")] == ["checkpoint-8"]
    assert (second.path / "checkpoint-8" / "model.safetensors").read_text() == "late"

    second.discard()
    third = RemoteCheckpoints(store, uri)
    third.open()
    assert list(third.path.iterdir()) == []


@pytest.mark.usefixtures("zenml_home", "scratch")
def test_a_checkpoint_that_was_cut_off_while_it_was_copied_is_not_resumed_from() -> None:
    from zenml.client import Client

    from orchestration.checkpoints import LAST_FILE, RemoteCheckpoints

    store = Client().active_stack.artifact_store
    uri = f"{store.path}/elsewhere/torn"
    first = RemoteCheckpoints(store, uri)
    first.open()
    write(first.path, 4, "whole")
    write(first.path, 8, "torn")
    first.keep()
    store.remove(f"{uri}/checkpoint-8/{LAST_FILE}")

    second = RemoteCheckpoints(store, uri)
    second.open()
    assert [file.name for file in second.path.glob("checkpoint-*")] == ["checkpoint-4"]


@pytest.fixture
def store(zenml_home: Path, scratch: Path) -> StoreOfMany:
    """An artifact store that other machines use too."""
    from zenml.client import Client

    return StoreOfMany(Client().active_stack.artifact_store)


def checkpoints(store: Any, name: str) -> Any:
    from orchestration.checkpoints import RemoteCheckpoints

    return RemoteCheckpoints(store, f"{store.path}/elsewhere/{name}")


def test_a_checkpoint_that_another_machine_removed_does_not_stop_the_training(
    store: StoreOfMany, tmp_path: Path
) -> None:
    mine = checkpoints(store, "removed")
    mine.open()
    write(mine.path, 4, "early")
    mine.keep()
    store.rmtree(f"{store.path}/elsewhere/removed")
    (mine.path / "checkpoint-4").rename(tmp_path / "checkpoint-4")
    write(mine.path, 8, "late")
    mine.keep()
    mine.discard()
    mine.discard()
    assert not store.exists(f"{store.path}/elsewhere/removed")


@pytest.mark.parametrize("gone", ["model.safetensors", "trainer_state.json"])
def test_a_checkpoint_that_goes_while_it_is_fetched_is_not_resumed_from(store: StoreOfMany, gone: str) -> None:
    mine = checkpoints(store, f"going-{gone}")
    mine.open()
    (mine.path / "start.json").write_text("pretrained")
    write(mine.path, 4, "stays")
    write(mine.path, 8, "goes")
    mine.keep()

    store.gone_once_listed = {"start.json", f"checkpoint-8/{gone}"}
    mine.open()
    assert [file.name for file in mine.path.iterdir()] == ["checkpoint-4"]


def test_a_failed_copy_is_told_once_and_leaves_the_checkpoint_that_is_kept(
    store: StoreOfMany, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestration.checkpoints.logger", logging.getLogger("checkpoints"))
    mine = checkpoints(store, "failing")
    mine.open()
    write(mine.path, 4, "early")
    mine.keep()

    store.refuses_writes = True
    (mine.path / "checkpoint-4").rename(tmp_path / "checkpoint-4")
    write(mine.path, 8, "late")
    mine.keep()
    mine.keep()
    assert [record.getMessage().rpartition(": ")[2] for record in caplog.records] == ["the bucket is over its quota"]
    assert store.exists(f"{store.path}/elsewhere/failing/checkpoint-4/trainer_state.json")

    store.refuses_writes = False
    mine.keep()
    assert store.listdir(f"{store.path}/elsewhere/failing") == ["checkpoint-8"]
