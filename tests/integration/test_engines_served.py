"""Models that answer by graphs: as torch does, from the torch-free image's packages alone, whatever is damaged."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from evergreen.core.artifacts import TrainedModel
from evergreen.core.engines import ENGINES_FOLDER, FP32, read_engines
from evergreen.core.errors import EvergreenError, InputError
from evergreen.core.members import trainable
from evergreen.core.protocols import Predictor
from evergreen.runtime.instructions import instruction_set
from evergreen.runtime.processes import free_port, library_environment
from evergreen.serving import loading
from evergreen.serving.contract import check_server
from evergreen.serving.engine_trials import EngineTrials
from evergreen.serving.loading import Loading
from evergreen.serving.model import ServedModel
from evergreen.serving.settings import ServerSettings
from evergreen.tasks import load_predictor
from tests import tiny_images, tiny_text
from tests.crashing_engine import CRASHED
from tests.tiny_engines import INT8, add_picture_engines, add_text_engines, damage

ROOT = Path(__file__).parents[2]
TORCH_FREE = ROOT / "infra" / "serving-onnx-requirements.txt"
SERVER = (sys.executable, "-m", "tests.only_packages", str(TORCH_FREE), "evergreen.serving")
KEPT = [{"text": text} for text, _ in tiny_text.headlines(64, 5)]
HOSTILE = [{"text": "goal " * 500}, {"text": "Zoë’s\n GOAL，\t[PAD] [CLS]"}, {"text": "a"}]


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    folder = tmp_path_factory.mktemp("texts")
    rows = tiny_text.headlines(96)
    parts = {"train": rows[:72], "validation": rows[72:84], "test": rows[84:]}
    task = tiny_text.task_with(tiny_text.write_encoder(folder / "encoder"), epochs=4)
    model = trainable(task).train(
        tiny_text.write_splits(folder / "splits", parts), tiny_text.RecordingRun.below(folder)
    )
    return add_text_engines(model, KEPT, folder / "graphs")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    folder = tmp_path_factory.mktemp("pictures")
    scenes = tiny_images.scenes(12)
    parts = {"train": scenes[:8], "validation": scenes[8:10], "test": scenes[10:]}
    task = tiny_images.task_with(epochs=1)
    model = trainable(task).train(
        tiny_images.write_splits(folder / "splits", parts), tiny_text.RecordingRun.below(folder)
    )
    return add_picture_engines(model, task.image_size, instances(), folder / "graphs")


@pytest.fixture
def copy(texts: TrainedModel, tmp_path: Path) -> TrainedModel:
    """One whose files a test may damage."""
    shutil.copytree(texts.path, tmp_path / "model")
    return TrainedModel.open(tmp_path / "model")


def instances() -> list[dict[str, Any]]:
    from evergreen.tasks.image_segmentation.servable import instance_of

    drawn = (
        tiny_images.draw(number, height, width)[0]
        for number, (height, width) in enumerate([(36, 48), (32, 32), (91, 33)])
    )
    return [instance_of(tiny_images.png(picture)) for picture in drawn]


def answered(predictor: Predictor, given: list[dict[str, Any]]) -> Any:
    return predictor.predict(predictor.decode(given))


def damage_all(engines: Path) -> None:
    for graph in engines.glob("*.onnx"):
        damage(graph)


def choose(model: TrainedModel, **changes: object) -> None:
    """Writes another choice beside the model."""
    path = model.path / ENGINES_FOLDER / "choice.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_text_s_graph_answers_as_torch_does_and_reads_the_same_tokens(texts: TrainedModel) -> None:
    torch, graph = load_predictor(texts.path), Loading(asked=FP32).predictor(texts.path)
    assert (torch.engine, graph.engine) == ("torch", "onnx-fp32")
    given = KEPT + HOSTILE
    assert graph.decode(given) == torch.decode(given)
    outputs = answered(graph, given)
    assert np.asarray(outputs) == pytest.approx(np.asarray(answered(torch, given)), abs=1e-4)
    noted = graph.observe(graph.decode(given), outputs)
    assert {len(one.embedding or ()) for one in noted} == {32}


def test_the_chosen_engine_answers_and_no_row_depends_on_its_neighbours(texts: TrainedModel) -> None:
    predictor = Loading().predictor(texts.path)
    assert predictor.engine == f"onnx-{INT8}"
    together = np.asarray(answered(predictor, KEPT))
    alone = np.concatenate([np.asarray(answered(predictor, [instance])) for instance in KEPT])
    assert together == pytest.approx(alone, abs=1e-6)


def test_a_picture_s_graph_gives_torch_s_masks(pictures: TrainedModel) -> None:
    torch, graph = load_predictor(pictures.path), Loading().predictor(pictures.path)
    assert graph.engine == "onnx-fp32"
    for mask, other in zip(answered(torch, instances()), answered(graph, instances()), strict=True):
        assert mask.shape == other.shape
        assert mask.dtype == other.dtype
        assert np.mean(mask != other) < 0.002  # ties


@pytest.mark.parametrize("kind", ["texts", "pictures"])
def test_a_server_with_the_torch_free_image_s_packages_alone_keeps_the_contract(
    kind: str, request: pytest.FixtureRequest
) -> None:
    model: TrainedModel = request.getfixturevalue(kind)
    check_server(model.path, KEPT[:3] if kind == "texts" else instances(), command=SERVER)


@pytest.mark.parametrize(
    ("break_it", "answers", "told"),
    [
        (lambda engines: damage(engines / "int8.onnx"), "onnx-fp32", "int8.onnx in"),
        (lambda engines: (engines / "int8.onnx").unlink(), "onnx-fp32", "lacks int8.onnx"),
        (damage_all, "torch", "fp32.onnx"),
        (lambda engines: (engines / "choice.json").unlink(), "torch", "choice.json"),
        (lambda engines: damage(engines / "manifest.json"), "torch", "no Engines at"),
        (
            lambda engines: damage(engines / "manifest.json", lambda text: text.replace(b'"model"', b'"m"')),
            "torch",
            "model",
        ),
    ],
)
def test_damaged_engines_are_told_and_the_next_one_answers(
    copy: TrainedModel,
    caplog: pytest.LogCaptureFixture,
    break_it: Callable[[Path], object],
    answers: str,
    told: str,
) -> None:
    break_it(copy.path / ENGINES_FOLDER)
    with caplog.at_level(logging.INFO, "evergreen.serving"):
        predictor = Loading().predictor(copy.path)
    assert predictor.engine == answers
    assert answered(predictor, KEPT[:2]) is not None
    assert any(told in str(getattr(record, "fields", "")) for record in caplog.records)


def test_damaged_weights_are_told_by_what_reads_them_and_cost_a_graph_nothing(copy: TrainedModel) -> None:
    damage(copy.path / "model.safetensors")
    model = ServedModel(ServerSettings(storage_uri=str(copy.path)), Loading().predictor)
    model.load()
    assert model.engine == f"onnx-{INT8}"
    shutil.rmtree(copy.path / ENGINES_FOLDER)
    with pytest.raises(InputError, match=r"model\.safetensors in .* is damaged"):
        ServedModel(ServerSettings(storage_uri=str(copy.path)), Loading().predictor).load()


def test_engines_of_another_version_do_not_answer(copy: TrainedModel, caplog: pytest.LogCaptureFixture) -> None:
    damage(copy.path / ENGINES_FOLDER / "manifest.json", lambda text: text.replace(copy.version.encode(), b"0" * 12))
    assert Loading().predictor(copy.path).engine == "torch"
    assert "engines of version 000000000000" in str([getattr(record, "fields", "") for record in caplog.records])


@pytest.mark.parametrize(
    ("asked", "engine"), [("torch", "torch"), ("onnx", f"onnx-{INT8}"), (FP32, "onnx-fp32"), ("int9", "onnx-fp32")]
)
def test_the_engine_can_be_asked_for(texts: TrainedModel, asked: str, engine: str) -> None:
    assert Loading(asked=asked).predictor(texts.path).engine == engine


def test_on_another_processor_it_starts_on_fp32_and_changes_over_by_itself(
    copy: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(copy, instruction_set="of another machine")
    monkeypatch.setattr(loading, "why_not", lambda kept: lambda *_: None if len(kept) == 64 else "few")
    predictor = Loading().predictor(copy.path)
    deadline = time.monotonic() + 20
    while predictor.engine != f"onnx-{INT8}" and time.monotonic() < deadline:
        answered(predictor, KEPT[:2])
    assert predictor.engine == f"onnx-{INT8}"


def test_an_engine_that_ends_the_server_is_passed_over_by_the_next_start(texts: TrainedModel, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.crashing_engine", "int8.onnx"]
    port = free_port()
    variables = {
        "AIP_STORAGE_URI": str(texts.path),
        "AIP_HTTP_PORT": str(port),
        "EVERGREEN_EXIT_WITH_STDIN": "1",
        "EVERGREEN_ENGINE_TRIALS": str(tmp_path / "trials"),
    }
    with (tmp_path / "log").open("wb") as log:
        settings: Any = {"env": library_environment(variables), "stdin": subprocess.PIPE, "stderr": log, "cwd": ROOT}
        assert subprocess.Popen(command, **settings).wait(60) == CRASHED
        again = subprocess.Popen(command, **settings)
        try:
            answer = ask_once_ready(f"http://127.0.0.1:{port}/predict", again)
        finally:
            again.communicate()
    assert answer["metadata"]["engine"] == "onnx-fp32"
    assert "it ended the server that tried it last" in (tmp_path / "log").read_text()


def ask_once_ready(url: str, process: subprocess.Popen[bytes]) -> Any:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        try:
            response = httpx.post(url, json={"instances": KEPT[:1]})
        except httpx.TransportError:
            time.sleep(0.1)
            continue
        if response.status_code == 200:
            return response.json()
        time.sleep(0.1)
    raise AssertionError(f"no answer; exit code {process.poll()}")


def test_where_no_other_engine_is_left_one_that_ended_a_server_is_tried_again(
    copy: TrainedModel, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trials = EngineTrials(tmp_path / "trials")
    served = read_engines(copy.path)
    assert served is not None
    (tmp_path / "trials").mkdir()
    for name in ("int8.onnx", "fp32.onnx"):
        note = tmp_path / "trials" / f"{served.engines.manifest.content_hash[:12]}-{name}"
        note.write_text("4711")
    assert Loading(trials=trials).predictor(copy.path).engine == "torch"
    (copy.path / "model.safetensors").unlink()
    assert Loading(trials=trials).predictor(copy.path).engine == f"onnx-{INT8}"
    assert "no other can answer" in caplog.text
    assert not list((tmp_path / "trials").iterdir())


def test_without_torch_a_model_that_only_torch_can_answer_for_says_what_is_missing(
    copy: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object) -> Predictor:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr(loading, "load_predictor", missing)
    choose(copy, serves="torch", reason="nothing was admitted")
    assert Loading().predictor(copy.path).engine == "onnx-fp32"
    shutil.rmtree(copy.path / ENGINES_FOLDER)
    with pytest.raises(EvergreenError, match=r"torch is not installed.*ENGINE=torch"):
        Loading().predictor(copy.path)


def test_weights_are_read_where_torch_answers_alone(copy: TrainedModel) -> None:
    (copy.path / "model.safetensors").unlink()
    assert Loading().predictor(copy.path).engine == f"onnx-{INT8}"
    with pytest.raises(EvergreenError, match=r"model\.safetensors"):
        Loading(asked="torch").predictor(
            shutil.copytree(copy.path, copy.path.parent / "bare", ignore=lambda *_: [ENGINES_FOLDER])
        )


def test_this_machine_has_a_name_for_its_instructions() -> None:
    assert instruction_set()
