from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from evergreen.adapters.files.output_settings import FilesOutput
from evergreen.adapters.files.settings import FilesSettings
from evergreen.batch import work
from evergreen.batch.job import run
from evergreen.batch.plan import Asked, job_of
from evergreen.batch.work import Model
from evergreen.core.errors import EvergreenError, InputError, InstanceError, RequestTooLargeError
from evergreen.core.protocols import Fetch
from evergreen.data.pictures import encode_png
from evergreen.tasks.image_segmentation.answering import TorchPictureNetwork
from evergreen.tasks.image_segmentation.logits import classes_at
from evergreen.tasks.image_segmentation.model import ARCHITECTURES
from evergreen.tasks.image_segmentation.servable import ImagePredictor, ImageServing, instance_of
from evergreen.tasks.image_segmentation.settings import ImageSegmentation

LABELS = ("dark", "light")


class Brightness:
    """Answers `light` where a picture is brighter than the middle, at a quarter of the size, as some networks do."""

    device = torch.device("cpu")
    dtype = torch.float32

    def __call__(self, pixel_values: torch.Tensor) -> Any:
        light = torch.nn.functional.avg_pool2d(pixel_values.mean(dim=1, keepdim=True), 4)
        return SimpleNamespace(logits=torch.cat([-light, light], dim=1))


def predictor(fetch: Fetch | None = None, max_pixels: int = 10_000) -> ImagePredictor:
    network = TorchPictureNetwork(Brightness(), ARCHITECTURES["unet"], 64)
    return ImagePredictor(network, labels=LABELS, max_pixels=max_pixels, fetch=fetch)


def halves(height: int = 60, width: int = 90) -> np.ndarray:
    picture = np.full((height, width, 3), 20, dtype=np.uint8)
    picture[:, width // 3 :] = 230
    return picture


def test_a_picture_goes_in_and_a_mask_of_its_size_comes_out() -> None:
    loaded = predictor()
    instances = [instance_of(encode_png(halves())), instance_of(encode_png(halves(33, 45)))]
    first, second = json.loads(json.dumps(loaded.encode(loaded.predict(loaded.decode(instances)))))
    mask = Image.open(io.BytesIO(base64.b64decode(first["mask"])))
    assert (mask.format, mask.mode, mask.size) == ("PNG", "L", (90, 60))
    expected = np.zeros((60, 90), dtype=np.uint8)
    expected[:, 30:] = 1
    assert (np.asarray(mask) == expected).mean() > 0.97
    assert first["shares"] == pytest.approx({"dark": 1 / 3, "light": 2 / 3}, abs=0.03)
    assert (first["width"], first["height"]) == (90, 60)
    assert (second["width"], second["height"]) == (45, 33)


def test_a_log_keeps_size_light_and_grain_of_a_picture_and_the_shares_of_its_classes() -> None:
    loaded = predictor()
    batch = loaded.decode([instance_of(encode_png(halves()))])
    (noted,) = loaded.observe(batch, loaded.predict(batch))
    brightness = (20 / 3 + 230 * 2 / 3) / 255
    light = dict.fromkeys(("brightness", "red", "green", "blue"), brightness)
    assert noted.features == pytest.approx({"width": 90, "height": 60, **light, "grain": (230 - 20) / 255 / 89})
    assert noted.prediction == "light"
    assert noted.score == noted.probabilities[1] == pytest.approx(2 / 3, abs=0.03)


@pytest.mark.parametrize(
    ("instance", "message"),
    [
        ("iVBOR", 'is a string; expected {"image": "'),
        (None, "is null"),
        ({}, "'image' is missing"),
        ({"image": 3}, "'image' is a number"),
        ({"image": {"b64": "x"}}, "'image' is an object"),
        ({"image": ""}, "'image' is empty"),
        ({"image": "not base64!"}, "'image' is no base64"),
        ({"image": "aGVsbG8="}, "'image' is no PNG or JPEG that can be read"),
        ({"image": "JSFQUy1BZG9iZS0zLjAgRVBTRi0zLjA="}, "'image' is a EPS (allowed: PNG, JPEG)"),
        ({"image": "gs://pets/1.png"}, "'image' is gs://pets/1.png, but nothing reads buckets here; send base64"),
        ({"image": "aGVsbG8=", "size": 3}, "has unknown 'size'; expected"),
        ({"picture": "aGVsbG8="}, "has unknown 'picture', and 'image' is missing; expected"),
        (instance_of(encode_png(halves(200, 60))), "'image' has 60 x 200 pixels (allowed: 10,000)"),
    ],
)
def test_an_instance_that_cannot_be_used_is_named(instance: Any, message: str) -> None:
    with pytest.raises(InstanceError) as caught:
        predictor().decode([instance_of(encode_png(halves())), instance])
    assert str(caught.value).startswith("instances[1]: ")
    assert message in str(caught.value)


def test_many_pictures_that_are_small_as_bytes_cannot_fill_the_memory() -> None:
    flat = instance_of(encode_png(np.zeros((90, 90, 3), dtype=np.uint8)))
    with pytest.raises(RequestTooLargeError, match="the first 5 pictures have more than 40,000 pixels together"):
        predictor().decode([flat] * 6)


def test_a_picture_in_a_bucket_is_read_through_what_the_server_gives() -> None:
    asked: list[tuple[str, int]] = []

    def fetch(address: str, most: int) -> bytes:
        asked.append((address, most))
        return encode_png(halves())

    (picture,) = predictor(fetch).decode([{"image": "gs://pets/1.png"}])
    assert np.array_equal(picture, halves())
    assert asked == [("gs://pets/1.png", 10 * 2**20)]


def test_a_bucket_that_cannot_be_read_refuses_that_instance() -> None:
    def refuse(address: str, most: int) -> bytes:
        raise InputError(f"nothing at {address}")

    def fail(address: str, most: int) -> bytes:
        raise EvergreenError("Cloud Storage does not answer")

    with pytest.raises(EvergreenError, match=r"^Cloud Storage does not answer"):
        predictor(fail).decode([{"image": "gs://pets/1.png"}])
    with pytest.raises(InstanceError, match=r"instances\[0\]: 'image' cannot be read: nothing at gs://pets/1.png"):
        predictor(refuse).decode([{"image": "gs://pets/1.png"}])


def test_one_class_at_a_time_answers_like_all_at_once() -> None:
    logits = torch.from_numpy(np.random.default_rng(0).normal(size=(7, 8, 8)).astype(np.float32))
    upsampled = torch.nn.functional.interpolate(logits[None], size=(21, 30), mode="bilinear", align_corners=False)
    assert torch.equal(classes_at(logits, 21, 30), upsampled[0].argmax(dim=0).to(torch.uint8))


def test_many_pictures_are_predicted_into_tables_as_bytes_or_base64(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = ImageSegmentation(labels=LABELS, image_size=64)
    monkeypatch.setattr(work, "loaded", lambda *_: (predictor(), ImageServing(task)))
    model = Model("brightness", "0a1b2c3d4e5f", (instance_of(encode_png(halves())),))
    folder = tmp_path / "pictures"
    (folder / "a").mkdir(parents=True)
    sizes = [(10, 20), (60, 90), (30, 9)]
    for number, (height, width) in enumerate(sizes):
        (folder / "a" / f"{number}.png").write_bytes(encode_png(halves(height, width)))
    (folder / "a" / "3.png").write_bytes(b"no picture")
    asked = Asked(FilesSettings(path=str(folder), format="image_folders"))
    for output in ("out", "out.jsonl"):
        report = run(job_of("pets", model, task, asked, FilesOutput(path=str(tmp_path / output))), workers=1)
        assert (report.rows, report.unusable) == (4, 1)
    (part,) = (tmp_path / "out").glob("*.parquet")
    written = pq.read_table(part).to_pylist()
    assert [row["id"] for row in written] == [f"a/{number}.png" for number in range(4)]
    masks = [np.asarray(Image.open(io.BytesIO(row["mask"]))) for row in written[:3]]
    assert [mask.shape for mask in masks] == sizes
    assert json.loads(written[1]["shares"]) == pytest.approx({"dark": 1 / 3, "light": 2 / 3}, abs=0.03)
    assert (written[3]["mask"], written[3]["width"]) == (None, None)
    assert written[3]["error"].startswith("'image' ")
    assert str(pq.read_schema(part).field("mask").type) == "binary"
    assert '"mask": "iVBORw0KGgo' in (tmp_path / "out.jsonl").read_text()
