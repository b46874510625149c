from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from evergreen.data.pictures import PictureError, encode_png
from evergreen.tasks.image_segmentation.images import as_floats, normalised, resize_mask, served_picture
from tests.tiny_images import draw

MOST = 10_000


def encoded(image: Image.Image, form: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form)
    return buffer.getvalue()


def test_a_picture_of_any_mode_becomes_rgb() -> None:
    picture, _ = draw(0)
    assert np.array_equal(served_picture(encode_png(picture), MOST), picture)
    for mode in ("L", "P", "RGBA", "1"):
        assert served_picture(encoded(Image.fromarray(picture).convert(mode)), MOST).shape == picture.shape


def test_what_is_no_picture_or_damaged_or_too_large_is_refused() -> None:
    whole = encode_png(draw(0)[0])
    with pytest.raises(PictureError, match="no PNG or JPEG"):
        served_picture(b"<svg/>", MOST)
    with pytest.raises(PictureError, match="no PNG or JPEG"):
        served_picture(encoded(Image.new("RGB", (4, 4)), "GIF"), MOST)
    with pytest.raises(PictureError, match="is damaged"):
        served_picture(whole[: len(whole) // 2], MOST)
    with pytest.raises(PictureError, match="has 48 × 36 pixels, at most 1,000 are allowed"):
        served_picture(whole, 1000)


def test_a_resized_mask_has_no_class_that_was_not_there() -> None:
    mask = np.random.default_rng(0).choice([0, 9, 250], (40, 50)).astype(np.uint8)
    for height, width in ((17, 23), (90, 111)):
        resized = resize_mask(mask, height, width)
        assert resized.shape == (height, width)
        assert set(np.unique(resized)) <= {0, 9, 250}


def test_the_network_reads_channels_last_of_the_expected_mean_and_deviation() -> None:
    pictures = torch.full((2, 4, 4, 3), 255, dtype=torch.uint8)
    inputs = normalised(as_floats(pictures), (0.5, 0.4, 0.3), (0.5, 0.2, 0.1))
    assert inputs.shape == (2, 3, 4, 4)
    assert inputs[0, :, 0, 0].tolist() == pytest.approx([1, 3, 7])
    assert inputs.is_contiguous(memory_format=torch.channels_last)
