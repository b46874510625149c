from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from commands.client import Client
from commands.parser import parse
from commands.predict import main, predict_lines
from commands.predicted_table import Tables, predict_table
from evergreen.adapters.files.rows import read_rows
from evergreen.adapters.files.settings import FilesSettings
from evergreen.adapters.local_endpoint.host import LocalHost
from evergreen.adapters.local_endpoint.settings import LocalHostSettings
from evergreen.core.answers import Predictions
from evergreen.core.errors import EndpointError, InputError, InstanceError, RequestTooLargeError
from evergreen.core.limits import MAX_BODY_BYTES
from evergreen.core.members import source_of
from evergreen.tasks.text_classification.settings import TextClassification


def client(predict: Callable[[Sequence[Any]], Predictions], max_bytes: int = MAX_BODY_BYTES) -> Client:
    return Client(predict, lambda text: {"text": text}, max_bytes)


class Lengths:
    """Answers `long` for texts over ten characters; keeps the size of every request."""

    def __init__(self) -> None:
        self.requests: list[int] = []

    def __call__(self, instances: Sequence[Any]) -> Predictions:
        self.requests.append(len(instances))
        for index, instance in enumerate(instances):
            if not isinstance(instance["text"], str) or not instance["text"].strip():
                raise InstanceError(index, "text is blank")
        labels = ["long" if len(instance["text"]) > 10 else "short" for instance in instances]
        answers = [{"label": label, "score": 0.75, "probabilities": {"long": 0.25, "short": 0.75}} for label in labels]
        return Predictions(answers, "0a1b2c3d4e5f", f"trace{len(self.requests)}")


FIELDS = FilesSettings(path="unused")
ROWS = [{"id": "1", "body": "short"}, {"id": "2", "body": "much, longer\nin two lines"}, {"id": "3", "body": "ü"}]


def write(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(rows)
    return path


def read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return list(pq.read_table(path).to_pylist())
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ","))


@pytest.mark.parametrize("source", ["in.csv", "in.tsv", "in.jsonl", "in.parquet"])
@pytest.mark.parametrize("output", ["out.csv", "out.jsonl", "out.parquet"])
def test_every_row_comes_back_with_its_prediction(tmp_path: Path, source: str, output: str) -> None:
    ask = Lengths()
    tables = Tables(write(tmp_path / source, ROWS), tmp_path / output, "body", FIELDS)
    predict_table(client(ask), tables, batch_size=2)
    written = read(tmp_path / output)
    assert [{"id": row["id"], "body": row["body"]} for row in written] == ROWS
    assert [row["label"] for row in written] == ["short", "long", "short"]
    assert [float(row["score"]) for row in written] == [0.75] * 3
    assert json.loads(written[0]["probabilities"]) == {"long": 0.25, "short": 0.75}
    named = ["label", "score", "probabilities", "trace_id", "index", "version", "error"]
    assert list(written[0]) == ["id", "body", *named]
    asked = [(row["trace_id"], int(row["index"])) for row in written]
    assert asked == [("trace1", 0), ("trace1", 1), ("trace2", 0)]
    assert {(row["version"], row["error"] or None) for row in written} == {("0a1b2c3d4e5f", None)}
    assert ask.requests == [2, 1]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source, output])


@pytest.mark.parametrize(
    ("name", "content", "fields"),
    [
        ("bom.csv", "\ufefftext\nété\n".encode(), {}),
        ("NEWS.CSV", "text\nété\n".encode(), {}),
        ("news.ndjson", b'{"text": "\xc3\xa9t\xc3\xa9"}\n', {}),
        ("news.tsv.gz", gzip.compress("id\ttext\n1\tété\n".encode(), mtime=0), {}),
        ("old.csv", "text\nété\n".encode("cp1252"), {"fallback_encoding": "cp1252"}),
        ("new.csv", "text\nété\n".encode(), {"fallback_encoding": "cp1252"}),
        ("wide.csv", "text;n\nété;1\n".encode("utf-16"), {"encoding": "utf-16", "delimiter": ";"}),
    ],
)
def test_every_table_that_a_run_can_train_on_can_be_predicted(
    tmp_path: Path, name: str, content: bytes, fields: dict[str, str]
) -> None:
    (tmp_path / name).write_bytes(content)
    source = FilesSettings.model_validate({"path": str(tmp_path / name), "columns": {"label": "text"}, **fields})
    assert source_of(source).read(None, tmp_path / "dataset").manifest.rows == 1
    predict_table(client(Lengths()), Tables(tmp_path / name, tmp_path / "out.jsonl", "text", source), batch_size=2)
    (row,) = read(tmp_path / "out.jsonl")
    assert (row["text"], row["label"]) == ("été", "short")


def test_a_compressed_output_is_compressed(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", ROWS)
    predict_table(client(Lengths()), Tables(source, tmp_path / "out.csv.gz", "body", FIELDS), batch_size=2)
    with gzip.open(tmp_path / "out.csv.gz", "rt", encoding="utf-8", newline="") as file:
        assert [row["body"] for row in csv.DictReader(file)] == [row["body"] for row in ROWS]


def test_parquet_columns_keep_their_types(tmp_path: Path) -> None:
    table = pa.table({"n": pa.array([None, 2], pa.int32()), "text": ["a", "b"]})
    pq.write_table(table, tmp_path / "in.parquet")
    tables = Tables(tmp_path / "in.parquet", tmp_path / "out.parquet", "text", FIELDS)
    predict_table(client(Lengths()), tables, batch_size=1)
    schema = pq.read_schema(tmp_path / "out.parquet")
    assert [schema.field(name).type for name in ("n", "error")] == [pa.int32(), pa.string()]
    assert [row["n"] for row in read(tmp_path / "out.parquet")] == [None, 2]


def test_a_column_of_the_input_is_never_overwritten(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", [{"text": "short", "label": "truth"}])
    predict_table(client(Lengths()), Tables(source, tmp_path / "out.csv", "text", FIELDS), batch_size=9)
    (row,) = read(tmp_path / "out.csv")
    assert (row["label"], row["predicted_label"]) == ("truth", "short")


@pytest.mark.parametrize("source", ["in.csv", "in.jsonl", "in.parquet"])
def test_a_bad_row_names_itself_and_leaves_no_output(tmp_path: Path, source: str) -> None:
    write(tmp_path / source, [*ROWS, {"id": "4", "body": " "}])
    with pytest.raises(InputError, match=rf"{source} row 4: text is blank"):
        predict_table(client(Lengths()), Tables(tmp_path / source, tmp_path / "out.csv", "body", FIELDS), batch_size=3)
    assert [path.name for path in tmp_path.iterdir()] == [source]


@pytest.mark.parametrize("output", ["out.csv", "out.jsonl", "out.parquet"])
def test_a_table_that_is_no_earlier_output_is_left_alone(tmp_path: Path, output: str) -> None:
    source, mine = write(tmp_path / "in.csv", ROWS), write(tmp_path / output, [{"id": "7", "label": "mine"}])
    before = mine.read_bytes()
    ask = Lengths()
    with pytest.raises(InputError, match=r"no version and error of a prediction \(its columns are 'id', 'label'\) and"):
        predict_table(client(ask), Tables(source, mine, "body", FIELDS), batch_size=2)
    assert not ask.requests
    assert mine.read_bytes() == before
    mine.unlink()
    for _ in range(2):
        predict_table(client(Lengths()), Tables(source, mine, "body", FIELDS), batch_size=2)
    assert len(read(mine)) == len(ROWS)


def test_predictions_of_another_table_and_those_of_the_champion_are_replaced(tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    other = write(tmp_path / "other.csv", [{"text": "short"}])
    predict_table(client(Lengths()), Tables(other, output, "text", FIELDS), batch_size=2)
    tables = Tables(write(tmp_path / "in.csv", ROWS), output, "body", FIELDS)
    predict_table(client(Lengths()), tables, batch_size=2)
    assert len(read(output)) == len(ROWS)
    output.write_text("body,label,version,error\nshort,sport,0a1b2c3d4e5f,\n", encoding="utf-8")
    predict_table(client(Lengths()), tables, batch_size=2)
    assert len(read(output)) == len(ROWS)


def test_a_table_that_came_while_rows_were_predicted_is_left_alone(tmp_path: Path) -> None:
    output = tmp_path / "out.csv"

    def put(instances: Sequence[Any]) -> Predictions:
        if len(instances) == 1:  # the last batch
            output.write_text("mine\n1\n")
        return Lengths()(instances)

    tables = Tables(write(tmp_path / "in.csv", ROWS), output, "body", FIELDS)
    with pytest.raises(InputError, match=r"out\.csv is there already, ends with no version .*'mine'"):
        predict_table(client(put), tables, batch_size=2)
    assert output.read_text() == "mine\n1\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "out.csv"]


def test_a_file_that_cannot_be_read_is_told_so(tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    output.symlink_to(output)
    tables = Tables(write(tmp_path / "in.csv", ROWS), output, "body", FIELDS)
    with pytest.raises(InputError, match=r"out\.csv is there already and cannot be read: .*symbolic links"):
        predict_table(client(Lengths()), tables, batch_size=2)


def test_ctrl_c_tells_what_comes_of_the_rows_that_are_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(instances: Sequence[Any]) -> Predictions:
        if len(instances) == 1:  # the last batch
            raise KeyboardInterrupt
        return Lengths()(instances)

    tables = Tables(write(tmp_path / "in.csv", ROWS), tmp_path / "out.csv", "body", FIELDS)
    with pytest.raises(KeyboardInterrupt):
        predict_table(client(interrupted), tables, batch_size=2)
    assert capsys.readouterr().err == "2 rows are done: none of them is written; the same command begins anew\n"
    assert not (tmp_path / "out.csv").exists()


def test_a_failed_run_keeps_the_output_of_an_earlier_one(tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("earlier")
    source = write(tmp_path / "in.csv", [{"text": ""}, {"text": "a"}])
    with pytest.raises(InputError):
        predict_table(client(Lengths()), Tables(source, tmp_path / "out.csv", "text", FIELDS), batch_size=3)
    assert (tmp_path / "out.csv").read_text() == "earlier"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "in.txt",
            "x",
            r"unknown format \.txt .*allowed: \.csv, \.tsv, \.jsonl, \.ndjson, \.parquet; text",
        ),
        ("in.csv", "id,body\n1,a\n", r"column 'text' missing from .*in\.csv \(has: 'id', 'body'\); set --column"),
        ("in.csv", "id,text\n1,a\n2\n", r"row .*in\.csv:2 \(line 3\): Expected 2 columns, got 1"),
        ("in.csv", "id,text\n1,a,b\n", r"row .*in\.csv:1 \(line 2\): Expected 2 columns, got 3"),
        ("in.csv", "id,text\n", r"in\.csv holds no rows"),
        ("in.jsonl", '{"text": "a"}\n{"text"\n', r"in\.jsonl:2 is not JSON"),
        ("in.jsonl", '["a"]\n', r"in\.jsonl:1 holds a list, not an object"),
        ("in.parquet", "no parquet", r"in\.parquet is no whole Parquet file"),
        (
            "in.csv",
            b"text\n\xe9t\xe9\n",
            r"in\.csv is not utf-8: byte 0xe9 at position 5 \(line 2\); set source",
        ),
        ("in.csv.gz", b"text\n", r"in\.csv\.gz is no whole gzip file"),
        ("in.parquet.gz", b"", r"unknown format \.gz"),
    ],
)
def test_a_table_that_cannot_be_read_is_told(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=message):
        predict_table(client(Lengths()), Tables(tmp_path / name, tmp_path / "out.csv", "text", FIELDS), batch_size=3)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_missing_input_or_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no file .*gone\.csv"):
        predict_table(client(Lengths()), Tables(tmp_path / "gone.csv", None, "text", FIELDS), batch_size=3)
    source = write(tmp_path / "in.csv", ROWS)
    with pytest.raises(InputError, match=r"no folder .*gone for out\.csv; create it"):
        predict_table(client(Lengths()), Tables(source, tmp_path / "gone" / "out.csv", "body", FIELDS), batch_size=3)


@pytest.mark.parametrize("sign", "=+-@")
def test_labels_that_a_spreadsheet_takes_for_formulas_stay_as_they_are_and_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], sign: str
) -> None:
    label = f"{sign}1+1"
    answer = {"label": label, "score": 1.0}
    ask = client(lambda instances: Predictions([answer] * len(instances), "0a1b2c3d4e5f", "trace"))
    source = write(tmp_path / "in.jsonl", [{"text": "=2"}, {"text": "b"}])
    predict_table(ask, Tables(source, tmp_path / "out.csv", "text", FIELDS), batch_size=1)
    assert [(row["text"], row["label"]) for row in read(tmp_path / "out.csv")] == [("=2", label), ("b", label)]
    assert f"2 labels begin with =, +, - or @, which a spreadsheet takes for formulas: open {tmp_path}" in (
        capsys.readouterr().err
    )
    predict_table(ask, Tables(source, tmp_path / "out.jsonl", "text", FIELDS), batch_size=1)
    assert "formulas" not in capsys.readouterr().err


def test_an_endpoint_that_does_not_say_which_version_answers_gives_no_output(tmp_path: Path) -> None:
    ask = client(lambda instances: Predictions([{"label": "a"}] * len(instances)))
    source, output = write(tmp_path / "in.csv", ROWS), tmp_path / "out.csv"
    with pytest.raises(EndpointError, match=r"does not say which version predicted .* run its configuration again"):
        predict_table(ask, Tables(source, output, "body", FIELDS), batch_size=2)
    assert not output.exists()


def test_without_an_output_rows_go_to_the_screen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write(tmp_path / "in.csv", ROWS)
    predict_table(client(Lengths()), Tables(source, None, "body", FIELDS), batch_size=2)
    captured = capsys.readouterr()
    assert [json.loads(line)["id"] for line in captured.out.splitlines()] == ["1", "2", "3"]
    assert "3 rows in" in captured.err


def test_each_line_of_standard_input_gives_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    predict_lines(client(Lengths()), StringIO("short\nmuch longer text\n"), batch_size=64)
    assert [json.loads(line)["label"] for line in capsys.readouterr().out.splitlines()] == ["short", "long"]


def test_standard_input_without_a_line_is_bad_input_that_says_what_is_expected() -> None:
    ask = Lengths()
    with pytest.raises(InputError, match=r"standard input is empty; write a text, .* on each line .* --input FILE"):
        predict_lines(client(ask), StringIO(""), batch_size=64)
    assert ask.requests == []


def test_a_bad_line_names_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="line 3: text is blank"):
        predict_lines(client(Lengths()), StringIO("a\nb\n\n"), batch_size=2)
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_a_dead_endpoint_is_told_as_it_is(tmp_path: Path) -> None:
    def dead(_: Sequence[Any]) -> Predictions:
        raise EndpointError("the endpoint is not running; run the pipeline")

    source = write(tmp_path / "in.csv", ROWS)
    with pytest.raises(EndpointError, match="not running"):
        predict_table(client(dead), Tables(source, tmp_path / "out.csv", "body", FIELDS), batch_size=2)
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_long_texts_are_cut_into_requests_that_the_endpoint_takes(tmp_path: Path) -> None:
    ask = Lengths()
    texts = ["я" * 1_500, "ü" * 4_000, "a", '"' * 4_950, "b", "c"]
    source = write(tmp_path / "in.jsonl", [{"text": text} for text in texts])
    predict_table(client(ask, 11_000), Tables(source, tmp_path / "out.jsonl", "text", FIELDS), batch_size=3)
    assert ask.requests == [1, 2, 3]
    assert [row["text"][0] for row in read(tmp_path / "out.jsonl")] == [text[0] for text in texts]


class Small(Lengths):
    """Takes texts of twelve characters together."""

    def __call__(self, instances: Sequence[Any]) -> Predictions:
        if sum(len(instance["text"]) for instance in instances) > 12:
            raise RequestTooLargeError("the endpoint refuses the request (413): more than 12 characters")
        return super().__call__(instances)


def test_a_request_that_is_too_large_all_the_same_is_asked_in_parts(tmp_path: Path) -> None:
    ask = Small()
    source = write(tmp_path / "in.jsonl", [{"text": text} for text in ("a", "bcdefghijklm", "c", "d", "e")])
    predict_table(client(ask), Tables(source, tmp_path / "out.jsonl", "text", FIELDS), batch_size=5)
    assert ask.requests == [1, 1, 3]
    rows = read(tmp_path / "out.jsonl")
    assert [row["label"] for row in rows] == ["short", "long", "short", "short", "short"]
    requests = [("trace1", 0), ("trace2", 0), *(("trace3", index) for index in range(3))]
    assert [(row["trace_id"], row["index"]) for row in rows] == requests


def test_one_item_that_is_too_large_for_a_request_is_named(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", [{"text": text} for text in ("a", "b", "c", "a text that is too long")])
    with pytest.raises(InputError, match=r"in.jsonl row 4 is too large for one request: .* more than 12 characters"):
        predict_table(client(Small()), Tables(source, None, "text", FIELDS), batch_size=4)


def test_columns_that_a_source_joins_are_joined_for_predictions(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"title": "short", "body": "but longer"}, {"title": None, "body": "short"}]
    source = write(tmp_path / "in.jsonl", rows)
    tables = Tables(source, tmp_path / "out.jsonl", ("title", "body"), FIELDS)
    predict_table(client(Lengths()), tables, batch_size=2)
    written = read(tmp_path / "out.jsonl")
    assert [(row["title"], row["label"]) for row in written] == [("short", "long"), (None, "short")]


def test_an_output_is_written_as_the_source_is_read(tmp_path: Path) -> None:
    source = FilesSettings(path="n.tsv", quoting="none", escape="\\")
    (tmp_path / "in.tsv").write_text('id\ttext\n1\t"a\\\tb\n')
    predict_table(client(Lengths()), Tables(tmp_path / "in.tsv", tmp_path / "out.tsv", "text", source), batch_size=2)
    (row,) = read_rows(tmp_path / "out.tsv", source)
    assert (row["text"], row["label"]) == ('"a\tb', "short")


@pytest.mark.parametrize(
    ("fields", "text", "said"),
    [
        ({"encoding": "cp1252"}, "体育", r"'体' cannot be written to out\.csv in source\.encoding charmap|cp1252"),
        ({"quoting": "none"}, "a,b", r"cannot be written to out\.csv without quotes .*set source\.escape"),
    ],
)
def test_what_an_output_cannot_hold_is_an_error(tmp_path: Path, fields: dict[str, str], text: str, said: str) -> None:
    source = write(tmp_path / "in.jsonl", [{"text": text}])
    form = FilesSettings.model_validate({"path": "n.csv", **fields})
    with pytest.raises(InputError, match=said):
        predict_table(client(Lengths()), Tables(source, tmp_path / "out.csv", "text", form), batch_size=2)
    assert not (tmp_path / "out.csv").exists()


def test_the_command_asks_by_the_limit_of_its_own_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = Lengths()
    task = TextClassification(encoder="org/model", labels=("a", "b"))
    source = FilesSettings.model_validate({"path": "unused.csv", "columns": {"text": "body", "label": "label"}})
    monkeypatch.setattr(LocalHost, "max_request_bytes", 30)
    given = SimpleNamespace(model_name="news", host=LocalHostSettings(), task=task, source=source)
    monkeypatch.setattr("orchestration.served.load_served", lambda *_: SimpleNamespace(parameters=given))
    monkeypatch.setattr("orchestration.endpoints.open_endpoint", lambda *_: SimpleNamespace(predict=ask))
    table = write(tmp_path / "in.csv", [{"body": "a"}, {"body": "b"}, {"body": "c"}])
    out = str(tmp_path / "out.csv")
    main(parse(["predict", "--config", "prod.yaml", "--endpoint", "--input", str(table), "--output", out]))
    assert ask.requests == [2, 1]


def test_a_request_takes_no_more_than_the_host_lets_through(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", [{"text": "雨" * 100}] * 9)
    ask = Lengths()
    predict_table(client(ask, max_bytes=1000), Tables(source, None, "text", FIELDS), batch_size=9)
    assert ask.requests == [3, 3, 3]  # of 314 bytes each
