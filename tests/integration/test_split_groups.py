"""Groups stay together, and pictures that look alike do not straddle splits."""

import random
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from evergreen.core.artifacts import SplitName, Splits
from evergreen.core.errors import InputError
from evergreen.data.dataset import write_dataset
from evergreen.data.duplicates.keys import likeness
from evergreen.data.split import split
from evergreen.data.split_plan import SplitPlan
from tests.pictures import encoded, mask, pictures_of, pixels
from tests.rows import SOURCE, rows_of

PLAN = SplitPlan(train=0.5, validation=0.2, test=0.3)
Told = list[dict[str, Any]]


def noise(seed: int) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (12, 12, 3), dtype=np.uint8)


def frames(films: int, each: int, seed: int, drift: int = 20) -> Told:
    """Films whose frames change little from one to the next; every third film shows one frame of the film before."""
    rows: Told = []
    for film in range(films):
        now = noise(seed * 1000 + film).astype(np.int64)
        for frame in range(each):
            now = np.clip(now + np.random.default_rng(frame).integers(-drift, drift + 1, now.shape), 0, 255)
            shown = encoded(Image.fromarray(now.astype(np.uint8)))
            if film % 3 == 2 and frame == 0:
                shown = rows[-1]["image"]
            name = f"{film:02d}-{frame}"
            rows.append({"id": name, "image": shown, "mask": mask(1, (12, 12)), "group": f"film{film}"})
    return rows


def shared_out(rows: Told, plan: SplitPlan = PLAN) -> tuple[Splits, dict[str, str]]:
    """The splits, and the split of each kept row by id."""
    with TemporaryDirectory() as scratch:
        splits = split(pictures_of(rows, Path(scratch) / "d"), plan, Path(scratch) / "s")
        return splits, {row["id"]: name for name in SplitName.ALL for row in rows_of(splits.shards(name))}


@given(seed=st.integers(0, 10_000))
@settings(max_examples=3, deadline=None)
def test_no_group_straddles_splits_others_move_nobody_and_order_does_not_matter(seed: int) -> None:
    rows = frames(24, 3, seed)
    splits, kept = shared_out(rows)
    places = defaultdict(set)
    for row_id, name in kept.items():
        places[row_id[:2]].add(name)
    assert all(len(names) == 1 for names in places.values())
    assert splits.manifest.grouped
    assert len(kept) + sum(splits.manifest.removed.values()) == len(rows)

    _, shuffled = shared_out(random.Random(seed).sample(rows, len(rows)))
    assert shuffled == kept
    _, more = shared_out([*rows, *(row | {"id": f"9{row['id']}"} for row in frames(6, 3, seed + 20_000))])
    assert {key: more[key] for key in kept.keys() & more} == {key: kept[key] for key in kept.keys() & more}
    assert {row_id for row_id, name in kept.items() if name == SplitName.TEST} <= more.keys()


def test_of_equal_pictures_in_several_groups_the_one_in_test_is_kept() -> None:
    rows = frames(24, 1, 0)
    _, alone = shared_out(rows)
    test, train = (
        next(row_id for row_id in alone if alone[row_id] == name) for name in (SplitName.TEST, SplitName.TRAIN)
    )
    image = next(row["image"] for row in rows if row["id"] == test)
    copy = {"id": "0", "image": image, "mask": mask(1, (12, 12)), "group": f"film{int(train[:2])}"}
    splits, kept = shared_out([copy, *rows])
    assert kept[test] == SplitName.TEST
    assert "0" not in kept
    assert alone.items() <= kept.items()
    assert splits.manifest.removed["exact_duplicate"] > 0


@given(seed=st.integers(0, 10_000))
@settings(max_examples=3, deadline=None)
def test_no_pictures_within_the_distance_straddle_splits_and_test_loses_none(seed: int) -> None:
    rows = [row for row in frames(30, 4, seed) if row.pop("group")]
    plan = PLAN.model_copy(update={"near_duplicate_distance": 4})
    splits, kept = shared_out(rows, plan)
    _, whole = shared_out(rows, plan.model_copy(update={"near_duplicate_distance": None}))
    assert splits.manifest.removed["near_duplicate"] == len(whole) - len(kept) > 0
    assert {row_id for row_id in whole if whole[row_id] == SplitName.TEST} <= kept.keys()
    hashes = [(likeness(pixels(row["image"])), kept[row["id"]]) for row in rows if row["id"] in kept]
    for value, name in hashes:
        for other, theirs in hashes:
            assert name == theirs or value is None or other is None or (value ^ other).bit_count() > 4


def test_plain_pictures_are_not_lost_in_mass() -> None:
    colours = np.random.default_rng(0).integers(0, 256, (60, 3), dtype=np.uint8)
    plain = [encoded(Image.new("RGB", (12, 12), (int(red), int(green), int(blue)))) for red, green, blue in colours]
    rows = [{"id": f"{n:02d}", "image": image, "mask": mask(1, (12, 12))} for n, image in enumerate(plain)]
    splits, kept = shared_out(rows)
    assert len(kept) == 60
    assert splits.manifest.removed == {"exact_duplicate": 0, "near_duplicate": 0}


def test_texts_of_a_group_stay_together_too_and_a_split_that_is_not_given_takes_whole_groups(tmp_path: Path) -> None:
    rows = [
        {"id": f"{n:03d}", "text": f"word{n} other{n} third{n}", "label": "ab"[n % 2], "group": f"customer{n % 30}"}
        for n in range(240)
    ]
    given = [row | {"split": ["train", "validation"][n % 30 < 5]} for n, row in enumerate(rows)]
    for number, listed in enumerate([rows, given]):
        data = write_dataset([pa.RecordBatch.from_pylist(listed)], tmp_path / f"d{number}", SOURCE)
        splits = split(data, PLAN, tmp_path / f"s{number}")
        places = defaultdict(set)
        for name in SplitName.ALL:
            for row in rows_of(splits.shards(name)):
                places[row["group"]].add(name)
        assert len(places) == 30
        assert all(len(names) == 1 for names in places.values())
        assert {name for names in places.values() for name in names} == set(SplitName.ALL)


def test_a_group_given_to_several_splits_stops_the_run(tmp_path: Path) -> None:
    rows = [row | {"split": SplitName.ALL[n % 3]} for n, row in enumerate(frames(4, 3, 0))]
    with pytest.raises(InputError, match=r"group 'film0' is given to 3 splits, test, train, validation, .* 3 more"):
        split(pictures_of(rows, tmp_path / "d"), PLAN, tmp_path / "s")


def test_too_few_groups_for_three_splits_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no rows \(.*\); give it a larger fraction, more groups or another seed"):
        split(pictures_of(frames(2, 3, 0), tmp_path / "d"), PLAN, tmp_path / "s")
