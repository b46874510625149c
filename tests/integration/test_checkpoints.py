"""Checkpoints in an artifact store that is no folder of this machine, as another machine finds them."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest


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
    (first.path / "origin.json").write_text("pretrained")
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
    assert (second.path / "origin.json").read_text() == "pretrained"
    assert [one.name for one in second.path.glob("checkpoint-*")] == ["checkpoint-8"]
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
    assert [one.name for one in second.path.glob("checkpoint-*")] == ["checkpoint-4"]
