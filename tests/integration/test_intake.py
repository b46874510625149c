"""Every source tells what it saw: the rows that it read, and what it left out, by reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evergreen.adapters.files.settings import FilesSettings
from evergreen.adapters.huggingface.settings import HuggingFaceSettings
from evergreen.adapters.kinds import AnySource
from evergreen.adapters.shapes.settings import ShapesSettings
from evergreen.core.artifacts import Dataset, ResolvedWindow
from evergreen.core.intake import Intake
from evergreen.core.members import source_of
from evergreen.data.pictures import PICTURE_FORMATS, decode_picture
from tests.pictures import mask, picture
from tests.rows import rows_of
from tests.tfrecords import example, framed

ROWS = 7
LINES = [json.dumps({"text": f"row {number}", "label": "x", "at": f"2024-01-0{number + 1}"}) for number in range(ROWS)]


def put(path: Path, content: bytes | str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def jsonl(root: Path) -> FilesSettings:
    put(root / "a.jsonl", "\n".join(LINES))
    return FilesSettings(path=str(root), columns={"timestamp": "at"})


def csv(root: Path) -> FilesSettings:
    put(root / "a.csv", "text,label\n" + "a,x\n" * ROWS)
    return FilesSettings(path=str(root))


def parquet(root: Path) -> FilesSettings:
    put(root / "a.parquet")
    pq.write_table(pa.table({"text": ["a"] * ROWS, "label": ["x"] * ROWS}), root / "a.parquet")
    return FilesSettings(path=str(root))


def text_folders(root: Path) -> FilesSettings:
    for number in range(ROWS):
        put(root / "x" / f"{number}.txt", "a")
    return FilesSettings(path=str(root))


def tfrecord(root: Path) -> FilesSettings:
    put(root / "a.tfrec", framed([example({"image": picture(n), "label": mask(n)}) for n in range(ROWS)]))
    return FilesSettings(path=str(root), format="tfrecord", columns={"mask": "label"})


def image_folders(root: Path) -> FilesSettings:
    for number in range(ROWS):
        put(root / f"{number}.png", picture(number))
        put(root / f"{number}_mask.png", mask(number))
    return FilesSettings(path=str(root), format="image_folders")


SOURCES: list[Callable[[Path], FilesSettings]] = [jsonl, csv, parquet, text_folders, tfrecord, image_folders]


def checked(dataset: Dataset) -> Intake:
    """The intake, which adds up and counts the rows that are there."""
    intake = dataset.manifest.intake
    assert intake is not None
    assert intake.read == dataset.manifest.rows == len(rows_of(dataset.shards)) == ROWS
    assert intake.seen == intake.read + sum(intake.left_out.values())
    return intake


@pytest.mark.parametrize("made", SOURCES, ids=lambda made: made.__name__)
def test_files_of_every_format_count_rows_and_what_lies_beside_them(
    made: Callable[[Path], FilesSettings], tmp_path: Path
) -> None:
    source = made(tmp_path / "in")
    put(tmp_path / "in" / "notes.md")
    put(tmp_path / "in" / "_SUCCESS")
    intake = checked(source_of(source).read(None, tmp_path / "out"))
    assert intake.left_out == {"hidden file": 1, "file with suffix .md": 1}
    assert (
        source_of(source)
        .identity(None)
        .description.endswith("left out: 1 hidden file (_SUCCESS), 1 file with suffix .md (notes.md))")
    )


def test_rows_outside_of_a_window_were_seen(tmp_path: Path) -> None:
    window = ResolvedWindow.model_validate({"start": "2024-01-03T00:00Z", "end": "2024-01-06T00:00Z"})
    intake = source_of(jsonl(tmp_path / "in")).read(window, tmp_path / "out").manifest.intake
    assert intake is not None
    assert (intake.seen, intake.read, intake.left_out) == (ROWS, 3, {"row outside of the window": 4})


def test_a_package_counts_its_other_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    csv(tmp_path / "rows_to_carry")
    put(tmp_path / "rows_to_carry" / "__init__.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    source = FilesSettings(path="package://rows_to_carry")
    assert checked(source_of(source).read(None, tmp_path / "out")).left_out == {"file with suffix .py": 1}


def hub_texts(root: Path) -> HuggingFaceSettings:
    put(root / "train.jsonl", "\n".join(LINES))
    return HuggingFaceSettings(name=str(root))


def hub_pictures(root: Path) -> HuggingFaceSettings:
    features = datasets.Features({"image": datasets.Image(), "mask": datasets.Image()})
    columns = {
        "image": [{"bytes": picture(number, form="TIFF"), "path": None} for number in range(ROWS)],
        "mask": [{"bytes": mask(number), "path": None} for number in range(ROWS)],
    }
    put(root / "train.parquet")
    datasets.Dataset.from_dict(columns, features=features).to_parquet(root / "train.parquet")
    return HuggingFaceSettings(name=str(root), columns={"image": "image"})


def shapes(_: Path) -> ShapesSettings:
    return ShapesSettings(count=ROWS, size=32)


@pytest.mark.parametrize("made", [hub_texts, hub_pictures, shapes], ids=lambda made: made.__name__)
def test_other_sources_count_their_rows(
    made: Callable[[Path], AnySource], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    dataset = source_of(made(tmp_path / "in")).read(None, tmp_path / "out")
    assert checked(dataset) == Intake(seen=ROWS, read=ROWS)
    if "image" in dataset.manifest.columns:
        for row in rows_of(dataset.shards):
            decode_picture(row["image"], PICTURE_FORMATS)


@pytest.mark.parametrize("kind", ["binary_view", "dictionary", "large_binary"])
def test_pictures_of_the_hub_are_read_however_they_are_stored(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    encoded = pa.array([picture(number) for number in range(ROWS)], pa.binary())
    column = encoded.dictionary_encode() if kind == "dictionary" else encoded.cast(getattr(pa, kind)())
    put(tmp_path / "in" / "train.parquet")
    pq.write_table(pa.table({"image": column, "mask": [mask()] * ROWS}), tmp_path / "in" / "train.parquet")
    dataset = source_of(HuggingFaceSettings(name=str(tmp_path / "in"), columns={"image": "image"})).read(
        None, tmp_path / "out"
    )
    assert [row["image"] for row in rows_of(dataset.shards)] == encoded.to_pylist()
    checked(dataset)
