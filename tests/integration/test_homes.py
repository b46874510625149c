"""Every kind of file that an earlier commit wrote is opened as it is."""

import base64
import io
import json
import re
import shutil
import sqlite3
import sys
import tarfile
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from evergreen.adapters.local_endpoint.state import EndpointFiles
from evergreen.core.artifacts import Splits, TrainedModel
from evergreen.core.report import EvaluationReport
from evergreen.core.sections import ConfusionMatrix, WorstTexts
from evergreen.core.versions import ModelVersion
from evergreen.tasks import load_predictor
from tests.homes import ARCHIVES, HOME, USERS, pack, unpack
from tests.own_zenml import ROOT

VERSIONS = ["56eecea4b145", "00c62b841905"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack("207a66e.tar.xz", tmp_path_factory.mktemp("left") / "home")


def test_the_record_names_versions_that_the_endpoint_holds(home: Path) -> None:
    with closing(sqlite3.connect(home / "zenml/local_stores/default_zen_store/zenml.db")) as database:
        rows = database.execute("SELECT value FROM run_metadata WHERE key = 'evergreen' ORDER BY created")
        recorded = [ModelVersion.model_validate_json(json.loads(value)) for (value,) in rows]
    assert list(dict.fromkeys(version.version for version in recorded)) == VERSIONS
    state = EndpointFiles(home / "zenml/evergreen/my-news").read_state()
    assert state is not None
    assert (state.traffic, list(state.versions)) == ({VERSIONS[1]: 100}, VERSIONS)


def test_reports_tell_what_they_told(home: Path) -> None:
    written = sorted(home.glob("zenml/local_stores/*/evaluate/report/**/data_v2.json"))
    reports = [EvaluationReport.model_validate_json(path.read_bytes()) for path in written]
    assert sorted(report.version for report in reports) == sorted(VERSIONS)
    assert {report.comparison.champion for report in reports if report.comparison} == {VERSIONS[0]}
    assert all(report.spec("accuracy").higher for report in reports)
    matrices = [report.section(ConfusionMatrix) for report in reports]
    assert [sum(map(sum, matrix.counts)) for matrix in matrices if matrix] == [report.rows for report in reports]
    assert all(report.section(WorstTexts) for report in reports)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_text_classifier_answers_as_it_did(home: Path, version: str) -> None:
    expected = json.loads((home / "answers.json").read_text())
    predictions = asked(home / "zenml/evergreen/my-news/models" / version, version, expected["instances"])
    for ours, theirs in zip(predictions, expected["predictions"][version], strict=True):
        assert ours["probabilities"] == pytest.approx(theirs["probabilities"], abs=1e-4)


def test_a_segmentation_network_answers_as_it_did(home: Path) -> None:
    expected = json.loads((home / "pictures/answers.json").read_text())
    predictions = asked(home / "pictures/unet", expected["version"], expected["instances"])
    for ours, theirs in zip(predictions, expected["predictions"], strict=True):
        assert np.mean(classes(ours["mask"]) == classes(theirs["mask"])) > 0.99


def test_splits_of_pictures_are_those_that_the_network_names(home: Path) -> None:
    splits = Splits.open(home / "pictures/splits")
    splits.check_files()
    assert TrainedModel.open(home / "pictures/unet").manifest.trained_on == splits.manifest.content_hash


def asked(model_dir: Path, version: str, instances: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the version in the directory answers."""
    model = TrainedModel.open(model_dir)
    model.check_files()
    assert model.version == version
    predictor = load_predictor(model_dir, lambda _address, _limit: b"")
    return predictor.encode(predictor.predict(predictor.decode(instances)))


def classes(mask: str) -> npt.NDArray[np.uint8]:
    """(H, W) class numbers of a mask as an endpoint sends it."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(mask))))


def test_nothing_in_it_tells_of_the_machine_where_it_was_made(tmp_path: Path) -> None:
    with tarfile.open(ARCHIVES / "207a66e.tar.xz") as packed:
        packed.extractall(tmp_path, filter="data")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    paths = [re.findall(rb"(?:/tmp|/root|/home|/work)/(?!zenml-ssh)[\w./-]+", path.read_bytes()) for path in files]
    assert list(filter(None, paths)) == []
    assert any(HOME.encode() in path.read_bytes() for path in tmp_path.rglob("content.tar"))
    with closing(sqlite3.connect(tmp_path / USERS)) as database:
        assert database.execute("SELECT name, password FROM user").fetchall() == [("default", None)]
    assert not [path for path in files if path.suffix == ".py"]


def test_what_was_packed_is_unpacked_as_it_was(tmp_path: Path) -> None:
    home = unpack("207a66e.tar.xz", tmp_path / "home")
    before = contents(home)
    pack(home, tmp_path / "again.tar.xz", str(ROOT), sys.executable)
    shutil.rmtree(home)
    assert contents(unpack(str(tmp_path / "again.tar.xz"), home)) == before


def contents(home: Path) -> dict[str, Any]:
    """What is in each file, of tar files in each of theirs."""
    contents: dict[str, Any] = {}
    for path in home.rglob("*"):
        if path.suffix == ".tar":
            with tarfile.open(path) as packed:
                contents |= {f"{path}/{member.name}": packed.extractfile(member).read() for member in packed}  # type: ignore[union-attr]
        elif path.is_file() and path.suffix != ".db":
            contents[str(path)] = path.read_bytes()
    return contents
