"""Encoders of several architectures from training to an answer over HTTP, with no Hub to ask on the way."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from evergreen.core.artifacts import Splits, TrainedModel
from evergreen.core.members import measurable, trainable
from evergreen.runtime.processes import free_port, library_environment, log_tail
from evergreen.serving.contract import SERVER_COMMAND
from evergreen.tasks import load_predictor
from tests.tiny_encoders import write_encoder
from tests.tiny_text import LABELS, RecordingRun, headlines, task_with, write_splits

INSTANCES = [{"text": "shares of the bank"}, {"text": "a"}, {"text": "goal " * 200}]
SLOW_S = 60


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> Splits:
    parts = {"train": headlines(96), "validation": headlines(24, 1), "test": headlines(24, 2)}
    return write_splits(tmp_path_factory.mktemp("rows") / "splits", parts)


def train(architecture: str, splits: Splits, folder: Path, **changes: Any) -> TrainedModel:
    task = task_with(write_encoder(folder / "encoder", architecture), max_length_tokens=64, **changes)
    trainable(task).check()
    model = trainable(task).train(splits, RecordingRun.below(folder))
    assert measurable(task).evaluate(model, None, splits).metrics["accuracy"].value >= 0
    return model


@contextlib.contextmanager
def server(model: TrainedModel, log: Path) -> Iterator[httpx.Client]:
    """The prediction server as a process that reaches no Hub: nothing listens where it would ask."""
    port = free_port()
    closed = f"http://127.0.0.1:{free_port()}"
    variables = {"AIP_STORAGE_URI": str(model.path), "AIP_HTTP_PORT": str(port), "HF_ENDPOINT": closed}
    with log.open("wb") as out:
        process = subprocess.Popen(
            SERVER_COMMAND, env=library_environment(variables), stdin=subprocess.PIPE, stderr=out
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=SLOW_S) as client:
            wait_ready(client, process, log)
            yield client
    finally:
        process.kill()
        process.communicate()


def wait_ready(client: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + SLOW_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if client.get("/health").is_success:
                return
        time.sleep(0.1)
    raise AssertionError(log_tail(log))


def test_distilberts_architecture_is_trained_loaded_and_served(splits: Splits, tmp_path: Path) -> None:
    model = train("distilbert", splits, tmp_path, epochs=6)
    predictor = load_predictor(model.path)
    expected = predictor.encode(predictor.predict(predictor.decode(INSTANCES)))
    assert [prediction["label"] for prediction in expected[::2]] == ["money", "games"]
    with server(model, tmp_path / "server.log") as client:
        answer = client.post("/predict", json={"instances": INSTANCES}).raise_for_status().json()["predictions"]
    assert [prediction["label"] for prediction in answer] == [prediction["label"] for prediction in expected]
    assert [prediction["score"] for prediction in answer] == pytest.approx(
        [prediction["score"] for prediction in expected], abs=1e-5
    )


@pytest.mark.parametrize(
    "architecture",
    ["gpt2", *(pytest.param(architecture, marks=pytest.mark.variants) for architecture in ("canine", "deberta-v2"))],
)
def test_an_encoder_without_padding_or_vocabulary_is_trained_and_answers(
    architecture: str, splits: Splits, tmp_path: Path
) -> None:
    model = train(architecture, splits, tmp_path, train_embeddings=False)
    predictor = load_predictor(model.path)
    together = predictor.predict(predictor.decode(INSTANCES)).probabilities
    assert together.shape == (len(INSTANCES), len(LABELS))
    assert together.sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    for index, instance in enumerate(INSTANCES):  # alone, the shortest is a batch of its own
        alone = predictor.predict(predictor.decode([instance])).probabilities[0]
        assert alone == pytest.approx(together[index], abs=1e-4)


def test_a_tokenizer_without_padding_pads_in_the_served_model_as_it_did_in_training(
    splits: Splits, tmp_path: Path
) -> None:
    from transformers import AutoConfig, AutoTokenizer

    path = train("gpt2", splits, tmp_path).path
    tokenizer = AutoTokenizer.from_pretrained(path, trust_remote_code=False)
    assert tokenizer.pad_token == tokenizer.eos_token == "</s>"
    assert AutoConfig.from_pretrained(path, trust_remote_code=False).pad_token_id == tokenizer.pad_token_id
