"""Rules on pictures: what stops a run, what is set aside, what is odd."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from evergreen.core.artifacts import REPLAYED, Dataset, SplitName
from evergreen.core.errors import DatasetError
from evergreen.core.validation import ValidationReport
from evergreen.data.picture_columns import reclassed
from evergreen.data.pictures import UNLISTED
from evergreen.data.split import split
from evergreen.data.split_plan import SplitPlan
from evergreen.tasks.image_segmentation.examinable import ImageExamination
from evergreen.tasks.image_segmentation.schema import Schema
from evergreen.tasks.image_segmentation.settings import ImageRules, ImageSegmentation
from tests.pictures import encoded, mask, picture, pictures_of, pixels
from tests.rows import dataset_of, rows_of

LABELS = ("body", "background", "border")
VALUES = [[0, 0, 1, 1, 1, 2]] * 4


def good(count: int = 30) -> list[dict[str, Any]]:
    return [{"id": f"p{n:02d}", "image": picture(n), "mask": mask(VALUES)} for n in range(count)]


def looked_at(dataset: Dataset, rules: ImageRules) -> ValidationReport:
    task = ImageSegmentation(labels=LABELS, ignore_label=255, rules=rules)
    return ImageExamination(task).examine(dataset)


def validated(rows: list[dict[str, Any]], path: Path, **rules: Any) -> ValidationReport:
    return looked_at(pictures_of(rows, path), ImageRules.model_validate({"min_rows": 5, **rules}))


def violations(rows: list[dict[str, Any]], path: Path, **rules: Any) -> tuple[str, ...]:
    with pytest.raises(DatasetError) as caught:
        validated(rows, path, **rules)
    return caught.value.violations


BAD: dict[str, dict[str, Any]] = {
    "missing mask: 1 row (bad); give": {"mask": None},
    "missing image: 1 row (bad); give": {"image": None},
    "unusable image: 1 row (bad: cannot be decoded: ": {"image": picture()[:80]},
    "unusable image: 1 row (bad: is no picture that can be read); write": {"image": b"cat"},
    "unusable image: 1 row (bad: is a PDF (allowed: PNG, JPEG, WEBP, BMP, TIFF, GIF)); write": {"image": b"%PDF-1.7"},
    "unusable mask: 1 row (bad: is a PNG of mode RGB, not": {"mask": picture()},
    "mismatched sizes: 1 row (bad: image 6 x 4, mask 4 x 6); a mask": {"mask": mask(2, (4, 6))},
    "unknown class index: 1 row (bad: 3 in 4 pixels, 9 in 4 pixels); correct": {
        "mask": mask([[0, 3, 9, 255, 1, 2]] * 4)
    },
}


@pytest.mark.parametrize("expected", BAD, ids=[rule.split(" (")[0] for rule in BAD])
def test_a_bad_record_stops_the_run_naming_row_and_reason(tmp_path: Path, expected: str) -> None:
    (violation,) = violations([*good(), {**good(1)[0], "id": "bad", **BAD[expected]}], tmp_path)
    assert violation.startswith(expected)


def turned(size: tuple[int, int] = (6, 4)) -> bytes:
    """A JPEG that viewers turn by a quarter, as a camera that was held upright writes it."""
    held = Image.Exif()
    held[274] = 6
    stored = io.BytesIO()
    Image.open(io.BytesIO(picture(9, size))).save(stored, "JPEG", exif=held)
    return stored.getvalue()


def test_a_picture_that_viewers_turn_is_told_and_its_mask_has_to_fit_it_as_it_is_stored(tmp_path: Path) -> None:
    report = validated([*good(), {**good(1)[0], "id": "phone", "image": turned()}], tmp_path / "good")
    (anomaly,) = (anomaly for anomaly in report.anomalies if anomaly.name == "turned_image")
    assert (anomaly.rows, anomaly.examples) == (1, ("phone",))
    drawn_over_a_viewer = {**good(1)[0], "id": "phone", "image": turned(), "mask": mask(2, (4, 6))}
    (violation,) = violations([*good(), drawn_over_a_viewer], tmp_path / "bad")
    assert violation.startswith(
        "mismatched sizes: 1 row (phone: image 6 x 4 as it is stored, though viewers turn it, mask"
    )


def test_mask_values_that_no_class_is_given_to_are_told_as_the_file_has_them(tmp_path: Path) -> None:
    smoothed = pa.array([mask([[0, 0, 17, 180, 255, 17]] * 4)], pa.binary())
    (replaced,) = reclassed(smoothed, {0: 0, 255: 1}).to_pylist()
    assert sorted(set(pixels(replaced).ravel().tolist())) == [0, 1, UNLISTED]
    (violation,) = violations([*good(), {**good(1)[0], "id": "bad", "mask": replaced}], tmp_path / "unlisted")
    assert (
        "(bad: not listed in source.mask_classes: 17 in 8 pixels, 180 in 4 pixels); correct the masks (values betw"
        in violation
    )
    real = {**good(1)[0], "id": "bad", "mask": mask([[0, UNLISTED, 1, 1, 1, 2]] * 4)}
    (violation,) = violations([*good(), real], tmp_path / "real")
    assert "(bad: 254 in 4 pixels); correct" in violation


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    rows = [*good(6), *({**good(1)[0], "id": f"bad{n}", **bad} for n, bad in enumerate(BAD.values()))]
    rows += [{**good(1)[0], "id": f"none{n}", "mask": None} for n in range(7)]
    lines = violations(rows, tmp_path, min_rows=99)
    rules = [example.split(":")[0] for example in lines]
    assert rules == [
        "missing mask",
        "missing image",
        "unusable image",
        "unusable mask",
        "mismatched sizes",
        "unknown class index",
        "too few rows",
    ]
    assert lines[0] == "missing mask: 8 rows (bad0, none0, none1, none2, none3, …); give each row one, or leave it out"


def test_a_schema_is_enforced(tmp_path: Path) -> None:
    columns = {
        "image": {"shape": [4, 6, 3], "maximum": 255},
        "mask": {"shape": [None, 6], "values": [0, 1, 2]},
        "breed": {"dtype": "string", "values": ["Pug"], "presence": 0.9},
        "height_cm": {"dtype": "integer"},
    }
    rows = [{**row, "breed": "Pug" if n else "Cat"} for n, row in enumerate(good(10))]
    rows += [{"id": "large", "image": picture(0, (6, 5)), "mask": mask([[0, 1, 2, 0, 1, 255]] * 5), "breed": None}]
    rows += [{**good(1)[0], "id": "none", "breed": None}]
    lines = violations(rows, tmp_path, expected={"columns": columns})
    assert [line.split(";")[0] for line in lines] == [
        "column with too few values: breed in 83.3% of the rows, at least 90.0% needed",
        "missing column: height_cm",
        "value out of range in breed: 1 row (p00: 'Cat', allowed Pug)",
        "wrong shape of image: 1 row (large: 6 x 5, expected 6 x 4)",
        "value out of range in mask: 1 row (large: 255, allowed 0, 1, 2)",
    ]
    assert Schema.model_validate({"columns": columns}).columns["mask"].allowed == "0, 1, 2"


def test_texts_are_no_pictures(tmp_path: Path) -> None:
    with pytest.raises(
        DatasetError, match=r"missing column: image, mask \(has: id, text, label\); map source\.columns"
    ):
        looked_at(dataset_of([("1", "a", "b")], tmp_path), ImageRules())


def test_ids_and_classes_are_told_of_the_whole_dataset(tmp_path: Path) -> None:
    rows = [{**row, "mask": mask(1), "id": "twin" if n < 2 else row["id"]} for n, row in enumerate(good())]
    rows[5]["id"] = None
    lines = violations(rows, tmp_path, max_bad_share=0.5)
    assert [line.split(";")[0] for line in lines] == [
        "null or blank id: 1 row",
        "duplicate id: such as twin (2 rows)",
        "class without pixels: border",
    ]


def test_of_new_pictures_that_are_too_few_no_class_is_advised_to_be_taken_out(tmp_path: Path) -> None:
    rows = [{**row, "mask": mask(1), REPLAYED: "no"} for row in good(3)]
    lines = violations(rows, tmp_path, min_rows=4)
    advice = "; wait for more new rows (a larger refresh.min_new_rows), or set a larger refresh.replay_share"
    assert [line.removesuffix(advice) for line in lines] == [
        "too few rows: 3, at least 4 needed",
        "class without pixels: border",
    ]


def test_a_share_of_bad_records_is_set_aside_reported_and_left_out_of_every_split(tmp_path: Path) -> None:
    rows = [
        *good(58),
        {**good(1)[0], "id": "a-copy-without-mask", "mask": None},
        {**good(1)[0], "id": "b", "image": b""},
    ]
    dataset = pictures_of(rows, tmp_path / "dataset")
    report = looked_at(dataset, ImageRules(max_bad_share=0.04))
    assert report.set_aside == {"a-copy-without-mask": "missing mask", "b": "unusable image (is empty)"}
    (anomaly,) = [candidate for candidate in report.anomalies if candidate.name == "set_aside"]
    assert (anomaly.rows, anomaly.examples) == (2, ("a-copy-without-mask", "b"))

    splits = split(dataset, SplitPlan(train=0.6, validation=0.2, test=0.2), tmp_path / "splits", report.set_aside)
    assert splits.manifest.removed == {"exact_duplicate": 0, "near_duplicate": 0, "set_aside": 2}
    kept = {row["id"] for name in SplitName.ALL for row in rows_of(splits.shards(name))}
    assert kept == {row["id"] for row in good(58)}


def test_more_bad_records_than_allowed_stop_the_run(tmp_path: Path) -> None:
    rows = [*good(28), *({**good(1)[0], "id": f"bad{n}", "mask": None} for n in range(2))]
    assert violations(rows, tmp_path, max_bad_share=0.04) == (
        "missing mask: 2 rows (bad0, bad1); give each row one, or leave it out",
        "too many bad rows: 2 of 30, 6.67%, at most 4.00% may be set aside; correct them or raise "
        "task.rules.max_bad_share",
    )


def test_statistics_are_those_of_the_pixels(tmp_path: Path) -> None:
    black = encoded(Image.fromarray(np.zeros((4, 6, 3), np.uint8)))
    half = np.zeros((2, 2, 3), np.uint8)
    half[0] = [200, 100, 50]
    rows = [
        {"id": "black", "image": black, "mask": mask([[0, 0, 1, 1, 2, 255]] * 4)},
        {"id": "half", "image": encoded(Image.fromarray(half)), "mask": mask([[0, 0], [0, 0]])},
    ]
    report = validated([*rows], tmp_path, min_rows=1)
    pictures = report.pictures
    assert pictures is not None
    assert (pictures.sizes, pictures.distinct_sizes) == ({"6 x 4": 1, "2 x 2": 1}, 2)
    assert pictures.channel_means == pytest.approx([400 / 28, 200 / 28, 100 / 28], abs=0.001)
    assert pictures.channel_deviations == pytest.approx([np.std([0] * 26 + [200] * 2), 25.754, 12.877], abs=0.001)
    assert pictures.class_shares == pytest.approx({"body": 12 / 24, "background": 8 / 24, "border": 4 / 24})
    assert pictures.ignored_share == pytest.approx(4 / 28)
    assert report.labels == {"body": 2, "background": 1, "border": 1}
    assert {anomaly.name: anomaly.examples for anomaly in report.anomalies} == {
        "single_class_mask": ("half",),
        "near_blank_image": ("black",),
    }
    assert report.columns["mask"].distinct == 2


def test_repeated_pictures_and_rare_classes_are_odd(tmp_path: Path) -> None:
    rows = [
        *good(),
        {**good(1)[0], "id": "again"},
        {**good(2)[1], "id": "other", "mask": mask([[0, 1, 2, 0, 1, 2]] * 4)},
    ]
    report = validated(rows, tmp_path, min_class_share=0.2)
    assert {anomaly.name: anomaly.examples for anomaly in report.anomalies} == {
        "repeated_image": ("p00", "p01", "again", "other"),
        "conflicting_masks": ("p01", "other"),
        "rare_class": (),
    }
    assert report.anomalies[-1].message.startswith("'border' has 17.")
