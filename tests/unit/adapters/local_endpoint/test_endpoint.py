import os
import shutil
from pathlib import Path

import pytest

from evergreen.adapters.local_endpoint.endpoint import KEPT_UPLOADS, prune_models, store_model
from evergreen.core.artifacts import TrainedModel
from evergreen.core.engines import CHOICE_NAME, ENGINES_FOLDER, add_engines, read_engines
from evergreen.core.errors import InputError
from tests.engines import write_engines
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


def test_engines_come_with_their_model_where_they_are_whole_and_its_own(tmp_path: Path) -> None:
    model = write_keyword_model(tmp_path / "model")
    served = write_engines(tmp_path / "made", model.version)
    add_engines(model.path, served)
    assert TrainedModel.open(model.path).version == model.version
    store_model(model.version, model.path, tmp_path / "stored")
    stored = read_engines(tmp_path / "stored", model.version)
    assert stored is not None
    assert stored.choice == served.choice
    stored.engines.check_files()
    assert stored.engines.kept_inputs() == [{"text": "kept"}]


def test_a_model_that_was_stored_before_gets_the_engines_of_a_later_upload(tmp_path: Path) -> None:
    model = write_keyword_model(tmp_path / "model")
    target = tmp_path / "stored"
    store_model(model.version, model.path, target)
    assert read_engines(target) is None
    choices = {"fp32": "fp32.onnx", "int8-u8s8": "int8-u8s8.onnx"}
    for serves in choices:
        add_engines(model.path, write_engines(tmp_path / serves, model.version, ("int8-u8s8",), admitted=serves))
        store_model(model.version, model.path, target)
        stored = read_engines(target, model.version)
        assert stored is not None
        assert stored.choice.serves == serves
        stored.engines.check_files()
    assert {path.name for path in (target / ENGINES_FOLDER).glob("*.onnx")} == set(choices.values())
    assert sorted(path.name for path in target.iterdir()) == [ENGINES_FOLDER, "manifest.json", "task.json"]


def test_engines_that_a_server_reads_are_replaced_by_none_but_others_and_repaired(tmp_path: Path) -> None:
    model = write_keyword_model(tmp_path / "model")
    add_engines(model.path, write_engines(tmp_path / "one", model.version))
    store_model(model.version, model.path, tmp_path / "stored")
    folder = tmp_path / "stored" / ENGINES_FOLDER
    before = folder.stat().st_ino
    with (folder / "fp32.onnx").open("rb") as read_by_a_server:
        store_model(model.version, model.path, tmp_path / "stored")
        assert folder.stat().st_ino == before
        shutil.rmtree(model.path / ENGINES_FOLDER)
        store_model(model.version, model.path, tmp_path / "stored")
        assert folder.stat().st_ino == before  # an upload without engines takes none away
        add_engines(model.path, write_engines(tmp_path / "two", model.version, graph=b"another"))
        store_model(model.version, model.path, tmp_path / "stored")
        assert read_by_a_server.read() == b"a graph"
    assert (folder / "fp32.onnx").read_bytes() == b"another"
    (folder / "fp32.onnx").unlink()
    (folder / "fp32.onnx").write_bytes(b"half")
    store_model(model.version, model.path, tmp_path / "stored")
    assert (folder / "fp32.onnx").read_bytes() == b"another"


@pytest.mark.parametrize("damage", ["graph", "foreign", "choice", "unknown"])
def test_damaged_or_foreign_engines_keep_no_model_from_serving(
    damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = write_keyword_model(tmp_path / "model")
    add_engines(model.path, write_engines(tmp_path / "made", "other" if damage == "foreign" else model.version))
    folder = model.path / ENGINES_FOLDER
    if damage == "graph":
        graph = folder / "fp32.onnx"
        graph.unlink()
        graph.write_bytes(b"half")
    if damage == "choice":
        (folder / CHOICE_NAME).write_text("{")
    if damage == "unknown":
        text = (folder / CHOICE_NAME).read_text()
        (folder / CHOICE_NAME).write_text(text.replace('"serves": "fp32"', '"serves": "int4"'))
    store_model(model.version, model.path, tmp_path / "stored")
    TrainedModel.open(tmp_path / "stored").check_files()
    assert not (tmp_path / "stored" / ENGINES_FOLDER).exists()
    assert f"left out: the engines of version {model.version}: it is served without them" in caplog.text
