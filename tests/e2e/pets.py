"""What a company has before its first run of `configs/pets_prod.yaml`, made of generated pictures, in the box.

`python -m tests.e2e.pets gs://evergreen/pets/raw 640` writes TFRecord shards of pictures with trimaps as published
pipelines have them, and brings an untrained encoder to the Hub; `… picture.png` writes a picture that no shard holds.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from evergreen.adapters.shapes.scene import draw_scene
from evergreen.data.pictures import Pixels, encode_png
from tests.tfrecords import example, framed

SIZE = 144
"""Of the raw pictures, in pixels; not what the configuration trains on, so that they have to be resized."""
UNSEEN = 1_000_000
SHARD_RECORDS = 80
VALIDATION_EVERY = 8
"""Every eighth shard is for validation."""


def shards(count: int) -> Iterator[tuple[str, bytes]]:
    """`train-00001.tfrec`, … with their contents: features image, image_shape, label, label_shape."""
    for start in range(0, count, SHARD_RECORDS):
        number = start // SHARD_RECORDS
        split = "val" if number % VALIDATION_EVERY == VALIDATION_EVERY - 1 else "train"
        records = [_record(*draw_scene(0, one, SIZE)) for one in range(start, min(count, start + SHARD_RECORDS))]
        yield f"{split}-{number:05d}.tfrec", framed(records)


def unseen(number: int = 0) -> tuple[Pixels, Pixels]:
    """A picture that no shard holds, and its mask."""
    return draw_scene(0, UNSEEN + number, SIZE)


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
