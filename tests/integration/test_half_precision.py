"""Torch answers in half precision on a GPU, and the engine's name says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from evergreen.core.artifacts import FileEntry, TrainedModel, TrainedModelManifest
from evergreen.tasks.image_segmentation.model import ARCHITECTURES
from evergreen.tasks.image_segmentation.servable import ImageServing
from evergreen.tasks.libraries import half_precision, to_serve
from evergreen.tasks.text_classification.network import TorchTextNetwork
from evergreen.tasks.text_classification.servable import TextPredictor, TextServing
from evergreen.tasks.text_classification.settings import TextClassification
from tests import tiny_images
from tests.tiny_encoders import config_of, write_tokenizer
from tests.tiny_text import LABELS, headlines

TASK = TextClassification(encoder="none", labels=LABELS, max_length_tokens=32)
INSTANCES = [{"text": text} for text, _ in headlines(16)]
NAMES = {torch.bfloat16: "torch-bf16", torch.float16: "torch-fp16"}
NEAR = 0.02
"""Of probabilities: bfloat16 has eight bits of a number."""
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that torch can use")


class Placed:
    """A network that notes where it is put."""

    def to(self, *where: Any) -> tuple[Any, ...]:
        return where


@pytest.mark.parametrize(("supported", "chosen"), [(True, torch.bfloat16), (False, torch.float16)])
def test_a_gpu_answers_in_bfloat16_where_it_computes_in_it(
    supported: bool, chosen: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_supported(*, including_emulation: bool) -> bool:
        return supported or including_emulation

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", is_supported)
    assert to_serve(Placed()) == ("cuda", chosen)


def test_a_cpu_answers_in_the_precision_that_was_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert to_serve(Placed()) == ("cpu",)


@pytest.fixture
def text_model(tmp_path: Path) -> Path:
    import transformers

    write_tokenizer(tmp_path)
    torch.manual_seed(0)
    auto: Any = transformers.AutoModelForSequenceClassification
    auto.from_config(config_of("bert", num_labels=len(LABELS)), trust_remote_code=False).save_pretrained(tmp_path)
    files = tuple(FileEntry.of(path, tmp_path) for path in sorted(tmp_path.iterdir()))
    manifest = TrainedModelManifest(files=files, task=TASK.model_dump(mode="json"), trained_on="", seed=0)
    return TrainedModel.write(tmp_path, manifest).path


def test_a_text_network_in_half_precision_gives_float32_of_nearly_the_same(text_model: Path) -> None:
    full = TextServing(TASK).load(text_model)
    network = full._network
    assert isinstance(network, TorchTextNetwork)
    before = _probabilities(full)
    network._model.to(torch.bfloat16)
    assert full.engine == "torch-bf16"
    after = _probabilities(full)
    assert after.dtype == np.float32
    assert 0 < np.abs(after - before).max() < NEAR


@pytest.mark.parametrize("architecture", list(ARCHITECTURES))
def test_a_picture_network_in_half_precision_gives_nearly_the_same_masks(architecture: Any) -> None:
    task = tiny_images.task_with(architecture=architecture, image_size=64, encoder=None)
    torch.manual_seed(0)
    network = ARCHITECTURES[architecture].fresh(task.labels).eval()
    pictures = [tiny_images.draw(number, 48, 64)[0] for number in range(3)]
    full = ImageServing(task).predictor(network)
    assert full.engine == "torch"
    before = full.predict(pictures)
    half = ImageServing(task).predictor(network.to(torch.bfloat16))
    assert half.engine == "torch-bf16"
    for mask, other in zip(before, half.predict(pictures), strict=True):
        assert mask.dtype == other.dtype
        assert np.mean(mask != other) < 0.1  # of random weights, whose classes are close to each other


@pytest.mark.gpu
@needs_cuda
def test_models_that_are_loaded_on_a_gpu_answer_there_in_half_precision(text_model: Path, tmp_path: Path) -> None:
    texts = TextServing(TASK).load(text_model)
    assert (texts.engine, texts.takes_turns) == (NAMES[half_precision()], True)
    on_gpu = _probabilities(texts)
    network = texts._network
    assert isinstance(network, TorchTextNetwork)
    network._model.to("cpu", torch.float32)
    assert np.abs(on_gpu - _probabilities(texts)).max() < NEAR
    task = tiny_images.task_with(architecture="unet", image_size=64, encoder=None)
    ARCHITECTURES["unet"].fresh(task.labels).save_pretrained(tmp_path / "unet")
    pictures = ImageServing(task).load(tmp_path / "unet")
    assert pictures.engine == NAMES[half_precision()]
    drawn = tiny_images.draw(1, 48, 70)[0]
    assert pictures.predict([drawn]).masks[0].shape == (48, 70)


def _probabilities(predictor: TextPredictor) -> Any:
    return predictor.predict(predictor.decode(INSTANCES)).probabilities
