"""Deterministic trainings, as a GPU does them: which operations it would refuse, seen on a CPU, and on a GPU itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from evergreen.core.members import trainable
from evergreen.tasks import trainer
from evergreen.tasks.image_segmentation.pictures import PictureTable
from evergreen.tasks.image_segmentation.settings import Augmentation
from evergreen.tasks.image_segmentation.trainable import collate
from evergreen.tasks.job import TrainingJob
from evergreen.tasks.trainer import CheckpointedTrainer
from tests import tiny_encoders, tiny_images, tiny_text
from tests.refused_on_cuda import REFUSED, deterministic, recorded
from tests.tiny_text import RecordingRun

Train = Callable[[Path], Any]
ARCHITECTURES = ("unet", "deeplab", "deeplabv3plus", "segformer")
ENCODERS = ("bert", "roberta", "deberta-v2", "gpt2", "canine")
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that torch can use")


def images(architecture: str, folder: Path) -> Any:
    """Two steps and an evaluation, with views, ignored pixels and both parts of the loss."""
    scenes = tiny_images.scenes
    splits = tiny_images.write_splits(folder / "splits", {"train": scenes(5), "validation": scenes(2, 10)})
    task = tiny_images.task_with(architecture=architecture, batch_size=4, epochs=1, dice_weight=0.5)
    return trainable(task).train(splits, RecordingRun.below(folder))


def texts(encoder: str, folder: Path) -> Any:
    """Two steps and an evaluation, with weights for the classes."""
    parts = {"train": tiny_text.headlines(12), "validation": tiny_text.headlines(6, seed=1)}
    splits = tiny_text.write_splits(folder / "splits", parts)
    task = tiny_text.task_with(tiny_encoders.write_encoder(folder / "encoder", encoder), class_weights="balanced")
    return trainable(task).train(splits, RecordingRun.below(folder))


TRAININGS: dict[str, Train] = {
    **{name: partial(images, name) for name in ARCHITECTURES},
    **{name: partial(texts, name) for name in ENCODERS},
}
every_training = pytest.mark.parametrize("train", TRAININGS.values(), ids=TRAININGS)


@every_training
def test_no_training_asks_for_an_operation_that_cuda_refuses(train: Train, tmp_path: Path) -> None:
    with recorded() as operations:
        train(tmp_path)
    assert "aten::convolution_backward" in operations.seen or "aten::embedding_dense_backward" in operations.seen
    assert operations.refused == set()


def test_a_loss_that_reduces_pixels_would_be_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = functional.cross_entropy

    def reducing(logits: torch.Tensor, labels: torch.Tensor, **how: Any) -> torch.Tensor:
        return plain(logits, labels, **how | {"reduction": "sum"})

    monkeypatch.setattr(functional, "cross_entropy", reducing)
    with recorded() as operations:
        images("unet", tmp_path)
    assert operations.refused == {"aten::nll_loss2d_forward"}


def test_loaders_beside_a_gpu_are_counted_by_the_bytes_of_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []

    def three(batch_bytes: int) -> int:
        taken.append(batch_bytes)
        return 3

    monkeypatch.setattr(trainer, "loaders_that_fit", three)
    pictures, masks = np.zeros((5, 32, 32, 3), np.uint8), np.zeros((5, 32, 32), np.uint8)
    table = PictureTable(pictures, masks, Augmentation())
    job = TrainingJob(
        model=torch.nn.Identity(),
        train=table,
        validation=table,
        collate=collate,
        loss=lambda outputs, _: outputs,
        metrics=lambda _, __: {},
        order=table.order,
        loads_beside=True,
    )
    assert trainer._loaders(job, 16) == 0 or torch.cuda.is_available()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for gpus in (1, 2):
        monkeypatch.setattr(torch.cuda, "device_count", lambda gpus=gpus: gpus)
        assert trainer._loaders(job, 16) == 3
        assert taken[-1] == gpus * 16 * (32 * 32 * 4 + 7 * 4)
    assert trainer._loaders(replace(job, loads_beside=False), 16) == 0


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_looked_for_are_operations_that_torch_has(name: str) -> None:
    operation, _, overload = name.removeprefix("aten::").partition(".")
    assert hasattr(getattr(torch.ops.aten, operation), overload or "overloads")


@pytest.mark.gpu
@needs_cuda
@every_training
def test_every_training_runs_on_a_gpu_that_has_to_be_deterministic(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices: set[str] = set()
    step = CheckpointedTrainer.training_step

    def watched(own: Any, model: Any, inputs: Any, *rest: Any) -> torch.Tensor:
        devices.add(f"{model.device.type}, deterministic: {torch.are_deterministic_algorithms_enabled()}")
        return step(own, model, inputs, *rest)

    monkeypatch.setattr(CheckpointedTrainer, "training_step", watched)
    with deterministic():
        first, again = train(tmp_path / "first"), train(tmp_path / "again")
    assert devices == {"cuda, deterministic: True"}
    assert first.version == again.version  # equal weights, which is what determinism is for


def test_batches_of_loading_processes_are_those_of_the_training_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = images("unet", tmp_path / "alone")
    monkeypatch.setattr(trainer, "_loaders", lambda _job, _batch_size: 2)
    assert images("unet", tmp_path / "beside").version == alone.version
