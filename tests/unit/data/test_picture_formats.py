"""Which bytes a decoder sees, and what becomes of pictures that are neither PNG nor JPEG."""

import io
import os
import struct
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import EpsImagePlugin, Image, PngImagePlugin

from evergreen.core.errors import InputError
from evergreen.data.picture_columns import picture_bytes, reclassed
from evergreen.data.pictures import (
    PICTURE_FORMATS,
    READ_FORMATS,
    UNLISTED,
    PictureError,
    decode_mask,
    decode_picture,
    is_turned,
    unlisted_values,
)
from tests.pictures import mask, picture, pixels

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\nshowpage\n%%EOF\n"
VALUES = np.array([[0, 1, 2, 255], [2, 1, 0, 17]], dtype=np.uint8)


def read(content: bytes | None, *, is_mask: bool = False) -> Any:
    (converted,) = picture_bytes(pa.array([content], pa.binary()), "image", is_mask=is_mask).to_pylist()
    return converted


def saved(image: Image.Image, form: str, **settings: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **settings)
    return out.getvalue()


def test_no_program_is_started_by_the_bytes_of_a_request_or_of_a_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = tmp_path / "started"
    (tmp_path / "gs").write_text(f"#!/bin/sh\necho started >> {started}\nexit 1\n")
    (tmp_path / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)
    for formats in (PICTURE_FORMATS, READ_FORMATS):
        with pytest.raises(PictureError, match=r"is a EPS \(allowed: PNG, JPEG"):
            decode_picture(EPS, formats)
    with pytest.raises(PictureError, match="is no picture"):
        decode_mask(b" " + EPS)
    with pytest.raises(PictureError, match="is no picture"):
        is_turned(b" " + EPS)
    assert read(EPS) == EPS
    assert not started.exists()


@pytest.mark.parametrize("form", ["WEBP", "BMP", "TIFF", "GIF", "PPM", "ICO", "TGA"])
def test_a_request_is_read_as_png_or_jpeg_alone(form: str) -> None:
    with pytest.raises(PictureError, match=r"is a \w+ \(allowed: PNG, JPEG\)|is no PNG or JPEG that can be read"):
        decode_picture(picture(form=form), PICTURE_FORMATS)


@pytest.mark.parametrize("error", [struct.error("short"), KeyError(7), SyntaxError("no"), RuntimeError()])
def test_whatever_a_decoder_raises_is_an_error_of_the_picture(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", broken)
    with pytest.raises(PictureError, match="cannot be decoded: "):
        decode_picture(picture(), PICTURE_FORMATS)


def test_a_machine_without_memory_is_no_fault_of_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", full)
    for decode in (decode_picture, lambda content, _: decode_mask(content)):
        with pytest.raises(MemoryError):
            decode(picture(), PICTURE_FORMATS)


@pytest.mark.parametrize("form", ["WEBP", "BMP", "TIFF", "GIF"])
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "RGBA"])
def test_pictures_of_other_formats_become_png_of_the_same_pixels(form: str, mode: str) -> None:
    content = saved(Image.open(io.BytesIO(picture())).convert(mode), form)
    kept = read(content)
    assert kept.startswith(b"\x89PNG")
    assert np.array_equal(
        decode_picture(kept, PICTURE_FORMATS), np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    )


def test_png_and_jpeg_are_kept_byte_by_byte_beside_others() -> None:
    column = [picture(1), None, picture(2, form="JPEG"), picture(3, form="TIFF"), b""]
    kept = picture_bytes(pa.array(column, pa.binary()), "image", is_mask=False).to_pylist()
    assert [result == given for result, given in zip(kept, column, strict=True)] == [True, True, True, False, True]


def test_the_colours_of_printers_become_those_of_screens() -> None:
    content = saved(Image.open(io.BytesIO(picture())).convert("CMYK"), "TIFF")
    assert np.array_equal(decode_picture(read(content)), np.asarray(Image.open(io.BytesIO(content)).convert("RGB")))


@pytest.mark.parametrize("form", ["TIFF", "BMP"])
@pytest.mark.parametrize("mode", ["L", "P"])
def test_masks_of_other_formats_keep_their_values(form: str, mode: str) -> None:
    image = Image.fromarray(VALUES, mode="L")
    if mode == "P":
        image = Image.fromarray(VALUES, mode="P")
        image.putpalette(np.random.default_rng(0).integers(0, 256, 768, dtype=np.uint8).tobytes())
    assert decode_mask(read(saved(image, form), is_mask=True)).tolist() == VALUES.tolist()


@pytest.mark.parametrize("values", [[[0, 2]], [[0, 255]]])
def test_a_mask_in_a_gif_is_refused_since_its_values_are_gone(values: list[list[int]]) -> None:
    content = saved(Image.fromarray(np.array(values, np.uint8)), "GIF")
    (kept,) = reclassed(pa.array([read(content, is_mask=True)], pa.binary()), {0: 0, 1: 1}).to_pylist()
    with pytest.raises(PictureError, match="is a GIF, whose writers renumber the values of masks; write it as PNG"):
        decode_mask(kept)


def test_a_mask_of_two_values_in_a_tiff_is_renamed_to_indices() -> None:
    two = read(saved(Image.fromarray(np.array([[True, False]])), "TIFF"), is_mask=True)
    (renamed,) = reclassed(pa.array([two], pa.binary()), {0: 1, 1: 0}).to_pylist()
    assert pixels(renamed).tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (saved(Image.fromarray(VALUES), "WEBP", lossless=True), "is a WEBP of mode RGB, not a PNG with one channel"),
        (saved(Image.fromarray(VALUES), "TIFF", compression="jpeg"), "is a TIFF whose values its decoder changes"),
        (saved(Image.fromarray(VALUES), "TIFF", tiffinfo={262: 0}), "is a TIFF whose values its decoder changes"),
        (saved(Image.fromarray(VALUES.astype(np.uint16)), "TIFF"), "is a TIFF of mode I;16, not a PNG"),
        (saved(Image.fromarray(VALUES), "JPEG"), "is a JPEG of mode L, not a PNG"),
    ],
)
def test_a_mask_whose_values_its_format_changes_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(PictureError, match=reason):
        decode_mask(read(content, is_mask=True))


def test_what_one_mask_cannot_fit_is_refused() -> None:
    frames = [Image.fromarray(np.full((4, 6), value, np.uint8)) for value in (1, 200)]
    for form in ("GIF", "TIFF", "WEBP", "PNG"):
        several = saved(frames[0], form, save_all=True, append_images=frames[1:])
        with pytest.raises(PictureError, match=rf"is a {form} of 2 frames \(allowed: 1\); write one as a picture of"):
            decode_picture(read(several))
    exif = Image.Exif()
    exif[274] = 6
    for form in ("TIFF", "WEBP"):
        with pytest.raises(PictureError, match=rf"is a {form} with a note that turns it"):
            decode_picture(read(saved(frames[0], form, exif=exif)))
    with pytest.raises(PictureError, match="is a TIFF of mode F, with more than 8 bits"):
        decode_picture(read(saved(Image.fromarray(np.zeros((2, 2), np.float32)), "TIFF")))


def test_a_column_that_only_names_files_is_told_by_its_row() -> None:
    column = pa.array([{"bytes": picture(), "path": "a.png"}, {"bytes": None, "path": "b.png"}])
    with pytest.raises(InputError, match=r"column 'image' of row x:2 only names the file 'b\.png', its bytes are not"):
        picture_bytes(column, "image", is_mask=False, rows=pa.array(["x:1", "x:2"]))


def test_values_that_are_not_listed_stay_known() -> None:
    (renamed,) = reclassed(pa.array([mask([[0, 255, 17, 17]])], pa.binary()), {0: 0, 255: 1}).to_pylist()
    assert pixels(renamed).tolist() == [[0, 1, UNLISTED, UNLISTED]]
    assert unlisted_values(renamed) == {17: 2}
    assert unlisted_values(mask()) == {}
    assert unlisted_values(b"") == {}


def test_pictures_that_are_decoded_in_threads_silence_nobody_else() -> None:
    with warnings.catch_warnings():
        before = len(warnings.filters)
        with ThreadPoolExecutor(4) as pool:
            assert len(list(pool.map(lambda seed: decode_picture(picture(seed)), range(64)))) == 64
        assert len(warnings.filters) <= before + 1
        with pytest.warns(UserWarning, match="somebody else's"):
            warnings.warn("somebody else's", stacklevel=1)
