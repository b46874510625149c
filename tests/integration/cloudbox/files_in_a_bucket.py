"""Reads and writes files in a bucket with Google's clients: prints JSON."""

from __future__ import annotations

import gzip
import json
import os
import sys
import tempfile
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

warnings.simplefilter("ignore")  # Google's clients announce the end of Python versions

from google.cloud import storage  # noqa: E402 - after the filter

from evergreen.adapters.files import cloud  # noqa: E402 - after the filter
from evergreen.adapters.files.settings import FilesSettings  # noqa: E402 - after the filter
from evergreen.adapters.gcs.transfers import Transfers  # noqa: E402 - after the filter
from evergreen.core.coverage import Coverage  # noqa: E402 - after the filter
from evergreen.core.errors import EvergreenError  # noqa: E402 - after the filter
from evergreen.core.members import source_of  # noqa: E402 - after the filter
from evergreen.core.part import PartOfSource  # noqa: E402 - after the filter
from evergreen.core.preparation import Prepared  # noqa: E402 - after the filter
from evergreen.data.freshness import coverage_after  # noqa: E402 - after the filter
from evergreen.data.prepare import Plan, Times, prepare, target_columns  # noqa: E402 - after the filter
from evergreen.data.row_fields import TEXT_COLUMNS  # noqa: E402 - after the filter
from evergreen.serving.model import read_object  # noqa: E402 - after the filter
from tests.pictures import mask, picture  # noqa: E402 - after the filter
from tests.rows import dataset_of, rows_of  # noqa: E402 - after the filter
from tests.tfrecords import example, framed  # noqa: E402 - after the filter

PARTS = 40
END = datetime(2026, 1, 10, tzinfo=UTC)


def shard(number: int) -> bytes:
    return framed([example({"image": picture(number), "label": mask(number)})])


FILES = {
    **{f"csv/part-{number:02d}.csv": f"text,label\nrow {number},x\n".encode() for number in range(PARTS)},
    "csv/_SUCCESS": b"",
    "csv/.hidden.csv": b"text,label\nhidden,x\n",
    "csv/": b"",  # as the console makes a folder
    "lines/news.jsonl.gz": gzip.compress(b'{"text": "a", "label": "x"}\n'),
    "folders/sports/1.txt": "Café won.".encode("cp1252"),
    "folders/tech/2.txt": b"A chip.",
    "mixed/a.csv": b"text,label\na,x\n",
    "mixed/b.jsonl": b'{"text": "a", "label": "x"}\n',
    "empty/readme.md": b"nothing",
    "streets/images/01.jpg": picture(1, form="JPEG"),
    "streets/images/02.png": picture(2),
    "streets/masks/01.png": mask(1),
    **{f"shards/{name}-00-1.tfrec": shard(number) for number, name in enumerate(("train", "val"))},
}


def fill(bucket: str) -> None:
    made = storage.Client().create_bucket(bucket)
    for name, content in FILES.items():
        made.blob(name).upload_from_string(content)


def outcome_of(act: Callable[[], Any]) -> Any:
    try:
        return act()
    except EvergreenError as error:
        return f"{type(error).__name__}: {error}"


def read(folder: Path, path: str, **fields: Any) -> Any:
    source = FilesSettings(path=path, **fields)
    return outcome_of(
        lambda: [[row["id"], row["text"], row["label"]] for row in rows_of(source_of(source).read(None, folder).shards)]
    )


def pictures(folder: Path) -> dict[str, Any]:
    """What is read of folders of pictures and of shards: ids, and what `split` and the digests of bytes say."""
    fields: dict[str, Any] = {"path": "gs://local-news/streets/images", "masks": "gs://local-news/streets/masks"}
    streets = FilesSettings(format="image_folders", **fields)
    columns = {"mask": "label", "split": "split"}
    shards = FilesSettings(path="gs://local-news/shards/*.tfrec", format="tfrecord", columns=columns)
    rows = {
        name: rows_of(source_of(settings).read(None, folder).shards)
        for name, settings in (("streets", streets), ("shards", shards))
    }
    return {
        "streets": [
            [row["id"], row["image"] == picture(1, form="JPEG"), row["mask"] == mask(1)] for row in rows["streets"]
        ],
        "shards": [[row["id"], row["split"], row["mask"] == mask(n)] for n, row in enumerate(rows["shards"])],
        "description": source_of(streets).identity(None).description,
        "came": came(folder, fields),
    }


def came(folder: Path, fields: dict[str, Any]) -> list[bool]:
    """Whether a picture came with the later one of it and its mask."""
    found = rows_of(
        source_of(FilesSettings(format="image_folders", arrived="ingestion", **fields)).read(None, folder).shards
    )
    listed = {
        file.path.partition("/streets/")[2]: file.created
        for place in ("images", "masks")
        for file in cloud.list_cloud(f"gs://local-news/streets/{place}")[1]
    }
    expected = [max(listed["images/01.jpg"], listed["masks/01.png"]), listed["images/02.png"]]
    return [row["arrived"] == time for row, time in zip(found, expected, strict=True)]


def reading(folder: Path) -> dict[str, Any]:
    news = "gs://local-news"
    said = {
        "folder": read(folder, f"{news}/csv/"),
        "glob": read(folder, f"{news}/csv/part-0[0-2]*.csv"),
        "deep": read(folder, f"{news}/**/part-39.csv"),
        "object": read(folder, f"{news}/lines/news.jsonl.gz"),
        "text_folders": read(folder, f"{news}/folders", fallback_encoding="cp1252"),
        "one_format": read(folder, f"{news}/mixed", format="jsonl"),
        "several_formats": read(folder, f"{news}/mixed"),
        "missing": read(folder, f"{news}/nothing.csv"),
        "no_match": read(folder, f"{news}/csv/*.tsv"),
        "no_bucket": read(folder, "gs://local-nobody/news.csv"),
        "unreadable": read(folder, f"{news}/empty"),
        "wrong_column": read(folder, f"{news}/csv/part-00.csv", columns={"text": "content"}),
    }
    said["left"] = [path.name for path in Path(tempfile.gettempdir()).iterdir()]
    return said


def identities() -> dict[str, Any]:
    """Of equal and of other bytes, with a client that cannot read any."""
    whole = Transfers.get

    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError("a file was read")

    Transfers.get = refuse  # type: ignore[method-assign]  # put back below
    here, there = (
        source_of(FilesSettings(path=f"gs://{name}/csv")).identity(None) for name in ("local-news", "local-copy")
    )
    storage.Client().bucket("local-copy").blob("csv/part-07.csv").upload_from_string(b"text,label\nother,x\n")
    other = source_of(FilesSettings(path="gs://local-copy/csv")).identity(None)
    Transfers.get = whole  # type: ignore[method-assign]
    return {
        "equal": here.fingerprint == there.fingerprint,
        "other": here.fingerprint != other.fingerprint,
        "description": here.description,
    }


def changing() -> Any:
    """A file that is written anew between listing and reading."""
    _, files, _ = cloud.list_cloud("gs://local-copy/csv")
    storage.Client().bucket("local-copy").blob("csv/part-03.csv").upload_from_string(b"text,label\nchanged,x\n")
    return outcome_of(lambda: [path.read_text() for path in cloud.fetch_each("gs://local-copy/csv", files)])


def prepared(folder: Path, text: str) -> Prepared:
    dataset = dataset_of([("1", text, "x")], folder / "rows")
    return prepare(dataset, Plan(Times(END, 4, seed=0), target_columns(TEXT_COLUMNS)), folder / "prepared.parquet")


def preparing(folder: Path) -> list[Any]:
    """Two preparations of a folder, one of a folder whose name is the beginning of its own, one beside other files."""
    source = FilesSettings(path="gs://local-copy/prepared", columns={"timestamp": "timestamp"})
    destination = source_of(source).destination(windowed=True)
    for text in ("a", "b"):
        destination.store(prepared(folder, text), append=False)
    replaced = read(folder / "out", source.path)
    destination.store(prepared(folder, "c"), append=True)
    added = read(folder / "out", source.path)
    source_of(FilesSettings(path="gs://local-copy/prep")).destination(windowed=True).store(
        prepared(folder, "d"), append=False
    )
    beside = sorted(row[1] for row in read(folder / "out", source.path))
    own = source_of(FilesSettings(path="gs://local-copy/csv")).destination(windowed=True)
    return [
        replaced,
        sorted(row[1] for row in added),
        beside,
        outcome_of(lambda: own.store(prepared(folder, "a"), append=False)),
    ]


def put(name: str, content: str) -> None:
    storage.Client().bucket("local-news").blob(name).upload_from_string(content)


class Nights:
    """Runs on what came to a folder of the bucket; each may be disturbed between its count and its read."""

    def __init__(self, folder: Path, **fields: Any) -> None:
        self._source, self._folder = source_of(FilesSettings(**fields)), folder
        self._since = Coverage()

    def night(self, disturb: Callable[[], None] = lambda: None) -> list[Any]:
        """How many rows are new, the ids that were read, and whether they are those that were counted."""
        found = self._source.find_new(PartOfSource(since=self._since, until=datetime.now(UTC), lag="0"))
        disturb()
        if not found.new:
            return [0, [], True]
        try:
            dataset = self._source.read_new(found.part, self._folder)
        except EvergreenError as error:
            return [found.new, str(error), False]
        if dataset.manifest.source != found.identity:
            return [found.new, sorted(row["id"] for row in rows_of(dataset.shards)), False]
        self._since = coverage_after(dataset, found.part, None)
        return [found.new, sorted(row["id"] for row in rows_of(dataset.shards)), True]


def ingestion(folder: Path) -> list[Any]:
    """Objects that tell by themselves when their rows came; another is written, and one anew, while a run reads."""
    nights = Nights(folder, path="gs://local-news/loads", arrived="ingestion")
    put("loads/1.csv", "text,label\na,x\nb,x\n")
    first = nights.night(lambda: put("loads/2.csv", "text,label\nc,x\n"))
    second, quiet = nights.night(), nights.night()
    labelled = storage.Client().bucket("local-news").blob("loads/1.csv")
    labelled.metadata = {"team": "news"}
    labelled.patch()
    untouched = nights.night()
    put("loads/3.csv", "text,label\nd,x\n")
    told_anew = nights.night(lambda: put("loads/3.csv", "text,label\nd anew,x\n"))
    return [first, second, quiet, untouched, told_anew, nights.night()]


def arrivals(folder: Path) -> list[Any]:
    """Rows that tell when they came; while a run reads, others come later than those it counted, and earlier."""
    columns = {"id": "id", "arrived": "came"}
    nights = Nights(folder, path="gs://local-news/rows/*.jsonl", columns=columns)

    def row(name: str, day: int) -> Callable[[], None]:
        content = {"id": name, "text": f"words of {name}", "label": "x", "came": f"2026-01-{day:02d}T00:00:00Z"}
        return lambda: put(f"rows/{name}.jsonl", json.dumps(content))

    row("b", 2)()
    first = nights.night(row("d", 4))
    earlier = nights.night(row("c", 3))
    return [first, earlier, nights.night()]


def objects() -> list[Any]:
    """What a server whose requests may name objects of one bucket reads of it."""
    os.environ["EVERGREEN_PICTURE_BUCKETS"] = "local-news"
    return [
        outcome_of(lambda: read_object("gs://local-news/folders/tech/2.txt", 7).decode()),
        outcome_of(lambda: read_object("gs://local-news/folders/tech/2.txt", 6).decode()),
        outcome_of(lambda: read_object("gs://local-news/nothing.png", 7).decode()),
    ]


def main(folder: Path) -> dict[str, Any]:
    for bucket in ("local-news", "local-copy"):
        fill(bucket)
    return {
        **reading(folder / "read"),
        "pictures": pictures(folder / "read"),
        "identities": identities(),
        "changing": changing(),
        "prepared": preparing(folder),
        "ingestion": ingestion(folder / "ingestion"),
        "arrivals": arrivals(folder / "arrivals"),
        "read_object": objects(),
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as rows, tempfile.TemporaryDirectory() as own:
        tempfile.tempdir = own  # so that what is left there is this process' own
        sys.stdout.write(json.dumps(main(Path(rows))))
