"""Trained-model directories go to Cloud Storage and back, checked on both ways."""

import json
import time
from pathlib import Path

import gcsfs
import pytest

from cloudbox.box import Box
from evergreen.adapters.gcs import StorageError, copy_from, copy_to
from evergreen.core.artifacts import FileEntry, TrainedModel
from evergreen.core.engines import add_engines, read_engines
from evergreen.core.errors import InputError
from evergreen.serving.model import bring_from, local_model
from evergreen.serving.settings import ServerSettings
from tests.engines import write_engines
from tests.hosted_trial import BUCKET
from tests.keyword_model import write_keyword_model


@pytest.fixture
def model(tmp_path: Path) -> TrainedModel:
    return write_keyword_model(tmp_path / "model")


@pytest.mark.usefixtures("box")
def test_a_server_gets_the_model_as_it_was_uploaded_and_keeps_no_copy(model: TrainedModel) -> None:
    uri = f"gs://{BUCKET}/copies/{model.version}/"
    copy_to(model.path, uri)
    with local_model(ServerSettings(storage_uri=uri)) as copied:
        assert TrainedModel.open(copied).version == model.version
        assert (copied / "task.json").read_bytes() == (model.path / "task.json").read_bytes()
    assert not copied.exists()


def test_a_copy_asks_for_objects_alone_which_is_all_that_a_server_s_account_may_read(
    box: Box, model: TrainedModel, tmp_path: Path
) -> None:
    uri = f"gs://{BUCKET}/asked"
    copy_to(model.path, uri)
    before = len(box.home.calls.read_text(encoding="utf-8").splitlines())
    copy_from(uri, tmp_path / "copy")
    time.sleep(0.5)  # what the client asks for beside it, it asks for in a thread of its own
    calls = box.home.calls.read_text(encoding="utf-8").splitlines()[before:]
    assert {json.loads(call)["method"] for call in calls} == {"storage.objects.get"}


def test_a_damaged_object_is_refused_and_the_next_upload_repairs_it(
    box: Box, model: TrainedModel, tmp_path: Path
) -> None:
    uri = f"gs://{BUCKET}/damaged"
    copy_to(model.path, uri)
    size = (model.path / "task.json").stat().st_size
    gcsfs.GCSFileSystem(skip_instance_cache=True).pipe_file(f"{uri}/task.json", b" " * size)
    with pytest.raises(StorageError, match=r"task\.json is not what its manifest says"):
        copy_from(uri, tmp_path / "copy")
    copy_to(model.path, uri)
    assert TrainedModel.open(copy_from(uri, tmp_path / "copy")).version == model.version


@pytest.fixture
def with_engines(model: TrainedModel, tmp_path: Path) -> TrainedModel:
    """A model with weights, and beside it a graph that nothing runs here; another one was not admitted."""
    (model.path / "model.safetensors").write_bytes(b"weights")
    files = (*model.manifest.files, FileEntry.of(model.path / "model.safetensors", model.path))
    model = TrainedModel.write(model.path, model.manifest.model_copy(update={"files": files}))
    graph = bytes(range(256)) * 100_000
    add_engines(model.path, write_engines(tmp_path / "graphs", model.version, ("int8-u8s8",), graph=graph))
    return model


@pytest.mark.usefixtures("box")
def test_a_server_gets_what_tells_of_engines_and_what_it_asks_for_alone(
    with_engines: TrainedModel, tmp_path: Path
) -> None:
    uri = f"gs://{BUCKET}/engines/{with_engines.version}"
    copy_to(with_engines.path, uri)
    with local_model(ServerSettings(storage_uri=uri)) as copied:
        files = {path.relative_to(copied).as_posix() for path in copied.rglob("*") if path.is_file()}
        assert {"engines/manifest.json", "engines/choice.json", "task.json"} <= files
        assert not {"model.safetensors", "engines/fp32.onnx"} & files
        bring_from(uri)(copied, ["engines/fp32.onnx", "engines/kept_inputs.json", "model.safetensors"])
        served = read_engines(copied, with_engines.version)
        assert served is not None
        served.engines.check_files()
        TrainedModel.open(copied).check_files()
    with pytest.raises(StorageError, match="int8"):
        bring_from(uri)(tmp_path, ["engines/int8-u8s8.onnx"])  # it was not admitted


@pytest.mark.usefixtures("box")
def test_engines_that_cannot_be_read_cost_no_model_its_server(with_engines: TrainedModel, tmp_path: Path) -> None:
    uri = f"gs://{BUCKET}/no-choice/{with_engines.version}"
    copy_to(with_engines.path, uri)
    gcsfs.GCSFileSystem(skip_instance_cache=True).rm(f"{uri}/engines/choice.json")
    copied = copy_from(uri, tmp_path / "copy", by_engines=True)
    TrainedModel.open(copied).check_files()
    assert not (copied / "engines").exists()


@pytest.mark.usefixtures("box")
def test_what_is_not_there_is_named(model: TrainedModel, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=rf"gs://{BUCKET}/nothing"):
        copy_from(f"gs://{BUCKET}/nothing", tmp_path / "copy")
    with pytest.raises(StorageError, match="gs://no-such-bucket"):
        copy_to(model.path, "gs://no-such-bucket/model")
    (model.path / "task.json").unlink()
    with pytest.raises(InputError, match=r"task\.json is missing"):
        copy_to(model.path, f"gs://{BUCKET}/half")
