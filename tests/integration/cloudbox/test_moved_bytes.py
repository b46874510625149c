"""What a bucket serves of artifacts, in bytes that came over the connection: no more than somebody asks for."""

from __future__ import annotations

import importlib
import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import gcsfs
import pytest

from cloudbox.box import Box
from evergreen.core.artifacts import FileEntry, Splits, TrainedModel, TrainedModelManifest
from evergreen.core.coverage import Coverage
from evergreen.core.decision import PromotionDecision, Verdict
from evergreen.core.gate import Gate
from evergreen.core.training import Incumbent
from evergreen.core.versions import crown
from evergreen.tasks.text_classification.settings import TextClassification
from tests.hosted_trial import BUCKET
from tests.memory_endpoint import MemoryEndpoint
from tests.memory_host import hosting
from tests.recorded_versions import passing_report
from tests.tiny_text import write_splits

MB = 1_000_000
CONTENT_BYTES = 3 * MB
NEEDED = "word-counts==1.2"


class Meter:
    """A way to the bucket that counts the bytes that come back."""

    def __init__(self, target: str) -> None:
        self._target = (urlsplit(target).hostname, urlsplit(target).port)
        self._door = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._door.getsockname()[1]}"
        self.served = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._door.close()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self._door.accept()
                bucket = socket.create_connection(self._target)
                threading.Thread(target=self._pass, args=(client, bucket, False), daemon=True).start()
                threading.Thread(target=self._pass, args=(bucket, client, True), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        with suppress(OSError):  # one of them went away
            while chunk := source.recv(65_536):
                self.served += len(chunk) if counted else 0
                sink.sendall(chunk)
            sink.shutdown(socket.SHUT_WR)


@pytest.fixture
def meter(box: Box, zenml_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Meter]:
    """Before the bucket that the active ZenML stack keeps its artifacts in."""
    from zenml.client import Client
    from zenml.enums import StackComponentType

    meter = Meter(os.environ["STORAGE_EMULATOR_HOST"])
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", meter.address)
    gcsfs.GCSFileSystem.clear_instance_cache()
    client, kind = Client(), StackComponentType.ARTIFACT_STORE
    before, path = client.active_stack_model, f"gs://{BUCKET}/{tmp_path.name}"
    client.create_stack_component(tmp_path.name, flavor="gcp", component_type=kind, configuration={"path": path})
    client.create_stack(tmp_path.name, {kind: tmp_path.name, StackComponentType.ORCHESTRATOR: "default"})
    client.activate_stack(tmp_path.name)
    yield meter
    client.activate_stack(before.id)
    gcsfs.GCSFileSystem.clear_instance_cache()
    meter.close()


def stored(folder: Path, artifact: Any) -> str:
    """The id of an artifact of CONTENT_BYTES in the active stack's store."""
    from zenml import save_artifact

    import orchestration.materializers  # noqa: F401  registers

    return str(save_artifact(artifact, folder.name).id)


def trained_model(folder: Path) -> TrainedModel:
    folder.mkdir()
    (folder / "content").write_bytes(os.urandom(CONTENT_BYTES))
    (folder / "task.json").write_text(json.dumps({"task": {"kind": "word_counts"}, "requires": NEEDED}))
    files = tuple(FileEntry.of(path, folder) for path in sorted(folder.iterdir()))
    return TrainedModel.write(folder, TrainedModelManifest(files=files, task={}, trained_on="none", seed=0))


def test_promotion_and_deployment_of_the_unchanged_champion_move_next_to_nothing(
    meter: Meter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestration import mirrors
    from orchestration.artifacts import load_artifact
    from orchestration.deployment import deploy_decision
    from orchestration.record import ZenmlRecord

    model = trained_model(tmp_path / "model")
    noise = os.urandom(CONTENT_BYTES).hex()
    splits = write_splits(tmp_path / "splits", {"train": [(noise, "a")], "test": [("a goal", "a")]})
    report = passing_report(model.version)
    ids = {name: stored(tmp_path / name, artifact) for name, artifact in (("model", model), ("report", report))}
    kept_splits = stored(tmp_path / "splits", splits)
    record, host = ZenmlRecord("unmoved"), hosting(MemoryEndpoint({model.version: 100}))
    step = importlib.import_module("steps.promote")
    inputs = {name: [SimpleNamespace(id=id_)] for name, id_ in ids.items()}
    context = SimpleNamespace(inputs=inputs, pipeline_run=SimpleNamespace(name="training-1"))
    monkeypatch.setattr(mirrors, "active_mirrors", lambda _host: [])
    monkeypatch.setattr(step, "get_step_context", lambda: context)

    def promoted(model: TrainedModel, splits: Splits) -> PromotionDecision:
        task = TextClassification(encoder="none", labels=("a", "b"))
        decision = step.promote.entrypoint(
            "unmoved", host, Gate(), task, model, splits, Coverage(), report, Incumbent(), "r"
        )
        assert isinstance(decision, PromotionDecision)
        return decision

    assert promoted(model, splits).verdict is Verdict.PROMOTE
    record.move(crown(record.read(), model.version))
    assert record.get(model.version).requires == NEEDED
    assert record.get(model.version).examples == ({"text": "a goal"},)

    meter.served = 0
    loaded = load_artifact(ids["model"], TrainedModel)
    decision = promoted(loaded, load_artifact(kept_splits, Splits))
    deployment = deploy_decision("unmoved", host, decision)
    assert loaded.version == model.version
    assert decision.verdict is Verdict.KEEP
    assert deployment.version == model.version
    assert 0 < meter.served < MB

    content = (loaded.path / "content").read_bytes()
    assert content == (model.path / "content").read_bytes()
    assert meter.served > CONTENT_BYTES
