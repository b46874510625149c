import json
from pathlib import Path

import pytest

from evergreen.core.artifacts import Splits, SplitsManifest, TrainedModel
from evergreen.core.errors import InputError
from evergreen.core.training import Curves
from evergreen.tasks import load_predictor
from evergreen.tasks.model_directory import complete_model, read_task_configuration

CURVES = Curves(train=({"step": 1, "loss": 0.5},), validation=(), best_step=1)


@pytest.fixture
def splits(tmp_path: Path) -> Splits:
    manifest = SplitsManifest(files=(), dataset="d", seed=0, rows={}, labels={}, removed={})
    return Splits(tmp_path / "splits", manifest)


def test_a_completed_directory_describes_itself(tmp_path: Path, splits: Splits) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")

    model = complete_model(tmp_path, {"kind": "text_classification"}, splits, 3, CURVES)

    assert {entry.name for entry in model.manifest.files} == {"model.safetensors", "task.json", "history.json"}
    assert TrainedModel.open(tmp_path) == model
    assert read_task_configuration(tmp_path) == {"kind": "text_classification"}
    assert json.loads((tmp_path / "task.json").read_text())["trained_on"] == splits.manifest.content_hash


@pytest.mark.parametrize("content", [None, "{", "[]", '{"task": 3}', '{"no": "task"}'])
def test_a_directory_without_a_task_is_named(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "task.json").write_text(content)

    with pytest.raises(InputError, match=tmp_path.name):
        load_predictor(tmp_path)


def test_a_task_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "task.json").write_text('{"task": {"kind": "translation", "labels": ["a", "b"], "encoder": "x"}}')

    with pytest.raises(InputError, match="not a task of this version"):
        load_predictor(tmp_path)
