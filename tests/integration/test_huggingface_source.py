"""The real `datasets` library on a folder laid out like a data set of the Hub."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evergreen.adapters.huggingface.settings import HuggingFaceSettings
from evergreen.adapters.huggingface.source import HuggingFaceSource
from evergreen.core.errors import EvergreenError, InputError
from evergreen.core.members import source_of
from tests.pictures import mask, picture, pixels
from tests.rows import rows_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    import datasets

    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["World", "Sports"])}
    )
    (tmp_path / "news" / "data").mkdir(parents=True)
    for split, count in [("train", 2_500), ("test", 3)]:
        columns = {"text": [f"{split} {n}" for n in range(count)], "label": [n % 3 - 1 for n in range(count)]}
        datasets.Dataset.from_dict(columns, features=features).to_parquet(
            tmp_path / "news" / "data" / f"{split}-00000.parquet"
        )
    return tmp_path / "news"


def read(tmp_path: Path, **fields: Any) -> list[dict[str, Any]]:
    return rows_of(source_of(HuggingFaceSettings(**fields)).read(None, tmp_path / "out").shards)


@pytest.mark.parametrize("name", ["./news", "/data/news", "../news", "~/news", "data/news/2024", "C:\\news", ".\\news"])
def test_a_folder_that_is_not_there_is_told_as_one_and_the_hub_not_asked(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HuggingFaceSource, "_commit", lambda _: pytest.fail("the Hub was asked"))
    with pytest.raises(InputError, match=r"is no folder here \(looked in .*\), and no data set of the Hub"):
        source_of(HuggingFaceSettings(name=name)).identity(None)


def test_all_splits_are_streamed_and_class_numbers_become_names(folder: Path, tmp_path: Path) -> None:
    rows = read(tmp_path, name=str(folder), splits=("train", "test"))
    assert len(rows) == 2_503
    assert rows[2_499] == {"id": "train:2500", "text": "train 2499", "label": None}
    assert [(row["id"], row["label"]) for row in rows[2_500:]] == [
        ("test:1", None),
        ("test:2", "World"),
        ("test:3", "Sports"),
    ]


def test_label_names_of_the_configuration_go_first(folder: Path, tmp_path: Path) -> None:
    rows = read(tmp_path, name=str(folder), splits=("test",), label_names={-1: "none", 0: "welt", 1: "sport"})
    assert [row["label"] for row in rows] == ["none", "welt", "sport"]


def test_csv_without_class_names_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "train.csv").write_text("content,category\nA goal.,Sports\n")
    rows = read(tmp_path, name=str(tmp_path / "plain"), columns={"text": "content", "label": "category"})
    assert rows == [{"id": "train:1", "text": "A goal.", "label": "Sports"}]


@pytest.mark.parametrize("name", ["news", "news/", "news/news.py"])
def test_a_folder_with_a_loading_script_is_refused_by_its_identity(folder: Path, name: str) -> None:
    (folder / "news.py").write_text("raise SystemExit(9)")
    source = HuggingFaceSettings(name=f"{folder.parent}/{name}")
    with pytest.raises(InputError, match=r"source\.name '.*' is a.*loading script.*code is never run"):
        source_of(source).identity(None)


def test_a_git_lfs_pointer_in_a_folder_is_named(folder: Path) -> None:
    (folder / "data" / "more.parquet").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(InputError, match=r"data/more\.parquet is a Git LFS pointer"):
        source_of(HuggingFaceSettings(name=str(folder))).identity(None)


def test_several_columns_are_joined(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "train.csv").write_text("title,body,label\nA,b,x\n")
    rows = read(tmp_path, name=str(tmp_path / "plain"), columns={"text": ["title", "body"]}, text_separator=": ")
    assert rows[0]["text"] == "A: b"


def test_identity_follows_content_splits_and_columns(folder: Path) -> None:
    def fingerprint(**fields: Any) -> str:
        return source_of(HuggingFaceSettings(name=str(folder), **fields)).identity(None).fingerprint

    same = fingerprint()
    assert fingerprint() == same
    assert fingerprint(splits=("test",)) != same
    pq.write_table(pa.table({"text": ["a"], "label": [0]}), folder / "data" / "train-00001.parquet")
    assert fingerprint() != same


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"splits": ("dev",)}, "Bad split: dev. Available splits: .*set source"),
        ({"config_name": "large"}, "BuilderConfig 'large' not found"),
        ({"columns": {"text": "body"}}, r"column 'body' missing from split 'train' of .*\(has: 'text', 'label'\)"),
        ({"token_env": "NO_SUCH_TOKEN"}, "environment variable NO_SUCH_TOKEN is not set"),
    ],
)
def test_what_the_data_set_lacks_is_an_error(
    folder: Path, tmp_path: Path, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path, name=str(folder), **fields)
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_a_hub_out_of_reach_is_not_the_users_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(EvergreenError, match="does not answer for data set 'no/where'") as caught:
        source_of(HuggingFaceSettings(name="no/where")).identity(None)
    assert not isinstance(caught.value, InputError)


def test_sources_are_imported_without_the_libraries_behind_them() -> None:
    code = (
        "import sys, evergreen.adapters, evergreen.data.split, evergreen.tasks.text_classification.examinable;"
        "print([name for name in ('datasets', 'torch', 'duckdb', 'pyarrow', 'huggingface_hub') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"


PETS = {"columns": {"image": "picture", "mask": "trimap", "split": "split", "species": "species"}}


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Pictures and trimaps of 1 to 3 in Parquet with the Hub's Image features."""
    import datasets

    features = datasets.Features(
        {
            "picture": datasets.Image(),
            "trimap": datasets.Image(),
            "label": datasets.ClassLabel(names=["cat", "dog"]),
            "species": datasets.Value("string"),
        }
    )
    (tmp_path / "pets" / "data").mkdir(parents=True)
    for split, count in [("train", 70), ("test", 2)]:
        columns = {
            "picture": [{"bytes": picture(n, form="JPEG"), "path": f"{n}.jpg"} for n in range(count)],
            "trimap": [{"bytes": mask([[1, 2, 3, 1, 2, 3]] * 4), "path": None}] * count,
            "label": [n % 2 for n in range(count)],
            "species": ["Pug"] * count,
        }
        datasets.Dataset.from_dict(columns, features=features).to_parquet(
            tmp_path / "pets" / "data" / f"{split}-00000.parquet"
        )
    return tmp_path / "pets"


def test_pictures_and_trimaps_of_a_data_set_come_with_its_splits(pets: Path, tmp_path: Path) -> None:
    fields = PETS | {"mask_classes": {1: 0, 2: 1, 3: 2}}
    rows = read(tmp_path, name=str(pets), splits=("train", "test"), **fields)
    assert [row["split"] for row in rows] == ["train"] * 70 + ["test"] * 2
    assert set(rows[71]) == {"id", "image", "mask", "split", "species"}
    assert (rows[71]["id"], rows[71]["image"], rows[71]["species"]) == ("test:2", picture(1, form="JPEG"), "Pug")
    assert pixels(rows[71]["mask"]).tolist() == [[0, 1, 2, 0, 1, 2]] * 4


def test_class_names_of_pictures_are_for_slices(pets: Path, tmp_path: Path) -> None:
    columns = {"image": "picture", "mask": "trimap", "label": "label"}
    assert [row["label"] for row in read(tmp_path, name=str(pets), splits=("test",), columns=columns)] == ["cat", "dog"]


def test_pictures_that_a_data_set_names_the_files_of_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "streets" / "train"
    folder.mkdir(parents=True)
    (folder / "a.png").write_bytes(picture(1))
    (folder / "a-mask.png").write_bytes(mask(2))
    (folder / "metadata.jsonl").write_text('{"file_name": "a.png", "mask_file_name": "a-mask.png"}')
    rows = read(tmp_path, name=str(tmp_path / "streets"), columns={"image": "image"})
    assert rows == [{"id": "train:1", "image": picture(1), "mask": mask(2)}]


@pytest.mark.parametrize("column", ["picture", "trimap"])
@pytest.mark.parametrize(
    "path",
    ["{outside}", "{pets}/../secret.txt", "zip://a.png::{outside}", "{outside}::{pets}/a.zip", "file://{outside}"],
)
def test_a_data_set_reads_no_file_of_the_machine_beside_its_own(
    pets: Path, tmp_path: Path, column: str, path: str
) -> None:
    import datasets

    (tmp_path / "secret.txt").write_text("swordfish")
    named = {"bytes": None, "path": path.format(outside=tmp_path / "secret.txt", pets=pets)}
    content = {"picture": [{"bytes": picture(0), "path": None}], "trimap": [{"bytes": mask([[1]]), "path": None}]}
    features = datasets.Features({"picture": datasets.Image(), "trimap": datasets.Image()})
    table = pa.Table.from_pydict(content | {column: [named]}, schema=features.arrow_schema)
    pq.write_table(table, pets / "data" / "train-00000.parquet")
    columns = {"image": "picture", "mask": "trimap"}
    with pytest.raises(InputError, match=f"column '{column}' only names the file '.*', which is no part of data set"):
        read(tmp_path, name=str(pets), columns=columns)
    assert not any(b"swordfish" in shard.read_bytes() for shard in (tmp_path / "out").rglob("*.parquet"))


def test_a_data_set_without_masks_says_what_it_has(pets: Path, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"column 'mask' missing from split 'test' of .* \(has: 'picture', 'trimap', 'label'"
    ):
        read(tmp_path, name=str(pets), splits=("test",), columns={"image": "picture"})
