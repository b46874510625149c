"""What a source of files leaves out is counted by reason, and never left out in silence."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evergreen.adapters.files import find
from evergreen.adapters.files.cloud import CloudFile
from evergreen.adapters.files.settings import FilesSettings
from evergreen.adapters.files.source import FilesSource
from evergreen.core.artifacts import Dataset, ResolvedWindow
from evergreen.core.errors import InputError
from evergreen.core.intake import Intake
from evergreen.core.members import source_of
from tests.pictures import mask, picture
from tests.rows import rows_of

HEADER = "text,label\n"
CREATED = datetime(2026, 1, 4, tzinfo=UTC)


def put(root: Path, *names: str, content: bytes = b"text,label\nA goal.,sports\n") -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def read(path: Path | str, out_dir: Path, window: ResolvedWindow | None = None, **fields: Any) -> Dataset:
    return source_of(FilesSettings.model_validate({"path": str(path), **fields})).read(window, out_dir)


def intake_of(dataset: Dataset) -> Intake:
    assert dataset.manifest.intake is not None
    return dataset.manifest.intake


def pictures(root: Path, *names: str) -> Path:
    """Each as a picture below `images` and as a mask below `masks`."""
    for name in names:
        put(root / "images", f"{name}.png", content=picture())
        put(root / "masks", f"{name}.png", content=mask())
    return root


def folders(root: Path, **fields: Any) -> dict[str, Any]:
    return {"format": "image_folders", "masks": str(root / "masks"), **fields}


def test_names_that_begin_with_an_underscore_are_read_and_markers_are_counted(tmp_path: Path) -> None:
    root = put(tmp_path / "in", "_train.csv", "a.csv", "_part/b.csv")
    put(root, "_SUCCESS", "_committed_12", "Thumbs.db", "._a.csv", "__MACOSX/a.csv", ".git/c.csv", "_delta_log/0.csv")
    dataset = read(root, tmp_path / "out")
    assert [row["id"] for row in rows_of(dataset.shards)] == ["_part/b.csv:1", "_train.csv:1", "a.csv:1"]
    assert intake_of(dataset).left_out == {"hidden file": 4, "hidden folder": 3}
    assert (intake_of(dataset).seen, intake_of(dataset).read) == (10, 3)


def test_a_camera_s_names_are_pictures(tmp_path: Path) -> None:
    root = pictures(tmp_path, "_DSC0001", "DSC0002")
    dataset = read(root / "images", tmp_path / "out", **folders(root))
    assert [row["id"] for row in rows_of(dataset.shards)] == ["DSC0002", "_DSC0001"]
    assert intake_of(dataset) == Intake(seen=2, read=2)


def test_other_suffixes_masks_alone_and_broken_links_are_counted_and_told_by_the_identity(tmp_path: Path) -> None:
    root = pictures(tmp_path, "a", "b")
    put(root / "images", "c.heic", "d.HEIC", "notes", "e.png.gz")
    put(root / "masks", "x.png", content=mask())
    (root / "images" / "gone.png").symlink_to("/nowhere.png")
    dataset = read(root / "images", tmp_path / "out", **folders(root))
    assert intake_of(dataset).left_out == {
        "broken link": 1,
        "file with suffix .heic": 2,
        "file with suffix .png.gz": 1,
        "file without suffix": 1,
        "mask without a picture": 1,
    }
    description = dataset.manifest.source.description
    assert "2 files with suffix .heic (c.heic, d.HEIC), 1 file with suffix .png.gz (e.png.gz)" in description
    assert "1 broken link (gone.png)" in description
    assert "1 mask without a picture (x.png)" in description


def test_a_link_that_is_named_and_leads_nowhere_is_an_error(tmp_path: Path) -> None:
    root = put(tmp_path / "in", "a/rows.csv")
    (root / "b").mkdir()
    (root / "b" / "rows.csv").symlink_to("gone.csv")
    with pytest.raises(InputError, match=r"b/rows\.csv is a link to gone\.csv, where nothing is; mend the link"):
        read(root / "b" / "rows.csv", tmp_path / "out")
    with pytest.raises(InputError, match=r"rows\.csv is a link to gone\.csv, where nothing is"):
        read(f"{root}/*/rows.csv", tmp_path / "out")
    assert intake_of(read(f"{root}/*/*.csv", tmp_path / "out")).left_out == {"broken link": 1}


def test_links_to_folders_are_followed_and_one_that_never_ends_is_counted(tmp_path: Path) -> None:
    root = put(tmp_path / "in", "a.csv")
    put(tmp_path / "elsewhere", "b.csv")
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    (root / "again").symlink_to(root)
    os.mkfifo(root / "pipe.csv")
    dataset = read(root, tmp_path / "out")
    assert [row["id"] for row in rows_of(dataset.shards)] == ["a.csv:1", "linked/b.csv:1"]
    assert intake_of(dataset).left_out == {
        "link to a folder that holds it": 1,
        "file that is a pipe, socket or device": 1,
    }


@pytest.mark.parametrize("masks", ["in/masks", "in/deep/.masks", "in/masks/*.*"])
@pytest.mark.parametrize("path", ["in", "in/**/*.*", "linked"])
def test_masks_within_the_folder_of_pictures_are_no_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, masks: str
) -> None:
    monkeypatch.chdir(tmp_path)
    place = Path(masks.removesuffix("/*.*"))
    put(tmp_path / "in", "a.png", "b.png", content=picture())
    put(tmp_path / place, "a.png", "b.png", content=mask())
    (tmp_path / "linked").symlink_to("in")
    for form in (masks, str(tmp_path / masks)):
        dataset = read(path, tmp_path / "out", format="image_folders", masks=form)
        assert intake_of(dataset) == Intake(seen=2, read=2)
        assert {row["image"] for row in rows_of(dataset.shards)} == {picture()}
    put(tmp_path / place, "notes.txt", "x.png", content=mask())
    left_out = intake_of(read(path, tmp_path / "out", format="image_folders", masks=masks)).left_out
    assert "mask without a picture" in left_out
    assert sum(left_out.values()) == 2


def test_pictures_within_the_folder_of_masks_are_no_masks(tmp_path: Path) -> None:
    root = put(tmp_path / "in", "a.png", content=mask())
    put(root / "images", "a.png", content=picture())
    put(root / "images", "notes.txt")
    dataset = read(root / "images", tmp_path / "out", format="image_folders", masks=str(root))
    assert intake_of(dataset).words() == "1 read of 2 seen; left out: 1 file with suffix .txt (notes.txt)"


def test_folders_that_link_to_each_other_are_read_once(tmp_path: Path) -> None:
    names = [f"f{number}" for number in range(7)]
    root = put(tmp_path / "in", *(f"{name}/a.csv" for name in names))
    for name in names:
        for other in names:
            (root / name / other).symlink_to(root / other)
    put(tmp_path / "elsewhere", "b.csv")
    for name in ("one", "two"):
        (root / name).symlink_to(tmp_path / "elsewhere")
    dataset = read(root, tmp_path / "out")
    ids = [row["id"] for row in rows_of(dataset.shards)]
    assert ids == [*(f"{name}/a.csv:1" for name in names), "one/b.csv:1"]
    assert intake_of(dataset).left_out == {
        "link to a folder that holds it": 7,
        "folder that is read under another name": 43,
    }


def test_a_pattern_reads_each_file_once_though_links_lead_to_its_folder(tmp_path: Path) -> None:
    root = put(tmp_path / "in", "sub/a.csv")
    (root / "linked").symlink_to("sub")
    dataset = read(f"{root}/*/*.csv", tmp_path / "out")
    assert intake_of(dataset) == Intake(
        seen=2,
        read=1,
        left_out={"file that is read under another name": 1},
        examples={"file that is read under another name": ("sub/a.csv",)},
    )


def test_a_suffix_that_is_no_utf_8_or_of_any_length_is_counted(tmp_path: Path) -> None:
    root = put(tmp_path / "in", "a.csv", "b.\udce9", f"c.{'x' * 200}")
    intake = intake_of(read(root, tmp_path / "out"))
    assert "file with suffix .\\udce9" in intake.left_out
    assert max(map(len, intake.left_out)) < 100


def test_thousands_of_suffixes_are_a_few_reasons(tmp_path: Path) -> None:
    root = put(
        tmp_path / "in",
        "a.csv",
        *(f"f.{number}" for number in range(300)),
        "x.md",
        "y.md",
        content=b"text,label\na,b\n",
    )
    dataset = read(root, tmp_path / "out")
    intake = intake_of(dataset)
    assert (intake.seen, intake.left_out["file with suffix .md"], len(intake.left_out)) == (303, 2, 13)
    assert intake.left_out["file with another suffix"] == 289
    assert len(dataset.manifest.source.description) < 600
    assert "289 files with another suffix" in intake.words()
    assert intake.words().endswith(" and 8 more kinds")


def test_parts_of_a_bucket_keep_their_objects_and_hidden_names_cost_no_more_than_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = [f"b/in/{kind}{number}.csv" for number in range(4_000) for kind in (".", "")]
    listed = [CloudFile(name, 1, f"md5:{name}", CREATED) for name in names]
    monkeypatch.setattr(find, "list_cloud", lambda _: ("b/in", listed, True))
    began = time.process_time()
    listing = find.find_files("gs://b/in", None)
    parts = list(listing.parts([50] * 80))
    assert time.process_time() - began < 1
    assert [name for part in parts for name, _, _ in part.checksums()] == [name for name, _, _ in listing.checksums()]
    assert all(checksum.endswith(f"/{name}") for name, checksum, _ in parts[7].checksums())


def test_a_name_that_is_no_utf_8_is_told(tmp_path: Path) -> None:
    root = put(tmp_path / "in", "a.csv")
    (root / "caf\udce9.csv").write_text(HEADER)
    with pytest.raises(InputError, match=r"the name of file caf\\udce9\.csv in .*in is no UTF-8; rename it"):
        read(root, tmp_path / "out")
    (root / "caf\udce9.csv").rename(root / "caf\udce9.md")
    assert "caf\\udce9.md" in intake_of(read(root, tmp_path / "out")).words()


def test_text_folders_count_what_is_in_no_class(tmp_path: Path) -> None:
    root = put(tmp_path / "news", "sports/1.txt", "tech/2.TXT", "readme.txt", "about.md", content=b"A goal.")
    dataset = read(root, tmp_path / "out")
    assert [(row["id"], row["label"]) for row in rows_of(dataset.shards)] == [
        ("sports/1", "sports"),
        ("tech/2", "tech"),
    ]
    assert intake_of(dataset).left_out == {"file with suffix .md": 1, "file outside of a class's folder": 1}


def test_where_nothing_can_be_read_what_is_there_is_told_and_where_it_was_set(tmp_path: Path) -> None:
    root = pictures(tmp_path, "a")
    put(root / "empty", "a.heic")
    with pytest.raises(
        InputError, match=r"no file of format image_folders in .*left out: 1 file .*; set source\.masks"
    ):
        read(root / "images", tmp_path / "out", **folders(root, masks=str(root / "empty")))
    with pytest.raises(InputError, match=r"no file or folder '.*gone' \(looked in .*\); set source\.masks"):
        read(root / "images", tmp_path / "out", **folders(root, masks=str(root / "gone")))
    with pytest.raises(InputError, match=r"no file of format image_folders in .*; set source\.path"):
        read(root / "empty", tmp_path / "out", **folders(root))


def test_names_pair_whatever_spelling_of_accents_a_system_gave_them(tmp_path: Path) -> None:
    put(tmp_path / "images", "cafe\u0301.png", content=picture())
    put(tmp_path / "masks", "caf\u00e9.png", content=mask())
    dataset = read(tmp_path / "images", tmp_path / "out", **folders(tmp_path))
    assert rows_of(dataset.shards)[0]["mask"] == mask()
    assert intake_of(dataset) == Intake(seen=1, read=1)


def test_a_folder_of_masks_within_the_pictures_folder_holds_no_pictures(tmp_path: Path) -> None:
    root = tmp_path / "in"
    put(root, "a.png", content=picture())
    put(root, "masks/a.png", content=mask())
    dataset = read(root, tmp_path / "out", **folders(root))
    assert [row["id"] for row in rows_of(dataset.shards)] == ["a"]


def test_rows_outside_of_the_window_are_counted(tmp_path: Path) -> None:
    put(tmp_path / "in", "a.csv", content=b"text,label,at\na,x,2024-01-01\nb,x,2024-01-02\nc,x,2024-01-03\n")
    start, end = ("2024-01-02T00:00Z", "2024-01-03T00:00Z")
    window = ResolvedWindow.model_validate({"start": start, "end": end})
    dataset = read(tmp_path / "in", tmp_path / "out", window, columns={"timestamp": "at"})
    assert intake_of(dataset).words() == "1 read of 3 seen; left out: 2 rows outside of the window (a.csv:1, a.csv:3)"


def test_a_bucket_goes_by_the_same_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["b/in/_a.csv", "b/in/_SUCCESS", "b/in/.x/c.csv", "b/in/notes.md"]
    listed = [CloudFile(name, 1, "md5:0", CREATED) for name in names]
    monkeypatch.setattr(find, "list_cloud", lambda _: ("b/in", listed, True))
    listing = find.find_files("gs://b/in", None)
    assert [file.name for file in listing.files] == ["_a.csv"]
    assert listing.left_out.words() == "2 hidden files (_SUCCESS, .x/c.csv), 1 file with suffix .md (notes.md)"


def test_parts_of_a_listing_count_nothing_twice(tmp_path: Path) -> None:
    root = pictures(tmp_path, "a", "b", "c")
    put(root / "masks", "x.png", content=mask())
    listing = FilesSource(FilesSettings.model_validate({"path": str(root / "images"), **folders(root)})).listing()
    assert listing.left_out.total == 1
    assert [part.left_out.total for part in listing.parts([2, 1])] == [0, 0]


@pytest.mark.parametrize("kind", ["binary_view", "large_binary", "dictionary", "structure", "fixed"])
def test_pictures_of_a_parquet_file_are_read_however_they_are_stored(tmp_path: Path, kind: str) -> None:
    encoded = [picture(1), picture(1)]
    column: Any = {
        "binary_view": lambda: pa.array(encoded, pa.binary_view()),
        "large_binary": lambda: pa.array(encoded, pa.large_binary()),
        "dictionary": lambda: pa.array(encoded, pa.binary()).dictionary_encode(),
        "structure": lambda: pa.array([{"bytes": content, "path": None} for content in encoded]),
        "fixed": lambda: pa.array(encoded, pa.binary(len(encoded[0]))),
    }[kind]()
    pq.write_table(pa.table({"image": column, "mask": [mask(), mask()]}), tmp_path / "a.parquet")
    dataset = read(tmp_path / "a.parquet", tmp_path / "out", columns={"image": "image"})
    assert [row["image"] for row in rows_of(dataset.shards)] == encoded
    assert intake_of(dataset) == Intake(seen=2, read=2)


def test_dictionaries_within_structures_are_read_over_several_row_groups(tmp_path: Path) -> None:
    encoded = [picture(number) for number in range(5)]
    column = pa.StructArray.from_arrays([pa.array(encoded, pa.binary()).dictionary_encode()], ["bytes"])
    pq.write_table(pa.table({"image": column, "mask": [mask()] * 5}), tmp_path / "a.parquet", row_group_size=2)
    dataset = read(tmp_path / "a.parquet", tmp_path / "out", columns={"image": "image"})
    assert [row["image"] for row in rows_of(dataset.shards)] == encoded
