"""Models of an installed package's kind name that package, and say so where it is missing."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from commands.doctor import required_package
from evergreen.core.artifacts import FileEntry, TrainedModel, TrainedModelManifest
from evergreen.core.errors import InputError
from evergreen.core.kinds import Kinds
from evergreen.core.training import Curves
from evergreen.serving.contract import check_server
from evergreen.tasks import load_predictor, model_directory
from tests.tiny_text import LABELS, write_splits

NEEDED = "word-counts==1.2"


def write_model(path: Path, **more: Any) -> Path:
    path.mkdir()
    content = {"task": {"kind": "word_counts"}, "trained_on": "none", "seed": 0, **more}
    (path / "task.json").write_text(json.dumps(content), encoding="utf-8")
    files = (FileEntry.of(path / "task.json", path),)
    return TrainedModel.write(path, TrainedModelManifest(files=files, task={}, trained_on="none", seed=0)).path


@pytest.mark.parametrize("package", [NEEDED, None])
def test_a_trained_model_names_the_package_that_offers_its_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str | None
) -> None:
    monkeypatch.setattr(Kinds, "package", lambda _, kind: package if kind == "word_counts" else None)
    splits = write_splits(tmp_path / "splits", {"train": [("a", LABELS[0])]})
    (tmp_path / "model").mkdir()
    curves = Curves(train=(), validation=(), best_step=0)
    model = model_directory.complete_model(tmp_path / "model", {"kind": "word_counts"}, splits, 0, curves)
    assert model_directory.required(model.path) == package
    assert ("requires" in json.loads((model.path / "task.json").read_text())) is (package is not None)


def test_without_its_package_a_model_is_neither_loaded_nor_tried_as_a_server(tmp_path: Path) -> None:
    path = write_model(tmp_path / "model", requires=NEEDED)
    message = r"needs package word-counts==1\.2, which is not installed; pip install 'word-counts==1\.2'"
    with pytest.raises(InputError, match=message):
        load_predictor(path)
    with pytest.raises(InputError, match=message):
        check_server(path, [{"text": "a"}])
    finding = required_package(NEEDED, "version 1f")
    assert (finding.word, finding.fix) == ("FIX", "pip install 'word-counts==1.2'")
    assert finding.message == f"version 1f needs package {NEEDED}, which is not installed"


def test_another_version_of_the_package_is_told_and_answers_on(caplog: pytest.LogCaptureFixture) -> None:
    import pydantic

    with caplog.at_level(logging.WARNING):
        message = model_directory.check_requirement("pydantic==1.0", "version 1f")
    assert message == f"version 1f was made with pydantic==1.0, and pydantic=={pydantic.VERSION} is installed"
    assert message in caplog.text
    assert required_package("pydantic==1.0", "version 1f").word == "note"
    assert required_package(f"pydantic=={pydantic.VERSION}", "version 1f").word == "fine"


def test_a_model_of_an_unknown_kind_without_a_package_is_told_with_the_kinds_there_are(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"kind 'word_counts' is unknown \(allowed: image_segmentation, text_class"):
        load_predictor(write_model(tmp_path / "model"))
