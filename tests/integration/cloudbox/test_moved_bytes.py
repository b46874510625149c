"""What a bucket serves of artifacts, in bytes that came over the connection: no more than somebody asks for."""

from __future__ import annotations

import importlib
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from evergreen.core.artifacts import FileEntry, HeldOut, HeldOutManifest, Splits, TrainedModel, TrainedModelManifest
from evergreen.core.coverage import Coverage
from evergreen.core.decision import PromotionDecision, Verdict
from evergreen.core.engines import FP32, FP32_FILE, Engines, EnginesManifest, EngineVariant
from evergreen.core.gate import Gate
from evergreen.core.training import Incumbent
from evergreen.core.versions import crown
from evergreen.tasks.text_classification.settings import TextClassification
from tests.integration.cloudbox.metered_bucket import Meter
from tests.logged import reference
from tests.memory_endpoint import MemoryEndpoint
from tests.memory_host import hosting
from tests.recorded_versions import passing_report
from tests.tiny_text import write_splits

MB = 1_000_000
CONTENT_BYTES = 3 * MB
NEEDED = "word-counts==1.2"


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


def held_out(folder: Path) -> HeldOut:
    """Rows that an earlier version was tested on."""
    folder.mkdir()
    (folder / "rows").write_bytes(os.urandom(CONTENT_BYTES))
    return HeldOut.write(folder, HeldOutManifest(files=(FileEntry.of(folder / "rows", folder),), rows=5))


def graphs(folder: Path, version: str) -> Engines:
    """Of a model, as large as it."""
    folder.mkdir()
    (folder / FP32_FILE).write_bytes(os.urandom(CONTENT_BYTES))
    files = (FileEntry.of(folder / FP32_FILE, folder),)
    variants = (EngineVariant(name=FP32, file=FP32_FILE),)
    return Engines.write(folder, EnginesManifest(files=files, model=version, variants=variants))


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
    held = held_out(tmp_path / "held_out")
    engines = graphs(tmp_path / "engines", model.version)
    compared = reference(tmp_path / "reference", 40)
    kept = (("model", model), ("engines", engines), ("report", report), ("held_out", held), ("reference", compared))
    ids = {name: stored(tmp_path / name, artifact) for name, artifact in kept}
    kept_splits = stored(tmp_path / "splits", splits)
    record, host = ZenmlRecord("unmoved"), hosting(MemoryEndpoint({model.version: 100}))
    step = importlib.import_module("steps.promote")
    inputs = {name: [SimpleNamespace(id=id_)] for name, id_ in ids.items()}
    context = SimpleNamespace(inputs=inputs, pipeline_run=SimpleNamespace(name="training-1"))
    monkeypatch.setattr(mirrors, "active_mirrors", lambda _host: [])
    monkeypatch.setattr(step, "get_step_context", lambda: context)

    def promoted(model: TrainedModel, engines: Engines, splits: Splits, held: HeldOut) -> PromotionDecision:
        task = TextClassification(encoder="none", labels=("a", "b"))
        decision = step.promote.entrypoint(
            "unmoved", host, Gate(), task, model, engines, splits, Coverage(), held, report, compared, Incumbent(), "r"
        )
        assert isinstance(decision, PromotionDecision)
        return decision

    assert promoted(model, engines, splits, held).verdict is Verdict.PROMOTE
    assert record.get(model.version).held_out == ids["held_out"]
    assert record.get(model.version).reference == ids["reference"]
    record.move(crown(record.read(), model.version))
    assert record.get(model.version).requires == NEEDED
    assert record.get(model.version).examples == ({"text": "a goal"},)

    meter.served = 0
    loaded = load_artifact(ids["model"], TrainedModel)
    same, kept_rows = load_artifact(ids["engines"], Engines), load_artifact(ids["held_out"], HeldOut)
    decision = promoted(loaded, same, load_artifact(kept_splits, Splits), kept_rows)
    deployment = deploy_decision("unmoved", host, decision)
    assert loaded.version == model.version
    assert decision.verdict is Verdict.KEEP
    assert deployment.version == model.version
    assert 0 < meter.served < MB

    content = (loaded.path / "content").read_bytes()
    assert content == (model.path / "content").read_bytes()
    assert meter.served > CONTENT_BYTES
