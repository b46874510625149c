import os
import shutil
from pathlib import Path

import pytest

from evergreen.adapters.local_endpoint.endpoint import KEPT_UPLOADS, prune_models, store_model
from evergreen.core.artifacts import TrainedModel
from evergreen.core.errors import InputError
from tests.keyword_model import write_keyword_model


def test_a_stored_model_is_whole_without_its_source(tmp_path: Path) -> None:
    model = write_keyword_model(tmp_path / "model")
    target = tmp_path / "models" / model.version
    store_model(model.version, model.path, target)
    store_model(model.version, model.path, target)
    shutil.rmtree(model.path)
    assert TrainedModel.open(target).version == model.version
    assert (target / "task.json").is_file()


def test_another_versions_files_are_refused(tmp_path: Path) -> None:
    model = write_keyword_model(tmp_path / "model")
    with pytest.raises(InputError, match=f"holds version {model.version}, not other"):
        store_model("other", model.path, tmp_path / "other")


def test_a_manifest_that_lists_a_file_outside_of_the_model_writes_nothing(tmp_path: Path) -> None:
    model = write_keyword_model(tmp_path / "model")
    (tmp_path / "planted.py").write_text("")
    listing = model.path / "manifest.json"
    listing.write_text(
        listing.read_text().replace('"name": "', '"name": "../planted.py", "sha256": "", "bytes": 0}, {"name": "', 1)
    )
    with pytest.raises(
        InputError, match=r"'\.\./planted\.py' is no plain relative path, or leads out of the directory"
    ):
        store_model(model.version, model.path, tmp_path / "models" / model.version)
    assert not (tmp_path / "models").exists()


def test_a_listed_file_that_is_missing_leaves_no_half_model(tmp_path: Path) -> None:
    model = write_keyword_model(tmp_path / "model")
    (model.path / "task.json").unlink()
    target = tmp_path / "models" / model.version
    with pytest.raises(InputError, match=r"task\.json"):
        store_model(model.version, model.path, target)
    assert not target.exists()


def test_a_damaged_model_is_not_stored(tmp_path: Path) -> None:
    model = write_keyword_model(tmp_path / "model")
    damage(model.path / "task.json")
    with pytest.raises(InputError, match=r"task\.json in .* is damaged"):
        store_model(model.version, model.path, tmp_path / "models" / model.version)


def test_a_stored_model_that_was_damaged_since_is_replaced_by_a_whole_one(tmp_path: Path) -> None:
    model = write_keyword_model(tmp_path / "model")
    target = tmp_path / "models" / model.version
    store_model(model.version, shutil.copytree(model.path, tmp_path / "copy"), target)
    damage(target / "task.json")
    store_model(model.version, model.path, target)
    TrainedModel.open(target).check_files()


def damage(path: Path) -> None:
    """Changes one byte."""
    path.write_bytes(path.read_bytes().replace(b"sport", b"sp0rt"))


def test_pruning_keeps_the_deployed_and_the_newest(tmp_path: Path) -> None:
    for number in range(KEPT_UPLOADS + 3):
        (tmp_path / f"v{number}").mkdir()
        os.utime(tmp_path / f"v{number}", (number, number))
    (tmp_path / ".v9.123").mkdir()
    prune_models(tmp_path, {"v0"})
    assert {path.name for path in tmp_path.iterdir()} == {"v0", *(f"v{number + 3}" for number in range(KEPT_UPLOADS))}
