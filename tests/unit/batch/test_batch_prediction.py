from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evergreen.adapters.files.output_settings import FilesOutput
from evergreen.adapters.files.predictions import FilesPredictions
from evergreen.adapters.files.settings import FilesSettings
from evergreen.adapters.files.table_writers import table_writer
from evergreen.adapters.shapes.settings import ShapesSettings
from evergreen.batch.answering import answers_of
from evergreen.batch.columns import Columns
from evergreen.batch.job import cut, run
from evergreen.batch.plan import Asked, job_of
from evergreen.core.batch import Part
from evergreen.core.errors import EvergreenError, InputError, RequestTooLargeError
from evergreen.tasks.budget import batches_within
from tests.batches import MODEL, TASK, Keywords, job, keywords, texts


@pytest.fixture
def predictor() -> Iterator[Keywords]:
    with keywords() as made:
        yield made


def write(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return path


def read(path: Path) -> list[dict[str, Any]]:
    if path.is_dir():
        return [row for part in sorted(path.glob("*.parquet")) for row in pq.read_table(part).to_pylist()]
    if path.suffix == ".parquet":
        return list(pq.read_table(path).to_pylist())
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("source", ["in.csv", "in.jsonl", "in.parquet"])
@pytest.mark.parametrize("output", ["out.csv", "out.jsonl", "out.parquet", "out"])
def test_every_row_comes_back_once_in_order_with_its_prediction_or_why_it_has_none(
    tmp_path: Path, predictor: Keywords, source: str, output: str
) -> None:
    rows = texts(25)
    report = run(job(write(tmp_path / source, rows), tmp_path / output), workers=1)
    written = read(tmp_path / output)
    assert [{"id": row["id"], "text": row["text"]} for row in written] == rows
    labels = [row["label"] or None for row in written]
    assert labels[:7] == ["sport", "business", "sport", "business", "sport", "business", None]
    assert [row["error"] or None for row in written] == ["'text' is blank" if n % 7 == 6 else None for n in range(25)]
    assert json.loads(written[0]["probabilities"]) == pytest.approx({"sport": 2 / 3, "business": 1 / 3})
    assert {row["version"] for row in written} == {"0a1b2c3d4e5f"}
    assert (report.rows, report.predicted, report.unusable, report.parts) == (25, 25, 3, 3)
    assert report.reasons == {"'text' is blank": 3}
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source, output])


def test_rows_are_predicted_with_others_of_their_size(predictor: Keywords) -> None:
    instances = [{"text": " ".join(["a"] * count)} for count in (1, 9, 2, 8, 1, 30)]
    answers_of(predictor, instances)
    assert predictor.seen == [[30], [9], [8], [2, 1, 1]]


def test_a_pass_holds_no_more_than_the_budget() -> None:
    sizes = np.array([3, 50, 7, 7, 1])
    made = [list(rows) for rows in batches_within(sizes, 14)]
    assert made == [[1], [2, 3], [0, 4]]


def test_a_row_that_cannot_be_used_costs_no_other_row_anything(predictor: Keywords) -> None:
    given: list[Any] = [{"text": "a match"}, {"text": ""}, 7, {"text": "stocks"}, {"body": "goal"}]
    answers = answers_of(predictor, given)
    labels = [answer if isinstance(answer, str) else answer["label"] for answer in answers]
    missing = '\'text\' is missing or no string; send {"text": "…"}'
    assert labels == ["sport", "'text' is blank", missing, "business", missing]


def test_inputs_that_are_too_large_together_are_decoded_apart(predictor: Keywords) -> None:
    whole = predictor.decode

    def decode(instances: Sequence[Any]) -> list[str]:
        if sum(len(instance["text"]) for instance in instances) > 10:
            raise RequestTooLargeError("more than 10 characters together")
        return whole(instances)

    predictor.decode = decode  # type: ignore[method-assign]
    answers = answers_of(predictor, [{"text": "goal goal"}, {"text": "a goal"}, {"text": "stocks and more of them"}])
    assert [type(answer) for answer in answers] == [dict, dict, str]
    assert answers[2] == "more than 10 characters together"


def test_what_a_decoder_stumbles_over_is_that_row_alone(predictor: Keywords) -> None:
    whole = predictor.decode

    def decode(instances: Sequence[Any]) -> list[str]:
        if any(instance["text"] == "odd" for instance in instances):
            raise ZeroDivisionError
        return whole(instances)

    predictor.decode = decode  # type: ignore[method-assign]
    answers = answers_of(predictor, [{"text": "goal"}, {"text": "odd"}, {"text": "match"}])
    assert answers[1] == "cannot be decoded; look at it"
    assert [type(answer) for answer in answers] == [dict, str, dict]


def test_a_job_that_was_cut_off_predicts_what_is_missing_alone(tmp_path: Path, predictor: Keywords) -> None:
    source = write(tmp_path / "in.csv", texts(40))
    whole = predictor.predict
    seen: list[str] = []

    def predict(batch: Sequence[str]) -> list[dict[str, float]]:
        seen.extend(batch)
        if any(text.endswith(" 25") for text in seen):
            raise EvergreenError("the machine is switched off")
        return whole(batch)

    predictor.predict = predict  # type: ignore[method-assign]
    with pytest.raises(EvergreenError, match="switched off"):
        run(job(source, tmp_path / "out.csv"), workers=1)
    assert not (tmp_path / "out.csv").exists()
    predictor.predict, before = whole, list(seen)  # type: ignore[method-assign]
    again: list[list[int]] = predictor.seen
    again.clear()
    report = run(job(source, tmp_path / "out.csv"), workers=1)
    assert (report.rows, report.predicted, report.unusable) == (40, 20, 5)
    assert [row["id"] for row in read(tmp_path / "out.csv")] == [str(n) for n in range(40)]
    assert sum(map(len, again)) == 1 + 17  # the example, and the rows of two shards that are not blank
    assert len(before) > 18
    assert not list(tmp_path.glob(".*"))


def test_a_folder_keeps_no_part_of_other_rows_or_versions(tmp_path: Path, predictor: Keywords) -> None:
    run(job(write(tmp_path / "in.csv", texts(25)), tmp_path / "out"), workers=1)
    (tmp_path / "out" / "notes.txt").write_text("not ours")
    run(job(write(tmp_path / "in.csv", texts(12)), tmp_path / "out"), workers=1)
    assert [row["id"] for row in read(tmp_path / "out")] == [str(n) for n in range(12)]
    assert (tmp_path / "out" / "notes.txt").exists()
    report = run(job(tmp_path / "in.csv", tmp_path / "out"), workers=1)
    assert (report.rows, report.predicted) == (12, 0)


def test_chosen_columns_alone_are_kept_beside_predictions(tmp_path: Path, predictor: Keywords) -> None:
    rows = [{"id": "1", "text": "goal", "label": "truth", "long": "…"}]
    source = write(tmp_path / "in.csv", rows)
    run(job(source, tmp_path / "out.csv", keep=("id", "label")), workers=1)
    (row,) = read(tmp_path / "out.csv")
    added = ["predicted_label", "score", "probabilities", "version", "error"]
    assert list(row) == ["id", "label", *added]
    assert (row["label"], row["predicted_label"]) == ("truth", "sport")
    with pytest.raises(InputError, match=r"column 'titel' missing from .*in\.csv \(has: 'id'.*set keep"):
        run(job(source, tmp_path / "out.csv", keep=("titel",)), workers=1)


def test_a_missing_column_is_told_before_the_model_is_loaded(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", [{"body": "goal"}])
    with pytest.raises(InputError, match=r"column 'text' missing from files .*in\.csv"):
        run(job(source, tmp_path / "out.csv"), workers=1)


def test_a_row_of_json_lines_that_lacks_the_column_is_told(tmp_path: Path, predictor: Keywords) -> None:
    source = write(tmp_path / "in.jsonl", [{"text": "goal"}, {"body": "goal"}])
    run(job(source, tmp_path / "out.jsonl"), workers=1)
    assert [row["error"] for row in read(tmp_path / "out.jsonl")] == [None, "has no 'text'"]


def test_several_columns_are_asked_about_as_the_source_joins_them(tmp_path: Path, predictor: Keywords) -> None:
    write(tmp_path / "in.csv", [{"title": "a match", "body": "the bank, a goal"}])
    rows = FilesSettings(path=str(tmp_path / "in.csv"), columns={"text": ("title", "body")})
    run(job(rows, tmp_path / "out.csv"), workers=1)
    assert predictor.seen[-1] == [6]


def test_parquet_keeps_the_types_of_its_columns(tmp_path: Path, predictor: Keywords) -> None:
    when = datetime(2026, 5, 1, tzinfo=UTC)
    table = pa.table(
        {
            "n": pa.array([None, 2], pa.int32()),
            "text": ["goal", ""],
            "when": pa.array([when, None], pa.timestamp("us", "UTC")),
        }
    )
    pq.write_table(table, tmp_path / "in.parquet")
    for output in ("out.parquet", "out"):
        run(job(tmp_path / "in.parquet", tmp_path / output, shard_rows=1), workers=1)
        parts = [tmp_path / output] if output == "out.parquet" else sorted((tmp_path / output).iterdir())
        for part in parts:
            schema = pq.read_schema(part)
            kinds = {name: str(schema.field(name).type) for name in schema.names}
            assert kinds == {
                "n": "int32",
                "text": "string",
                "when": "timestamp[us, tz=UTC]",
                "label": "string",
                "score": "double",
                "probabilities": "string",
                "version": "string",
                "error": "string",
            }
    assert [row["n"] for row in read(tmp_path / "out.parquet")] == [None, 2]


def test_text_is_read_and_written_in_the_dialect_of_the_input(tmp_path: Path, predictor: Keywords) -> None:
    (tmp_path / "in.csv").write_bytes("text;n\nété goal;1\n".encode("utf-16"))
    rows = FilesSettings(path=str(tmp_path / "in.csv"), encoding="utf-16", delimiter=";")
    run(job(rows, tmp_path / "out.csv.gz"), workers=1)
    written = gzip.decompress((tmp_path / "out.csv.gz").read_bytes()).decode("utf-16")
    assert written.startswith("text;n;label;score;probabilities;version;error\nété goal;1;sport;")


def test_all_files_of_a_folder_are_predicted(tmp_path: Path, predictor: Keywords) -> None:
    (tmp_path / "in").mkdir()
    write(tmp_path / "in" / "b.csv", [{"text": "goal"}])
    write(tmp_path / "in" / "a.csv", [{"text": "bank"}])
    run(job(tmp_path / "in", tmp_path / "out.csv"), workers=1)
    assert [row["label"] for row in read(tmp_path / "out.csv")] == ["business", "sport"]


def test_bytes_in_predictions_are_bytes_in_parquet() -> None:
    columns = Columns(("image",)).with_bytes(["mask"]).answered([{"mask": "iVBORw0=", "shares": {"cat": 1.0}}])
    assert columns.answers == {"mask": "binary", "shares": "string"}
    assert columns.added({"mask": "iVBORw0=", "shares": {}}, "v")["mask"] == b"\x89PNG\r"[:5]
    assert Columns(("image",)).added({"mask": "iVBORw0="}, "v")["mask"] == "iVBORw0="


def test_few_rows_are_shared_out_among_the_workers() -> None:
    rows = [{"text": "a"} for _ in range(10)]
    assert [len(shard.rows) for shard in cut(iter(rows), 100, 4)] == [3, 3, 3, 1]
    assert [len(shard.rows) for shard in cut(iter(rows), 4, 2)] == [4, 4, 2]
    assert [shard.number for shard in cut(iter(rows), 4, 2)] == [0, 1, 2]


def test_a_shard_of_large_rows_ends_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evergreen.batch.job.SHARD_BYTES", 25)
    rows = [{"image": b"0123456789"} for _ in range(5)]
    assert [len(shard.rows) for shard in cut(iter(rows), 100, 1)] == [3, 2]


@pytest.mark.parametrize("name", ["out.csv", "out.csv.gz", "out.tsv", "out.jsonl", "out.parquet"])
def test_a_file_that_was_not_predicted_is_left_alone_and_an_earlier_output_is_replaced(
    tmp_path: Path, predictor: Keywords, name: str
) -> None:
    source, output = write(tmp_path / "in.csv", texts(25)), tmp_path / name
    with table_writer(output, FilesSettings(path=name)) as writer:
        writer.write([{"id": "1", "version": "2.0", "error": ""}])
    mine = output.read_bytes()
    with pytest.raises(InputError, match=r"'id', 'version', 'error'\) and is left alone; name another path, or remove"):
        run(job(source, output), workers=1)
    assert (output.read_bytes(), predictor.seen) == (mine, [])
    output.unlink()
    for rows in (25, 25, 12):
        report = run(job(write(source, texts(rows)), output), workers=1)
        assert (report.rows, report.predicted) == (rows, rows)


@pytest.mark.parametrize("content", [b"\x89PNG\r\n", b"id,text\n", b"a\0b\n", b"[1]\n"])
@pytest.mark.parametrize("name", ["out.csv", "out.jsonl.gz", "out.parquet"])
def test_what_is_no_table_is_left_alone_too(tmp_path: Path, predictor: Keywords, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=r"is there already, ends with no version and error of a prediction \(it"):
        run(job(write(tmp_path / "in.csv", texts(3)), tmp_path / name), workers=1)
    assert (tmp_path / name).read_bytes() == content
    assert predictor.seen == []


def test_an_empty_file_as_of_mktemp_is_no_loss_and_a_folder_of_that_name_is_told(
    tmp_path: Path, predictor: Keywords
) -> None:
    source = write(tmp_path / "in.csv", texts(3))
    (tmp_path / "out.csv").touch()
    assert run(job(source, tmp_path / "out.csv"), workers=1).rows == 3
    (tmp_path / "out.jsonl").mkdir()
    with pytest.raises(InputError, match=r"out\.jsonl is a folder"):
        run(job(source, tmp_path / "out.jsonl"), workers=1)


def test_a_file_that_cannot_be_read_is_told_so_and_nothing_is_predicted(tmp_path: Path, predictor: Keywords) -> None:
    output = tmp_path / "out.csv"
    output.symlink_to(output)
    with pytest.raises(InputError, match=r"out\.csv is there already and cannot be read: .*symbolic links"):
        run(job(write(tmp_path / "in.csv", texts(3)), output), workers=1)
    assert predictor.seen == []


def test_a_file_that_came_while_rows_were_predicted_is_left_alone_and_the_parts_stay(
    tmp_path: Path, predictor: Keywords
) -> None:
    source, output = write(tmp_path / "in.csv", texts(25)), tmp_path / "out.csv"

    def put(_: int) -> None:
        output.write_text("my,own\n1,2\n")

    with pytest.raises(InputError, match="is there already"):
        run(job(source, output), workers=1, told=put)
    assert output.read_text() == "my,own\n1,2\n"
    output.unlink()
    report = run(job(source, output), workers=1)
    assert (report.rows, report.predicted) == (25, 0)


@pytest.mark.parametrize("path", ["out.xlsx", "no/such/folder/out.csv"])
def test_an_output_that_cannot_be_written_is_told_first(tmp_path: Path, path: str) -> None:
    source = write(tmp_path / "in.csv", texts(2))
    with pytest.raises(InputError, match=r"unknown format \.xlsx|no folder .*no/such/folder"):
        run(job(source, tmp_path / path), workers=1)


@pytest.mark.parametrize(
    ("output", "told"), [("out.csv", True), ("out.tsv.gz", True), ("out.jsonl", False), ("out", False)]
)
def test_labels_that_a_spreadsheet_takes_for_formulas_are_told(tmp_path: Path, output: str, told: bool) -> None:
    rows = Asked(FilesSettings(path=str(write(tmp_path / "in.csv", texts(1)))))
    task = TASK.model_copy(update={"labels": ("=1+1", "sport", "@b")})
    note = job_of("news", MODEL, task, rows, FilesOutput(path=str(tmp_path / output))).note
    assert note == (
        "labels such as '=1+1', '@b' begin with =, +, - or @, which a spreadsheet takes for formulas: open it as text"
        if told
        else None
    )
    assert job(tmp_path / "in.csv", tmp_path / output).note is None


def test_nothing_to_predict_is_told(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("text\n")
    with pytest.raises(InputError, match="holds no rows"):
        run(job(tmp_path / "in.csv", tmp_path / "out.csv"), workers=1)
    with pytest.raises(InputError, match="rows of kind shapes cannot be predicted"):
        job(ShapesSettings(), tmp_path / "out.csv")


def test_a_part_is_known_by_its_name() -> None:
    part = Part(3, "9f2c41d07be8a615", 12)
    assert (str(part), Part.parse(str(part))) == ("00003-9f2c41d07be8a615-12", part)
    assert Part.parse("rows-00001") is None


def test_parts_of_a_table_lie_hidden_beside_it(tmp_path: Path) -> None:
    store = FilesPredictions(FilesOutput(path=str(tmp_path / "out.csv")))
    (tmp_path / "part.jsonl").write_text('{"a": 1}\n')
    store.put(Part(0, "9f2c41d07be8a615", 0), tmp_path / "part.jsonl")
    assert list(store.known()) == [Part(0, "9f2c41d07be8a615", 0)]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == [".out.csv.parts"]
