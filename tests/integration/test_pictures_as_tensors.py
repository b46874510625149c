from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from evergreen.data.pictures import PICTURE_FORMATS, PictureError, decode_picture, encode_png
from evergreen.tasks.image_segmentation.images import resize_mask
from evergreen.tasks.image_segmentation.model import as_floats, normalised
from tests.tiny_images import draw


def encoded(image: Image.Image, form: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form)
    return buffer.getvalue()


def test_a_picture_of_any_mode_becomes_rgb() -> None:
    picture, _ = draw(0)
    assert np.array_equal(decode_picture(encode_png(picture), PICTURE_FORMATS), picture)
    for mode in ("L", "P", "RGBA", "1"):
        image = Image.fromarray(picture).convert(mode)
        assert np.array_equal(decode_picture(encoded(image), PICTURE_FORMATS), np.asarray(image.convert("RGB")))


def test_what_is_no_picture_or_damaged_or_too_large_or_too_deep_is_refused() -> None:
    whole = encode_png(draw(0)[0])
    deep = encoded(Image.fromarray(np.full((4, 4), 5_000, np.uint16)))
    for content, message in (
        (b"<svg/>", "is no PNG or JPEG that can be read"),
        (encoded(Image.new("RGB", (4, 4)), "GIF"), r"is a GIF \(allowed: PNG, JPEG\)"),
        (whole[: len(whole) // 2], "cannot be decoded"),
        (deep, "is a PNG of mode I;16, with more than 8 bits a channel; convert it"),
    ):
        with pytest.raises(PictureError, match=message):
            decode_picture(content, PICTURE_FORMATS)
    with pytest.raises(PictureError, match=r"has 48 x 36 pixels \(allowed: 1,000\)"):
        decode_picture(whole, PICTURE_FORMATS, 1000)


def test_what_pillow_says_of_a_broken_palette_is_an_error_of_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(Image.Image, "convert", broken)
    with pytest.raises(PictureError, match="cannot be decoded: its palette is broken"):
        decode_picture(encode_png(draw(0)[0]), PICTURE_FORMATS)


def test_a_cameras_jpeg_with_a_preview_behind_it_is_a_jpeg() -> None:
    buffer = io.BytesIO()
    first, second = (Image.fromarray(draw(number)[0]) for number in range(2))
    first.save(buffer, "MPO", save_all=True, append_images=[second])
    assert Image.open(buffer).format == "MPO"
    assert decode_picture(buffer.getvalue(), PICTURE_FORMATS).shape == (36, 48, 3)


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
