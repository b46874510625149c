"""The page of a published model, started here and asked as a browser asks it, beside the predictor itself."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from evergreen.core.artifacts import SplitName
from evergreen.core.members import trainable
from evergreen.demo.app import page
from evergreen.runtime.processes import free_port
from evergreen.tasks import load_predictor
from evergreen.tasks.image_segmentation.servable import instance_of
from tests import tiny_images, tiny_text


@contextmanager
def client(model: Path, examples: Sequence[Mapping[str, Any]], cache: Path) -> Iterator[Any]:
    """A client of the page, which runs while the block does."""
    from gradio_client import Client

    demo = page(model, examples)
    port = free_port()
    demo.launch(server_name="127.0.0.1", server_port=port, prevent_thread_lock=True, quiet=True)
    try:
        yield Client(f"http://127.0.0.1:{port}", download_files=cache, verbose=False, analytics_enabled=False)
    finally:
        demo.close(verbose=False)


@pytest.fixture(autouse=True)
def _nothing_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))


def test_a_text_is_answered_with_the_labels_of_the_predictor(tmp_path: Path) -> None:
    task = tiny_text.task_with(tiny_text.write_encoder(tmp_path / "encoder"), epochs=1)
    parts = {"train": tiny_text.headlines(60), "validation": tiny_text.headlines(12, 1)}
    model = trainable(task).train(
        tiny_text.write_splits(tmp_path / "splits", parts), tiny_text.RecordingRun.below(tmp_path)
    )
    predictor = load_predictor(model.path)
    text = "shares of the bank"
    (expected,) = predictor.encode(predictor.predict(predictor.decode([{"text": text}])))
    with client(model.path, [{"text": text}], tmp_path / "answers") as asked:
        answer = asked.predict(text, api_name="/predict")
        assert answer["label"] == expected["label"]
        shown = {confidence["label"]: confidence["confidence"] for confidence in answer["confidences"]}
        assert shown == pytest.approx(expected["probabilities"])
        with pytest.raises(Exception, match="'text' is blank"):
            asked.predict("", api_name="/predict")


def several_classes(model: Path) -> Iterator[tuple[tiny_images.Pixels, tiny_images.Pixels]]:
    """Pictures, and what the model makes of them, in which it sees more than one class: it is hardly trained."""
    predictor = load_predictor(model)
    for number in range(300, 340):
        drawn, _ = tiny_images.draw(number)
        (mask,) = predictor.predict(predictor.decode([instance_of(tiny_images.png(drawn))]))
        if len(np.unique(mask)) > 1:
            yield drawn, mask


def test_a_picture_comes_back_under_the_mask_of_the_predictor(tmp_path: Path) -> None:
    from gradio_client import handle_file

    parts = {SplitName.TRAIN: tiny_images.scenes(8), SplitName.VALIDATION: tiny_images.scenes(2, 100)}
    splits = tiny_images.write_splits(tmp_path / "splits", parts)
    model = trainable(tiny_images.task_with(epochs=1)).train(splits, tiny_text.RecordingRun.below(tmp_path))
    drawn, mask = next(several_classes(model.path))  # else the page could show anything
    picture = tmp_path / "picture.png"
    picture.write_bytes(tiny_images.png(drawn))
    present = [number for number in range(len(tiny_images.LABELS)) if (mask == number).any()]
    with client(model.path, [], tmp_path / "answers") as asked:
        shown = asked.predict(handle_file(str(picture)), api_name="/predict")
        assert np.array_equal(np.asarray(Image.open(shown["image"]))[..., :3], drawn)
        assert [shape["label"] for shape in shown["annotations"]] == [tiny_images.LABELS[number] for number in present]
        for number, annotation in zip(present, shown["annotations"], strict=True):
            covered = np.asarray(Image.open(annotation["image"]).convert("RGBA"))[..., 3] > 0
            assert np.array_equal(covered, mask == number), json.dumps(shown)
        with pytest.raises(Exception, match="'image' is missing"):
            asked.predict(None, api_name="/predict")
