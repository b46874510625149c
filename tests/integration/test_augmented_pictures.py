from __future__ import annotations

import numpy as np
import pytest
import torch

from evergreen.tasks.image_segmentation.pictures import View, augmented, draw
from evergreen.tasks.image_segmentation.settings import Augmentation

IDENTITY = View(1.0, 0.0, 0.0, mirrored=False, brightness=1.0, contrast=1.0, saturation=1.0)
SIZE = 16


def table(*views: View) -> torch.Tensor:
    """The views as a batch carries them."""
    return torch.tensor(views, dtype=torch.float32)


@pytest.fixture
def masks() -> torch.Tensor:
    """Class numbers far apart: whatever is mixed of two is none of them."""
    return torch.from_numpy(np.random.default_rng(0).choice([0, 7, 200, 255], (3, SIZE, SIZE)).astype(np.uint8))


def as_pictures(masks: torch.Tensor) -> torch.Tensor:
    """Pictures that show their masks, so that a view that parted them would be seen."""
    return masks[:, None].float().expand(-1, 3, -1, -1) / 255


def test_the_identity_changes_nothing(masks: torch.Tensor) -> None:
    pictures, seen = augmented(as_pictures(masks), masks, table(*[IDENTITY] * 3))
    assert torch.equal(seen, masks)
    assert torch.allclose(pictures, as_pictures(masks), atol=1e-6)


def test_a_mirrored_view_mirrors_picture_and_mask(masks: torch.Tensor) -> None:
    pictures, seen = augmented(as_pictures(masks), masks, table(*[IDENTITY._replace(mirrored=True)] * 3))
    assert torch.equal(seen, masks.flip(2))
    assert torch.allclose(pictures, as_pictures(masks).flip(3), atol=1e-6)


def test_a_crop_moves_picture_and_mask_together_and_makes_up_no_class(masks: torch.Tensor) -> None:
    halves = torch.zeros(1, SIZE, SIZE, dtype=torch.uint8)
    halves[:, :, : SIZE // 2] = 200
    augmentation = Augmentation(min_crop=0.5, colour=0)
    generator = np.random.default_rng(3)
    for _ in range(20):
        view = draw(augmentation, generator)
        picture, seen = augmented(as_pictures(halves), halves, table(view))
        assert set(seen.flatten().tolist()) <= {0, 200}
        agree = (picture[0, 0] > 100 / 255) == (seen[0] == 200)
        assert agree.float().mean() >= 1 - 1 / SIZE  # all but the column that the picture blends
    _, seen = augmented(as_pictures(masks), masks, table(*(draw(augmentation, generator) for _ in range(3))))
    assert set(seen.flatten().tolist()) <= set(masks.flatten().tolist())


def test_colours_change_the_picture_alone(masks: torch.Tensor) -> None:
    view = IDENTITY._replace(brightness=0.5, contrast=1.2, saturation=0.8)
    pictures, seen = augmented(as_pictures(masks), masks, table(*[view] * 3))
    assert torch.equal(seen, masks)
    assert not torch.allclose(pictures, as_pictures(masks), atol=0.05)
    assert 0 <= pictures.min() <= pictures.max() <= 1


def test_windows_stay_inside_the_picture_and_equal_seeds_draw_equal_views() -> None:
    augmentation = Augmentation(min_crop=0.4)
    views = [draw(augmentation, np.random.default_rng(seed)) for seed in range(200)]
    assert views == [draw(augmentation, np.random.default_rng(seed)) for seed in range(200)]
    assert all(0.4 <= view.side <= 1 for view in views)
    assert all(abs(view.x) + view.side <= 1 + 1e-9 and abs(view.y) + view.side <= 1 + 1e-9 for view in views)
    assert 60 < sum(view.mirrored for view in views) < 140
    still = draw(Augmentation(flip=False, min_crop=1, colour=0), np.random.default_rng(0))
    assert still == IDENTITY
