"""What a company has before its first run of `configs/pets_prod.yaml`, made of generated pictures, in the box.

`python -m tests.e2e.pets gs://evergreen/pets/raw 320` writes TFRecord shards of pictures with trimaps as published
pipelines have them, and brings an untrained encoder to the Hub; `… picture.png` writes a picture that no shard holds.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from evergreen.data.pictures import Pixels, encode_png
from tests.tfrecords import example, framed

SIZE = 144
"""Of the raw pictures, in pixels; not what the configuration trains on, so that they have to be resized."""
UNSEEN = 1_000_000
BORDER = 0.15
SHARD_RECORDS = 40
VALIDATION_EVERY = 8
"""Every eighth shard is for validation."""


def draw(number: int) -> tuple[Pixels, Pixels]:
    """(SIZE, SIZE, 3) and (SIZE, SIZE): a bright body on a dark ground, simple enough to be learned in two minutes by a
    network whose encoder nobody has trained; class 0 is the body, 1 the ground, 2 the border between them.
    """
    random = np.random.default_rng(number)
    rows, columns = np.mgrid[:SIZE, :SIZE] / SIZE
    centre, radii = random.uniform(0.35, 0.65, 2), random.uniform(0.15, 0.32, 2)
    distance = np.hypot((rows - centre[0]) / radii[0], (columns - centre[1]) / radii[1])
    mask = np.where(distance < 1 - BORDER, 0, np.where(distance < 1 + BORDER, 2, 1)).astype(np.uint8)
    colours = np.stack([random.uniform(140, 230, 3), random.uniform(20, 100, 3)])
    picture = colours[(distance >= 1).astype(int)] + random.normal(0, 12, (SIZE, SIZE, 3))
    return picture.clip(0, 255).astype(np.uint8), mask


def shards(count: int, every: int = VALIDATION_EVERY) -> Iterator[tuple[str, bytes]]:
    """`train-00001.tfrec`, … with their contents: features image, image_shape, label, label_shape.

    Of so many shards, `every`, the last is for validation.
    """
    for start in range(0, count, SHARD_RECORDS):
        number = start // SHARD_RECORDS
        split = "val" if number % every == every - 1 else "train"
        records = [_record(*draw(one)) for one in range(start, min(count, start + SHARD_RECORDS))]
        yield f"{split}-{number:05d}.tfrec", framed(records)


def unseen(number: int = 0) -> tuple[Pixels, Pixels]:
    """A picture that no shard holds, and its mask."""
    return draw(UNSEEN + number)


def _record(picture: Pixels, mask: Pixels) -> bytes:
    return example(
        {
            "image": encode_png(picture),
            "image_shape": list(picture.shape),
            "label": encode_png(mask),
            "label_shape": [*mask.shape, 1],
        }
    )


def _fill(address: str, count: int) -> None:
    from google.cloud import storage

    bucket, _, folder = address.removeprefix("gs://").partition("/")
    for name, content in shards(count):
        storage.Client().bucket(bucket).blob(f"{folder}/{name}").upload_from_string(content)


def _push_encoder(repository: str) -> None:
    import torch
    from huggingface_hub import HfApi
    from transformers import MobileNetV2Config, MobileNetV2Model

    torch.manual_seed(0)
    with TemporaryDirectory() as folder:
        MobileNetV2Model(MobileNetV2Config()).save_pretrained(folder)
        HfApi().create_repo(repository, exist_ok=True)
        HfApi().upload_folder(repo_id=repository, folder_path=folder)


def main(where: str, count: str = "") -> None:
    if where.startswith("gs://"):
        _fill(where, int(count))
        _push_encoder(os.environ["EVERGREEN_IMAGE_ENCODER"])
    else:
        Path(where).write_bytes(encode_png(unseen()[0]))


if __name__ == "__main__":
    main(*sys.argv[1:])
