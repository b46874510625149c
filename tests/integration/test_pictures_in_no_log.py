"""A server with a picture model notes requests without any byte of a picture."""

import asyncio
import base64
import logging
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest
import torch

from evergreen.core.artifacts import FileEntry, TrainedModel, TrainedModelManifest
from evergreen.data.pictures import encode_png
from evergreen.requestlog.journal import Journal
from evergreen.requestlog.parts import turn_into_parquet
from evergreen.requestlog.reading import FolderLog
from evergreen.requestlog.spool import Spool
from evergreen.serving.accounts import LOGGER, Accounts
from evergreen.serving.app import create_app
from evergreen.serving.model import ServedModel
from evergreen.serving.settings import ServerSettings
from evergreen.tasks.image_segmentation.answering import TorchPictureNetwork
from evergreen.tasks.image_segmentation.model import ARCHITECTURES
from evergreen.tasks.image_segmentation.servable import ImagePredictor
from tests.noted import rows

WINDOW = 12


class Halves:
    """Both classes everywhere alike."""

    device = torch.device("cpu")
    dtype = torch.float32

    def __call__(self, pixel_values: torch.Tensor) -> Any:
        return SimpleNamespace(logits=torch.zeros(len(pixel_values), 2, 16, 16))


def predictor() -> ImagePredictor:
    network = TorchPictureNetwork(Halves(), ARCHITECTURES["unet"], 64)
    return ImagePredictor(network, labels=("dark", "light"), max_pixels=10_000, fetch=None)


def served_model(path: Path) -> ServerSettings:
    path.mkdir()
    (path / "task.json").write_text("{}")
    files = (FileEntry.of(path / "task.json", path),)
    TrainedModel.write(path, TrainedModelManifest(files=files, task={}, trained_on="none", seed=0))
    return ServerSettings(storage_uri=str(path))


def marks(content: bytes) -> set[bytes]:
    """Pieces of a picture's bytes, as they are, in base64 at each offset, and in hexadecimal."""
    text, hexadecimal = base64.b64encode(content), content.hex().encode()
    return {
        whole[start : start + WINDOW]
        for whole in (content, text, hexadecimal)
        for start in range(len(whole) // 2, len(whole) - WINDOW, WINDOW)
    }


def test_no_byte_of_a_picture_is_in_any_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    picture = np.frombuffer(os.urandom(60 * 90 * 3), dtype=np.uint8).reshape(60, 90, 3)
    good, bad = encode_png(picture), os.urandom(2000)
    settings, folder = served_model(tmp_path / "model"), tmp_path / "requests"
    model = ServedModel(settings, lambda _: predictor())
    model.load()
    journal = Journal(Spool(folder, lambda: "v"), "pets", 1.0, None, LOGGER)
    app = create_app(settings, model, Accounts(settings, model, journal))

    async def ask() -> list[int]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
            sent = [[{"image": base64.b64encode(content).decode()}] for content in (good, bad)]
            return [(await client.post("/predict", json={"instances": given})).status_code for given in sent]

    assert asyncio.run(ask()) == [200, 400]
    journal.close()
    log = FolderLog(folder)
    (answered, refused) = sorted(rows(log), key=lambda row: row["status"])
    features = dict(answered["features"])
    assert (features["width"], features["height"], refused["status"]) == (90.0, 60.0, 400)
    assert len(answered["probabilities"]) == 2
    written = b"".join(path.read_bytes() for path in folder.iterdir())
    turn_into_parquet(folder)
    written += (
        b"".join(path.read_bytes() for path in folder.iterdir()) + caplog.text.encode() + repr(rows(log)).encode()
    )
    assert {mark for content in (good, bad) for mark in marks(content) if mark in written} == set()
