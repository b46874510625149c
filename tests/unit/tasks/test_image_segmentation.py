from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from evergreen.core.errors import InputError
from evergreen.core.members import servable, trainable
from evergreen.data.pictures import decode_picture
from evergreen.tasks import AnyTask
from evergreen.tasks.image_segmentation.settings import ImageSegmentation
from tests.tiny_images import scenes, task_with, write_splits

PETS: dict[str, Any] = {"kind": "image_segmentation", "labels": ["pet", "background", "border"]}


def test_the_union_knows_the_task_by_its_kind() -> None:
    assert isinstance(TypeAdapter(AnyTask).validate_python(PETS), ImageSegmentation)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_size": 100}, "image_size 100 is no multiple of 32, which unet needs; take 96 or 128"),
        ({"ignore_label": 1}, "ignore_label 1 is the class number of 'background'"),
        ({"train_encoder": False}, "train_encoder: false would keep random weights; name an encoder"),
        ({"batch_size": 1}, "at least 2 are needed"),
        ({"labels": ["pet", "pet"]}, "labels repeat: pet"),
        ({"architecture": "vgg"}, "'unet', 'deeplab', 'deeplabv3plus' or 'segformer'"),
    ],
)
def test_what_cannot_be_trained_is_refused_when_configured(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ImageSegmentation.model_validate(PETS | changes)


def test_what_only_measures_changes_no_training() -> None:
    plain, sliced = (
        ImageSegmentation.model_validate(PETS),
        ImageSegmentation.model_validate(PETS | {"slices": {"share_edges_percent": [50]}, "rules": {"min_rows": 5}}),
    )
    assert sliced.for_training() == plain
    assert trainable(sliced).training_configuration() == trainable(plain).training_configuration()
    other = ImageSegmentation.model_validate(PETS | {"dice_weight": 0.5})
    assert trainable(other).training_configuration() != trainable(plain).training_configuration()


def test_random_weights_need_no_encoder_and_a_missing_one_is_told() -> None:
    task = ImageSegmentation.model_validate(PETS)
    assert trainable(task).check() == "unet, random weights"
    assert trainable(task).pretrained() == "random weights"
    with pytest.raises(InputError, match=r"encoder './nowhere' cannot be used: no such folder .*google/mobilenet"):
        trainable(ImageSegmentation.model_validate(PETS | {"encoder": "./nowhere"})).check()


def test_examples_are_small_pictures_of_the_test_split(tmp_path: Path) -> None:
    splits = write_splits(tmp_path / "splits", {"test": scenes(5)})
    examples = servable(task_with()).examples(splits)
    assert len(examples) == 3
    for example in examples:
        picture = decode_picture(base64.b64decode(example["image"]))
        assert picture.shape == (36, 48, 3)
        assert len(example["image"]) < 10_000


def test_an_instance_is_made_of_a_file_of_bytes_and_of_an_address(tmp_path: Path) -> None:
    data = scenes(1)[0].image
    path = tmp_path / "picture.png"
    path.write_bytes(data)
    task, expected = task_with(), {"image": base64.b64encode(data).decode()}
    assert servable(task).instance(str(path)) == servable(task).instance(data) == expected
    assert servable(task).instance("gs://pets/1.png") == {"image": "gs://pets/1.png"}
    with pytest.raises(InputError, match=r"no picture can be read at 'gone\.png'"):
        servable(task).instance("gone.png")
