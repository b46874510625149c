from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

from evergreen.data.pictures import Pixels
from evergreen.tasks.image_segmentation.outputs import PictureOutputs, observations


def features(picture: Pixels) -> dict[str, float]:
    (noted,) = observations([picture], PictureOutputs([np.zeros(picture.shape[:2], dtype=np.uint8)]), ("a", "b"))
    return dict(noted.features)


def test_grain_tells_of_noise_and_blur_which_leave_the_light_as_it_is() -> None:
    draw = np.random.default_rng(0)
    usual = draw.normal(128, 10, (300, 200, 3)).astype(np.uint8)
    noisy = (usual + draw.normal(0, 20, usual.shape)).clip(0, 255).astype(np.uint8)
    blurred = np.asarray(Image.fromarray(usual).filter(ImageFilter.GaussianBlur(2)))
    seen, with_noise, with_blur = (features(picture) for picture in (usual, noisy, blurred))
    for changed in (with_noise, with_blur):
        assert changed["brightness"] == pytest.approx(seen["brightness"], abs=0.01)
    assert with_noise["grain"] > 2 * seen["grain"] > 4 * with_blur["grain"]


@pytest.mark.parametrize("shape", [(1, 1, 3), (40, 1, 3), (1, 40, 3), (257, 3, 3), (1_000, 2, 3)])
def test_a_plain_picture_of_any_size_has_no_grain(shape: tuple[int, int, int]) -> None:
    assert features(np.full(shape, 7, dtype=np.uint8))["grain"] == 0
