import io
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from evergreen.adapters.shapes.scene import draw_scene
from evergreen.data.duplicates.keys import keys_and_likeness, likeness, picture_keys
from evergreen.data.split_plan import SplitPlan
from tests.pictures import encoded, picture

DEFAULT = SplitPlan().near_duplicate_distance


@cache
def scene(number: int) -> Image.Image:
    return Image.fromarray(draw_scene(0, number, 128)[0])


def hash_of(image: Image.Image) -> int:
    hashed = likeness(np.asarray(image.convert("RGB")))
    assert hashed is not None
    return hashed


def distance(first: Image.Image, other: Image.Image) -> int:
    return (hash_of(first) ^ hash_of(other)).bit_count()


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return Image.open(out)


@pytest.mark.parametrize(
    "copied",
    [
        lambda image: jpeg(image, 85),
        lambda image: jpeg(image, 40),
        lambda image: image.resize((64, 64), Image.Resampling.BICUBIC),
        lambda image: image.resize((175, 175), Image.Resampling.BILINEAR),
        lambda image: jpeg(image.resize((96, 96), Image.Resampling.LANCZOS), 75),
    ],
)
def test_a_copy_that_was_compressed_or_resized_is_within_the_default_distance(copied: Any) -> None:
    assert DEFAULT is not None
    assert max(distance(scene(number), copied(scene(number))) for number in range(10)) <= DEFAULT


def test_other_pictures_are_far_beyond_it() -> None:
    assert DEFAULT is not None
    nearest = min(distance(scene(first), scene(other)) for first, other in combinations(range(20), 2))
    assert nearest > DEFAULT + 4


def plain(noise: float, seed: int) -> Any:
    draw = np.random.default_rng(seed)
    return np.clip(draw.integers(0, 256, 3) + draw.normal(0, noise, (64, 48, 3)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("noise", [0, 2, 8])
def test_plain_colours_are_told_by_nothing_with_noise_or_without(noise: float) -> None:
    assert [likeness(plain(noise, seed)) for seed in range(5)] == [None] * 5


def test_a_picture_of_a_few_pixels_holds_no_such_waves() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    assert likeness(noise) is not None
    assert likeness(noise[:8]) is None
    assert likeness(noise[:, :8]) is None


def test_stripes_and_a_faint_spot_are_told_by_nothing() -> None:
    ramp = np.tile(np.linspace(0, 255, 64), (64, 1)).astype(np.uint8)
    assert likeness(np.stack([ramp] * 3, axis=2)) is None
    spot = Image.new("RGB", (64, 64), (90, 90, 90))
    ImageDraw.Draw(spot).ellipse((30, 30, 40, 40), fill=(98, 98, 98))
    assert likeness(np.asarray(spot)) is None


def test_a_hash_is_the_same_on_every_machine() -> None:
    pixels = (np.indices((40, 56)).prod(0) % 251).astype(np.uint8)
    assert likeness(np.stack([pixels, pixels.T.reshape(40, 56), pixels], axis=2)) == 0x133978BCE5C74694


def test_keys_and_hashes_come_of_one_decoding_and_what_cannot_be_decoded_has_no_hash() -> None:
    import pyarrow as pa

    images = pa.array([encoded(scene(1)), picture(2, form="JPEG"), b"broken", None, encoded(scene(1), "BMP")])
    keys, alike = keys_and_likeness(images, 3)
    assert keys.tolist() == picture_keys(images, 3).tolist()
    assert keys[0] == keys[4]
    assert alike.to_pylist()[0] == alike.to_pylist()[4] == hash_of(scene(1))
    assert alike.to_pylist()[2:4] == [None, None]
    assert alike.type == pa.uint64()
