"""The source `files` over gs://, against Cloud Storage in the box, through the unmodified clients."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.running_box import REPOSITORY, running_box

SCRIPT = Path(__file__).with_name("files_in_a_bucket.py")


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    setup = f"import runpy, sys; sys.path.insert(0, {str(REPOSITORY)!r})"
    run = f"{setup}; runpy.run_path({str(SCRIPT)!r}, run_name='__main__')"
    with running_box(tmp_path_factory.mktemp("box") / "home", "gateway", "gcs") as box:
        report: dict[str, Any] = json.loads(box.client(run))
        assert box.status()["refusals"] == 0
    return report


def test_a_folder_is_read_in_order_without_hidden_files_and_markers(said: dict[str, Any]) -> None:
    assert said["folder"] == [[f"part-{number:02d}.csv:1", f"row {number}", "x"] for number in range(40)]


def test_a_pattern_is_read(said: dict[str, Any]) -> None:
    assert [row[1] for row in said["glob"]] == ["row 0", "row 1", "row 2"]
    assert said["deep"] == [["csv/part-39.csv:1", "row 39", "x"]]


def test_one_compressed_object_is_read(said: dict[str, Any]) -> None:
    assert said["object"] == [["news.jsonl.gz:1", "a", "x"]]


def test_text_folders_are_read_with_their_encodings(said: dict[str, Any]) -> None:
    assert said["text_folders"] == [["sports/1", "Café won.", "sports"], ["tech/2", "A chip.", "tech"]]


def test_pictures_are_paired_with_their_masks_and_shards_tell_their_split(said: dict[str, Any]) -> None:
    assert said["pictures"]["streets"] == [["01", True, True], ["02", False, False]]
    assert said["pictures"]["shards"] == [
        ["train-00-1.tfrec:1", "train", True],
        ["val-00-1.tfrec:1", "validation", True],
    ]
    assert "(3 image_folders files, 0.0 MB)" in said["pictures"]["description"]
    assert said["pictures"]["came"] == [True, True]


def test_formats_are_told_apart_as_on_this_machine(said: dict[str, Any]) -> None:
    assert said["one_format"] == [["b.jsonl:1", "a", "x"]]
    assert "'gs://local-news/mixed' holds several formats (csv, jsonl); set source.format" in said["several_formats"]
    assert "nothing readable in 'gs://local-news/empty'" in said["unreadable"]


@pytest.mark.parametrize("name", ["missing", "no_bucket"])
def test_what_is_not_there_is_an_error_that_names_it(said: dict[str, Any], name: str) -> None:
    assert said[name].startswith("RefusedError: nothing at 'gs://local-n")
    assert said[name].endswith("set source.path")


def test_a_pattern_that_matches_nothing_is_an_error(said: dict[str, Any]) -> None:
    assert said["no_match"] == "InputError: no file in 'gs://local-news/csv/*.tsv'; set source.path"


def test_a_wrong_column_is_told_as_on_this_machine(said: dict[str, Any]) -> None:
    assert "column 'content' missing from part-00.csv (has: 'text', 'label')" in said["wrong_column"]


def test_no_fetched_file_is_left(said: dict[str, Any]) -> None:
    assert said["left"] == []


def test_identity_comes_from_metadata_and_is_equal_for_equal_bytes_in_any_bucket(said: dict[str, Any]) -> None:
    assert said["identities"] == {
        "equal": True,
        "other": True,
        "description": "gs://local-news/csv (40 csv files, 0.0 MB; left out: 2 hidden files (.hidden.csv, _SUCCESS))",
    }


def test_a_file_that_changes_while_it_is_read_is_an_error(said: dict[str, Any]) -> None:
    assert said["changing"] == "EvergreenError: gs://local-copy/csv/part-03.csv changed while it was read; run again"


def test_objects_tell_when_their_rows_came_and_what_comes_while_a_run_reads_is_of_the_next(
    said: dict[str, Any],
) -> None:
    first, second, quiet, untouched, told_anew, last = said["ingestion"]
    assert first == [2, ["1.csv:1", "1.csv:2"], True]
    assert second == [1, ["2.csv:1"], True]
    assert quiet == untouched == [0, [], True]
    assert told_anew[0] == 1
    assert told_anew[2] is False
    assert last == [1, ["3.csv:1"], True]


def test_rows_that_come_while_a_run_reads_are_of_the_next_or_told(said: dict[str, Any]) -> None:
    first, earlier, last = said["arrivals"]
    assert first == [1, ["b"], True]
    assert earlier == [1, ["c", "d"], False]
    assert last == [2, ["c", "d"], True]


def test_rows_are_prepared_into_a_bucket(said: dict[str, Any]) -> None:
    replaced, added, beside, refused = said["prepared"]
    assert [row[1:] for row in replaced] == [["b", "x"]]
    assert added == ["b", "c"]
    assert beside == added
    assert "gs://local-copy/csv holds files that were not prepared" in refused


def test_the_server_reads_an_object_that_an_instance_names_up_to_its_limit(said: dict[str, Any]) -> None:
    whole, too_large, missing = said["read_object"]
    assert whole == "A chip."
    assert too_large == (
        "InputError: gs://local-news/folders/tech/2.txt has 7 bytes, at most 6 are read; make it smaller"
    )
    assert missing.startswith("RefusedError: nothing at 'gs://local-news/nothing.png'")
