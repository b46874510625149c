"""An encoder of the box's Hub: asked for once, then read from this machine, whatever the Hub answers by then."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file

from cloudbox import faults
from cloudbox.hub.accounts import tokens
from evergreen.core.artifacts import Splits, TrainedModel
from evergreen.core.errors import EvergreenError, InputError
from evergreen.core.members import measurable, trainable
from evergreen.runtime.processes import free_port
from evergreen.tasks import hub_snapshot, load_predictor
from evergreen.tasks.text_classification.settings import TextClassification
from tests.running_box import RunningBox, running_box
from tests.tiny_text import LABELS, RecordingRun, headlines, task_with, write_encoder, write_splits

NAME = "evergreen/encoder"
UPLOAD = """
from huggingface_hub import HfApi
api = HfApi(token={token!r})
api.create_repo({name!r}, private=False, exist_ok=True)
api.upload_folder(repo_id={name!r}, folder_path={folder!r}, delete_patterns="*")
"""
INSTANCES = [{"text": "shares of the bank"}, {"text": "the coach said a new match"}]


@dataclass(frozen=True)
class Hub:
    """A running Hub that holds a tiny encoder, and rows to train it on."""

    box: RunningBox
    encoder: Path
    splits: Splits

    def upload(self, folder: Path, name: str) -> None:
        token = tokens(self.box.box.home)["write"]
        self.box.client(UPLOAD.format(token=token, name=name, folder=str(folder)))

    def task(self, name: str = NAME) -> TextClassification:
        task: TextClassification = task_with(self.encoder, epochs=1).model_copy(update={"encoder": name})
        return task


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    folder = tmp_path_factory.mktemp("encoder")
    encoder = write_encoder(folder / "encoder")
    parts = {"train": headlines(48), "validation": headlines(12, 1), "test": headlines(12, 2)}
    splits = write_splits(folder / "splits", parts)
    with running_box(tmp_path_factory.mktemp("hub") / "home", "hub") as box:
        hub = Hub(box, encoder, splits)
        hub.upload(encoder, NAME)
        yield hub


@pytest.fixture(autouse=True)
def cache(hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """The Hub's client of this process leads to the box, with an empty cache."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr("evergreen.runtime.hub.RETRY_WAITS_S", (0.01,))
    monkeypatch.setattr("time.sleep", lambda _: None)  # the Hub's client waits between its own attempts
    lead_to(hub.box.box.url("hub"), monkeypatch)
    hub_snapshot._information.cache_clear()
    yield tmp_path / "cache"
    faults.clear(hub.box.box.home)


def lead_to(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", endpoint)
    files = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", files)


def work(hub: Hub, folder: Path) -> TrainedModel:
    """Everything that a run does with an encoder."""
    task = hub.task()
    assert trainable(task).check() == f"{NAME} on the Hugging Face Hub"
    commit = trainable(task).pretrained()
    assert len(commit) == 40
    model = trainable(task).train(hub.splits, RecordingRun.below(folder))
    assert trainable(task).pretrained() == commit
    return model


def weights_in(cache: Path) -> list[Path]:
    return sorted(cache.rglob("*.safetensors"))


def test_an_encoder_is_proven_by_its_small_files_and_the_header_of_its_weights(hub: Hub, cache: Path) -> None:
    assert trainable(hub.task()).check()
    assert list(cache.rglob("config.json"))
    assert weights_in(cache) == []
    with pytest.raises(InputError, match="max_length_tokens is 65, but it reads at most 64"):
        trainable(hub.task().model_copy(update={"max_length_tokens": 65})).check()


@pytest.mark.parametrize("failure", ["answers 429", "refuses connections"])
def test_a_training_is_repeated_without_the_hub(
    hub: Hub, failure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first = work(hub, tmp_path / "first")
    if failure == "answers 429":
        faults.add(hub.box.box.home, faults.Fault(kind="error", code="RESOURCE_EXHAUSTED"))
    else:
        lead_to(f"http://127.0.0.1:{free_port()}", monkeypatch)
    hub_snapshot._information.cache_clear()  # as in another process
    with caplog.at_level(logging.WARNING):
        again = work(hub, tmp_path / "again")
    assert again.version == first.version
    assert "does not answer" in caplog.text
    assert "is taken from this machine's cache" in caplog.text


def test_a_trained_model_asks_nothing_of_anybody(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = work(hub, tmp_path)
    asked: list[object] = []
    monkeypatch.setattr(socket.socket, "connect", lambda _, address: asked.append(address))
    report = measurable(hub.task()).evaluate(model, None, hub.splits)
    predictor = load_predictor(model.path)
    assert predictor.predict(predictor.decode(INSTANCES)).probabilities.shape == (2, len(LABELS))
    assert report.metrics["accuracy"].value >= 0
    assert asked == []


def test_a_hub_out_of_reach_is_no_mistake_of_the_user_while_nothing_is_cached(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults.add(hub.box.box.home, faults.Fault(kind="error", code="RESOURCE_EXHAUSTED"))
    with pytest.raises(EvergreenError, match=f"does not answer for encoder '{NAME}'") as caught:
        trainable(hub.task()).check()
    assert not isinstance(caught.value, InputError)


def test_weights_of_the_hub_that_cannot_be_loaded_are_refused_before_they_are_fetched(hub: Hub, tmp_path: Path) -> None:
    for name, message in (("pickled", "pytorch_model.bin: pickled weights"), ("broken", "is no safetensors file")):
        folder = write_encoder(tmp_path / name)
        (folder / "model.safetensors").unlink()
        if name == "pickled":
            (folder / "pytorch_model.bin").write_bytes(b"\x80\x02")
        else:
            (folder / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\n" * 9)
        hub.upload(folder, f"evergreen/{name}")
        with pytest.raises(InputError, match=message):
            trainable(hub.task(f"evergreen/{name}")).check()


def test_shards_of_the_hub_are_fetched_and_read(hub: Hub, tmp_path: Path) -> None:
    folder = write_encoder(tmp_path / "sharded")
    weights = load_file(folder / "model.safetensors")
    names = sorted(weights)
    parts = {"model-00001-of-00002.safetensors": names[:9], "model-00002-of-00002.safetensors": names[9:]}
    for part, held in parts.items():
        save_file({name: weights[name] for name in held}, folder / part, metadata={"format": "pt"})
    (folder / "model.safetensors").unlink()
    shard_of = {name: part for part, held in parts.items() for name in held}
    index = {"metadata": {}, "weight_map": shard_of}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    hub.upload(folder, "evergreen/sharded")
    task = hub.task("evergreen/sharded")
    assert trainable(task).check()
    trainable(task).train(hub.splits, RecordingRun.below(tmp_path))
    assert trainable(task).check()
