from __future__ import annotations

import base64
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np

from evergreen.core.artifacts import (
    DatasetManifest,
    HeldOutManifest,
    RecordedSplitPlan,
    ResolvedWindow,
    SourceIdentity,
    SplitsManifest,
)
from evergreen.core.colours import rgb_of
from evergreen.core.intake import Intake
from evergreen.core.validation import Anomaly, ColumnStatistics, PictureStatistics, ValidationReport
from evergreen.pages.data import dataset_page, held_out_page, identity_page, split_page, validation_page
from evergreen.pages.thumbnails import GAP_PX, OPACITY
from tests.pictures import mask, picture, pixels
from tests.unit.pages.reading import Page

Read = Callable[[str], Page]


def test_validation_shows_columns_labels_lengths_and_anomalies(validation: ValidationReport, read: Read) -> None:
    page = read(validation_page(validation))
    for value in (
        "Rows 2,225",
        "1,500 · 67.4 %",
        "725 · 32.6 %",
        "2.07 : 1",
        "501 · 2,263 · 25,483",
        "sports (1,500)",
        "Exact duplicates 98 98 rows repeat tech/177",
    ):
        assert value in page.text
    assert len(page.drawings) == 2


def test_the_spread_of_a_number_column_is_shown(validation: ValidationReport, read: Read) -> None:
    price = ColumnStatistics(type="double", nulls=0, distinct=90, minimum=12.5, mean=310.25, maximum=4900)
    page = read(validation_page(validation.model_copy(update={"columns": {"price": price}})))
    assert "price double 0 90 12.5 · 310.2 · 4,900" in page.text
    debt = ColumnStatistics(type="double", nulls=0, distinct=90, minimum=-1.7e308, mean=-1234.5, maximum=100.4)
    page = read(validation_page(validation.model_copy(update={"columns": {"debt": debt}})))
    assert "debt double 0 90 −1.7e+308 · −1,234 · 100.4" in page.text


def test_labels_are_drawn_by_size(validation: ValidationReport, read: Read) -> None:
    label_chart = read(validation_page(validation)).drawings[0]
    assert label_chart.attrib["aria-label"].index("sports") < label_chart.attrib["aria-label"].index("tech")


def test_validation_of_nothing_has_a_page(validation: ValidationReport, read: Read) -> None:
    nothing = {"rows": 0, "columns": {}, "labels": {}, "length_histogram": (), "anomalies": ()}
    text = read(validation_page(validation.model_copy(update=nothing))).text
    assert "None found" in text
    assert "abel" not in text


def test_many_labels_are_summed_up_and_listed_below(validation: ValidationReport, read: Read) -> None:
    labels = {f"label {i}": 10 + i for i in range(100)}
    text = read(validation_page(validation.model_copy(update={"labels": labels}))).text
    assert "80 other labels" in text
    assert "All 100 labels" in text


def test_hostile_data_stays_text(validation: ValidationReport, dataset: DatasetManifest, read: Read) -> None:
    hostile = "</table><script>alert(1)</script>"
    labelled = validation.model_copy(update={"labels": {hostile: 3}, "length_histogram": ((5, 0),)})
    assert hostile in read(validation_page(labelled)).text
    assert hostile in read(dataset_page(dataset, [{"id": hostile, "text": hostile}])).text


def test_split_shows_rows_balance_removals_and_what_holds(splits: SplitsManifest, read: Read) -> None:
    text = read(split_page(splits)).text
    for value in (
        "Train 1,400 rows Validation 200 rows Test 400 rows Left out 112 rows",
        "1,400 · 70.0 %",
        "at most 5.0 percentage points",
        "Exact duplicate 98 4.6 %",
        "Near duplicate 14 0.7 %",
        "seed 7",
        "near duplicate of a test row",
    ):
        assert value in text


def test_split_promises_nothing_of_near_duplicates_that_were_not_looked_for(splits: SplitsManifest, read: Read) -> None:
    text = read(split_page(splits.model_copy(update={"removed": {"exact_duplicate": 0}}))).text
    assert "near duplicate" not in text.lower()


def test_an_empty_split_has_a_page(splits: SplitsManifest, read: Read) -> None:
    empty = {"rows": {"train": 0, "validation": 0, "test": 0}, "labels": {}, "removed": {"exact_duplicate": 0}}
    text = read(split_page(splits.model_copy(update=empty))).text
    assert "undefined" in text
    assert "abel" not in text


def test_dataset_shows_source_shards_and_first_rows(dataset: DatasetManifest, read: Read) -> None:
    text = read(dataset_page(dataset, [{"id": "sports/1", "text": "word " * 100}])).text
    for value in (
        "Rows 2,225",
        "Size 1.5 MB",
        "1 shard with checksums",
        "f" * 64,
        "sports/1",
        "rows carry no timestamp",
    ):
        assert value in text
    assert "word…" in text


def test_identity_shows_window_and_nothing_that_is_not_known(identity: SourceIdentity, read: Read) -> None:
    window = ResolvedWindow(start=datetime(2024, 5, 1, tzinfo=UTC), end=datetime(2024, 6, 1, tzinfo=UTC))
    text = read(identity_page(identity.model_copy(update={"window": window, "rows": None}))).text
    assert "2024-05-01 00:00:00 UTC until 2024-06-01 00:00:00 UTC" in text
    assert "not counted" in text
    assert "Champion" not in text


def pictures(**more: Any) -> ValidationReport:
    return ValidationReport.model_validate(
        {
            "dataset": "d" * 64,
            "rows": 202,
            "columns": {"id": ColumnStatistics(type="string", nulls=0, distinct=202)},
            "labels": {"pet": 198, "border": 200},
            "anomalies": (Anomaly(name="single_class_mask", rows=2, message="2 rows", examples=("cat_1",)),),
            "pictures": PictureStatistics(
                sizes={"500 x 375": 150, "375 x 500": 50},
                distinct_sizes=30,
                channel_means=(120.04, 110.0, 99.0),
                channel_deviations=(60.0, 59.0, 58.0),
                class_shares={"pet": 0.25, "border": 0.75},
                ignored_share=0.125,
            ),
            "set_aside": {"dog_7": "missing mask", "dog_9": "unusable image (is empty)"},
            **more,
        }
    )


def test_validation_of_pictures_shows_classes_sizes_colours_and_what_was_set_aside(read: Read) -> None:
    page = read(validation_page(pictures()))
    for value in (
        "Pictures 200",
        "Set aside 2",
        "3 : 1",
        "12.5 % of all are ignored",
        "pet 25.000 % 198",
        "500 x 375 150",
        "The 2 most frequent of 30 sizes",
        "Red 120.0 60.0",
        "dog_9 unusable image (is empty)",
        "Single class mask 2 2 rows cat_1",
    ):
        assert value in page.text
    assert page.drawings[0].attrib["aria-label"].index("border") < page.drawings[0].attrib["aria-label"].index("pet")


def test_validation_of_pictures_without_faults_says_so(read: Read) -> None:
    text = read(validation_page(pictures(set_aside={}, anomalies=()))).text
    assert "A violation would have stopped the run" in text
    assert "None found" in text
    assert "left out of every split" not in text


def test_pictures_of_a_dataset_are_told_by_kind_and_size(dataset: DatasetManifest, read: Read) -> None:
    manifest = dataset.model_copy(update={"columns": {"id": "string", "image": "binary", "mask": "binary"}})
    rows = [{"id": "cat_1", "image": b"\xff\xd8\xff" + b"x" * 1997, "mask": b"\x89PNG" + b"x" * 46}]
    text = read(dataset_page(manifest, rows)).text
    assert "cat_1 JPEG, 2.0 kB PNG, 50 bytes" in text


def test_a_split_page_says_which_splits_were_given_and_that_pictures_have_several_classes(
    splits: SplitsManifest, read: Read
) -> None:
    given = RecordedSplitPlan(
        seed=7, train=0.7, validation=0.1, test=0.2, near_duplicate_similarity=None, given=("train", "test")
    )
    labels = {split: {"0": rows, "1": rows - 10} for split, rows in splits.rows.items()}
    text = read(split_page(splits.model_copy(update={"plan": given, "labels": labels}))).text
    assert "The source gave the splits train, test. The others were drawn from its training rows" in text
    assert "rows added later move no row" not in text
    assert "A picture counts for every class index" in text
    assert "100.0 %" in text
    assert "A picture counts" not in read(split_page(splits)).text


def test_a_split_page_says_that_groups_decided_and_stayed_together(splits: SplitsManifest, read: Read) -> None:
    grouped = RecordedSplitPlan(
        seed=7, train=0.7, validation=0.1, test=0.2, near_duplicate_similarity=None, grouped=True
    )
    text = read(split_page(splits.model_copy(update={"plan": grouped}))).text
    assert "seed 7 and the row's group alone" in text
    assert "All rows of a group are in one split" in text
    assert "of a group" not in read(split_page(splits)).text


def test_a_split_page_tells_what_was_replayed_and_what_earlier_versions_held_out(
    splits: SplitsManifest, read: Read
) -> None:
    removed = splits.removed | {"like_held_out_rows": 1234}
    counted = splits.model_copy(update={"removed": removed, "replayed": {"train": 0, "test": 150}})
    text = read(split_page(counted)).text
    assert "Test 400 rows, 150 of them replayed" in text
    assert "Train 1,400 rows Validation" in text
    assert "Like held out rows 1,234" in text
    assert "was tested on or selected by are left out" in text
    assert "selected by" not in read(split_page(splits)).text
    assert counted.facts["left_out"].endswith("14 near duplicate, 1,234 like held out rows)")


def test_a_page_of_held_out_rows_counts_them_and_their_bytes(splits: SplitsManifest, read: Read) -> None:
    text = read(held_out_page(HeldOutManifest(files=splits.files, rows=12345))).text
    assert "Rows 12,345 test and validation rows so far" in text
    assert "Size" in text
    assert "none no column tells when rows arrived" in read(held_out_page(HeldOutManifest(files=(), rows=0))).text


def test_a_dataset_page_tells_what_was_left_out_and_why(dataset: DatasetManifest, read: Read) -> None:
    intake = Intake(seen=2227, read=2225, left_out={"broken link": 2}, examples={"broken link": ("<a>.png",)})
    text = read(dataset_page(dataset.model_copy(update={"intake": intake}))).text
    assert "2,225 of 2,227 seen" in text
    assert "broken link 2 <a>.png" in text
    assert (
        "Nothing was left out."
        in read(dataset_page(dataset.model_copy(update={"intake": Intake(seen=1, read=1)}))).text
    )
    assert "What was read" not in read(dataset_page(dataset)).text


def test_a_dataset_page_shows_its_first_pictures_under_their_masks(dataset: DatasetManifest, read: Read) -> None:
    manifest = dataset.model_copy(update={"columns": {"id": "string", "image": "binary", "mask": "binary"}})
    rows: list[dict[str, object]] = [
        {"id": "cat_1", "image": picture(size=(400, 300)), "mask": mask(1, (400, 300))},
        {"id": "cat_2", "image": picture(), "mask": None},
        {"id": "cat_3", "image": b"broken", "mask": mask()},
    ]
    html = dataset_page(manifest, rows)
    read(html)
    shown = [pixels(base64.b64decode(encoded)) for encoded in re.findall(r'src="data:image/png;base64,([^"]+)"', html)]
    assert [picture.shape for picture in shown] == [(144, 192 + GAP_PX + 192, 3), (4, 6, 3)]
    small, over = shown[0][:, :192].astype(int), shown[0][:, 192 + GAP_PX :].astype(int)
    mixed = small * (1 - OPACITY) + np.array(rgb_of(1)) * OPACITY
    assert np.abs(over - mixed)[1:, 1:].max() <= 1
    assert "First pictures" not in dataset_page(dataset, [{"id": "1", "text": "a"}])
