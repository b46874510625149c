import io
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evergreen.adapters.shapes.scene import BACKGROUND, BODY, BORDER, draw_scene
from evergreen.adapters.shapes.settings import ShapesSettings
from evergreen.core.artifacts import ResolvedWindow
from evergreen.core.errors import InputError
from evergreen.core.members import source_of
from tests.rows import rows_of


def test_pictures_and_masks_are_png_of_the_size_asked_for(tmp_path: Path) -> None:
    rows = rows_of(source_of(ShapesSettings(count=70, size=32)).read(None, tmp_path).shards)
    assert [row["id"] for row in rows] == [f"shape-{number:06d}" for number in range(70)]
    for row in rows:
        image, mask = Image.open(io.BytesIO(row["image"])), Image.open(io.BytesIO(row["mask"]))
        assert (image.format, image.mode, image.size) == ("PNG", "RGB", (32, 32))
        assert (mask.format, mask.mode, mask.size) == ("PNG", "L", (32, 32))


def test_a_larger_count_adds_pictures_and_changes_none_and_a_seed_changes_all(tmp_path: Path) -> None:
    few, more, others = (
        rows_of(
            source_of(ShapesSettings(count=count, size=32, seed=seed)).read(None, tmp_path / f"{count}-{seed}").shards
        )
        for count, seed in [(5, 3), (9, 3), (5, 4)]
    )
    assert more[:5] == few
    assert len({row["image"] for row in more + others}) == 14


def test_every_class_occurs_and_the_border_parts_body_from_background() -> None:
    masks = [draw_scene(0, number, 128)[1] for number in range(8)]
    shares = np.bincount(np.concatenate(masks).ravel(), minlength=3) / (8 * 128 * 128)
    assert len(shares) == 3
    assert shares.min() > 0.05
    # A body touches the background nowhere along a row or a column: four pixels of border lie on either side at least.
    for mask in masks:
        for near, far in [(mask[:, :-1], mask[:, 1:]), (mask[:-1], mask[1:])]:
            touching = {BODY: far[near == BODY], BACKGROUND: far[near == BACKGROUND]}
            assert BACKGROUND not in touching[BODY]
            assert BODY not in touching[BACKGROUND]
    assert BORDER in masks[0]


def test_identity_follows_the_fields_and_reading_keeps_it(tmp_path: Path) -> None:
    source = ShapesSettings(count=3, size=32)
    fingerprints = {
        source_of(settings).identity(None).fingerprint
        for settings in (source, ShapesSettings(count=4, size=32), ShapesSettings(count=3, size=33), source)
    }
    assert len(fingerprints) == 3
    assert source_of(source).read(None, tmp_path).manifest.source == source_of(source).identity(None)


def test_pictures_cannot_be_chosen_by_time() -> None:
    moment = datetime(2024, 5, 1, tzinfo=UTC)
    with pytest.raises(InputError, match=r"no time that a window could choose by"):
        source_of(ShapesSettings()).identity(ResolvedWindow(start=moment, end=moment))
