"""Every kind of file that an earlier commit wrote is opened as it is."""

import base64
import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from evergreen.adapters.local_endpoint.state import EndpointFiles
from evergreen.core.artifacts import Splits, TrainedModel
from evergreen.core.reports import EvaluationReport
from evergreen.core.versions import ModelVersion
from evergreen.tasks import load_predictor
from tests.homes import unpack

VERSIONS = ["56eecea4b145", "00c62b841905"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack("207a66e.tar.xz", tmp_path_factory.mktemp("left") / "home")


def test_the_record_names_versions_that_the_endpoint_holds(home: Path) -> None:
    with closing(sqlite3.connect(home / "zenml/local_stores/default_zen_store/zenml.db")) as database:
        rows = database.execute("SELECT value FROM run_metadata WHERE key = 'evergreen' ORDER BY created")
        recorded = [ModelVersion.model_validate_json(json.loads(value)) for (value,) in rows]
    assert list(dict.fromkeys(one.version for one in recorded)) == VERSIONS
    state = EndpointFiles(home / "zenml/evergreen/my-news").read_state()
    assert state is not None
    assert (state.traffic, list(state.versions)) == ({VERSIONS[1]: 100}, VERSIONS)


def test_reports_tell_what_they_told(home: Path) -> None:
    written = sorted(home.glob("zenml/local_stores/*/evaluate/report/**/data_v2.json"))
    reports = [EvaluationReport.model_validate_json(path.read_bytes()) for path in written]
    assert sorted(report.version for report in reports) == sorted(VERSIONS)
    assert {report.comparison.champion for report in reports if report.comparison} == {VERSIONS[0]}
    assert all(report.spec("accuracy").higher for report in reports)


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
