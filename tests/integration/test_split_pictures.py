"""Pictures shared out by what they show, and splits that a source gives."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from evergreen.core.artifacts import ClassCounts, SplitName, Splits
from evergreen.core.errors import InputError
from evergreen.data.class_counts import ClassCountsWriter
from evergreen.data.pictures import decode_mask
from evergreen.data.split import split
from evergreen.data.split_plan import SplitPlan, codes_beside
from tests.pictures import encoded, mask, picture, pictures_of
from tests.rows import Row, dataset_of, rows_of

PLAN = SplitPlan(train=0.6, validation=0.2, test=0.2)


def rows(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"id": f"p{n:03d}", "image": picture(n), "mask": mask(n % 3), **more} for n in range(count)]


def where(splits: Splits) -> dict[str, str]:
    return {row["id"]: name for name in SplitName.ALL for row in rows_of(splits.shards(name))}


def test_pictures_stay_where_they_are_as_others_are_added_whatever_their_order(tmp_path: Path) -> None:
    few = split(pictures_of(rows(60), tmp_path / "few"), PLAN, tmp_path / "few-splits")
    more = split(pictures_of(rows(90)[::-1], tmp_path / "more"), PLAN, tmp_path / "more-splits")
    assert where(few).items() <= where(more).items()
    assert len(where(more)) == 90
    assert few.manifest.rows["train"] > few.manifest.rows["test"] > 3
    assert few.manifest.removed == {"exact_duplicate": 0, "near_duplicate": 0}


def test_of_pictures_with_equal_pixels_one_is_kept_however_they_are_encoded(tmp_path: Path) -> None:
    again = Image.open(io.BytesIO(picture(7)))
    twins = [
        {"id": "twin1", "image": picture(7), "mask": mask()},
        {"id": "twin2", "image": encoded(again, "BMP"), "mask": mask()},
        {"id": "twin3", "image": encoded(again, "TIFF"), "mask": mask()},
        {"id": "jpeg1", "image": picture(99, form="JPEG"), "mask": mask()},
        {"id": "jpeg2", "image": picture(99, form="JPEG"), "mask": mask()},
    ]
    splits = split(pictures_of([*twins, *rows(60)], tmp_path / "d"), PLAN, tmp_path / "s")
    assert splits.manifest.removed == {"exact_duplicate": 4, "near_duplicate": 0}
    assert {"p007", "jpeg1"} < set(where(splits))
    assert not {"twin1", "twin2", "twin3", "jpeg2"} & set(where(splits))


def test_the_manifest_counts_the_pictures_in_which_a_class_occurs_and_its_pixels(tmp_path: Path) -> None:
    listed = rows(60)
    pixels = [np.bincount(decode_mask(row["mask"]).ravel(), minlength=256) for row in listed]
    splits = split(pictures_of(listed, tmp_path / "d"), PLAN, tmp_path / "s", (), counted(pixels, tmp_path / "c"))
    for name in SplitName.ALL:
        places = [int(row["id"][1:]) for row in rows_of(splits.shards(name))]
        shown = [place % 3 for place in places]
        assert splits.manifest.labels[name] == {"0": len(shown), "1": shown.count(1), "2": shown.count(2)}
        total = np.sum([pixels[place] for place in places], axis=0)
        assert splits.manifest.pixels[name] == {str(index): int(total[index]) for index in range(3)}


def counted(pixels: list[Any], path: Path) -> ClassCounts:
    with ClassCountsWriter(path) as writer:
        writer.add(np.array(pixels, dtype=np.int64))
        return writer.finish()


def test_counts_of_some_rows_alone_are_laid_beside_no_row(tmp_path: Path) -> None:
    counts = counted([np.ones(256)] * 50, tmp_path / "c")
    with pytest.raises(InputError, match=r"counted the classes of 50 rows in a dataset of 60 \(allowed: 60, or none"):
        split(pictures_of(rows(60), tmp_path / "d"), PLAN, tmp_path / "s", (), counts)
    assert not (tmp_path / "s").exists()


def test_given_splits_are_kept_and_equal_pictures_stay_in_the_most_protected_one(tmp_path: Path) -> None:
    names = {f"p{n:03d}": SplitName.ALL[n % 3] for n in range(12)}
    listed = [
        {"id": row_id, "image": picture(min(n, 9)), "mask": mask(), "split": name}
        for n, (row_id, name) in enumerate(names.items())
    ]
    splits = split(pictures_of(listed, tmp_path / "d"), PLAN, tmp_path / "s")
    assert where(splits) == {row_id: name for row_id, name in names.items() if row_id < "p009"} | {"p011": "test"}
    assert splits.manifest.given == ("train", "validation", "test")


def test_a_split_that_is_not_given_is_drawn_from_train_alone(tmp_path: Path) -> None:
    listed = [row | {"split": "train" if row["id"] < "p150" else "validation"} for row in rows(200)]
    plan = SplitPlan(train=0.4, validation=0.2, test=0.4)
    splits = split(pictures_of(listed, tmp_path / "d"), plan, tmp_path / "s")
    assert splits.manifest.rows["validation"] == 50
    assert 50 < splits.manifest.rows["test"] < 100  # one half of 150
    assert all(row_id < "p150" for row_id, name in where(splits).items() if name != "validation")
    assert splits.manifest.given == ("train", "validation")


def test_without_training_rows_given_splits_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no row is given to split 'train' \(given: test\)"):
        split(pictures_of(rows(5, split="test"), tmp_path / "d"), PLAN, tmp_path / "s")


def test_texts_may_be_given_to_splits_too(tmp_path: Path) -> None:
    listed = [
        {"id": f"t{n}", "text": f"word{n} other{n} third{n}", "label": "ab"[n % 2], "split": SplitName.ALL[n // 2 % 3]}
        for n in range(24)
    ]
    splits = split(texts_of(listed, tmp_path / "d"), PLAN, tmp_path / "s")
    assert where(splits) == {row["id"]: row["split"] for row in listed}
    assert splits.manifest.removed == {"exact_duplicate": 0, "near_duplicate": 0}


def texts_of(listed: list[dict[str, str]], path: Path) -> Any:
    import pyarrow as pa

    from evergreen.data.dataset import write_dataset
    from tests.rows import SOURCE

    return write_dataset([pa.RecordBatch.from_pylist(listed)], path, SOURCE)


def test_both_splits_that_are_not_given_take_their_fractions_of_train() -> None:
    keys = (np.arange(10_000) / 10_000 * 2.0**64).astype(np.uint64)
    given = np.full(10_000, 2, dtype=np.uint8)
    shares = np.bincount(codes_beside(given, keys, PLAN, ["train"]), minlength=3) / 10_000
    assert shares.tolist() == pytest.approx([0.2, 0.2, 0.6], abs=0.001)
    assert codes_beside(given, keys, PLAN, ["train", "validation", "test"]).tolist() == given.tolist()


def test_texts_stay_where_earlier_versions_put_them(tmp_path: Path) -> None:
    listed: list[Row] = [(f"r{n}", f"text number {n} of many", "ab"[n % 2]) for n in range(60)]
    splits = split(
        dataset_of(listed, tmp_path / "d"), SplitPlan(seed=3, near_duplicate_similarity=None), tmp_path / "s"
    )
    assert splits.manifest.given == ()
    assert [row["id"] for row in rows_of(splits.shards("test"))] == ["r21", "r36", "r44", "r53"]


def test_frames_of_one_film_are_told_what_makes_them_one(tmp_path: Path) -> None:
    scene = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    frames = []
    for number in range(60):
        frame = scene.copy()
        frame[0, 0] = number
        frames.append({"id": f"f{number}", "image": encoded(Image.fromarray(frame)), "mask": mask()})
    with pytest.raises(InputError, match=r"split\.near_duplicate_distance is 6: .*set it to null.*another seed"):
        split(pictures_of(frames, tmp_path / "d"), PLAN, tmp_path / "s")
