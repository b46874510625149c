"""What `predict --input` makes of its arguments, and what it tells."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from commands.parser import main as run_command
from commands.parser import parse
from commands.predict import main
from evergreen.adapters.bigquery.output_settings import BigQueryOutput
from evergreen.adapters.bigquery.settings import BigQuerySettings
from evergreen.adapters.files.output_settings import FilesOutput
from evergreen.adapters.files.settings import FilesSettings
from evergreen.batch.places import output_at, source_at
from evergreen.core.batch import BatchReport
from evergreen.core.errors import InputError

FILES = FilesSettings.model_validate({"path": "old.csv", "delimiter": ";", "columns": {"text": "body"}})
TABLE = BigQuerySettings.model_validate(
    {"project": "my-project", "location": "EU", "table": "news.old", "columns": {"text": "body"}}
)


def test_files_are_read_as_the_source_reads_its_own() -> None:
    assert source_at("new.csv", FILES) == FILES.model_copy(update={"path": "new.csv"})
    assert source_at("gs://my-bucket/new", TABLE).mapping["text"] == "body"
    pictures = FilesSettings(path="pets", format="image_folders")
    assert source_at("more", pictures).model_dump()["format"] == "image_folders"
    assert source_at("more.csv", pictures).model_dump()["format"] is None


def test_a_table_is_read_and_written_where_the_source_lies() -> None:
    rows = source_at("bq://other-project.news.new", TABLE)
    assert isinstance(rows, BigQuerySettings)
    assert (str(rows.table_id), rows.location, rows.mapping["text"]) == ("other-project.news.new", "EU", "body")
    made = output_at("bq://my-project.news.labelled", TABLE, append=True)
    assert made == BigQueryOutput(project="my-project", location="EU", table="my-project.news.labelled", write="append")
    assert output_at("labelled.csv", TABLE, append=False) == FilesOutput(path="labelled.csv")


@pytest.mark.parametrize("place", ["bq://news.new", "bq://", "bq://my-project.a.b.c"])
def test_what_names_no_table_is_told(place: str) -> None:
    with pytest.raises(InputError, match=r"names no BigQuery table; write bq://project\.dataset\.table"):
        source_at(place, TABLE)


def test_rows_are_added_to_tables_alone() -> None:
    with pytest.raises(InputError, match=r"--append adds to a table, and out\.csv is none"):
        output_at("out.csv", FILES, append=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--output", "out.csv", "a text"], r"--output takes the rows of a table; add --input FILE"),
        (["--keep", "id", "a text"], r"--keep is for rows that the champion itself predicts"),
        (["--input", "in.csv", "--endpoint", "--workers", "2"], r"--workers is for rows that the champion"),
        (["--input", "in.csv", "--output", "./in.csv"], r"--output is the input itself"),
    ],
)
def test_what_does_not_go_together_is_told(options: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        main(parse(["predict", "--config", "local.yaml", *options]))


@pytest.mark.parametrize("output", [None, "out.jsonl"])
def test_the_champion_predicts_the_rows_of_an_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], output: str | None
) -> None:
    from orchestration import batch

    asked: list[Any] = []

    def predict_all(name: str, *given: Any) -> BatchReport:
        asked.extend([name, *given[:3]])
        Path(given[1].path).write_text('{"label": "sport"}\n', encoding="utf-8")
        return BatchReport(
            model=name,
            version="0a1b",
            engine="torch",
            origin="files in.csv",
            output=given[1].path,
            runner="2 processes",
            rows=3,
            predicted=2,
            unusable=1,
            parts=1,
            reasons={"'text' is blank": 1},
            seconds=1.0,
            note="labels such as '=1+1' begin with =, +, - or @",
        )

    given = SimpleNamespace(model_name="news", source=FILES)
    monkeypatch.setattr("orchestration.served.load_served", lambda *_: SimpleNamespace(parameters=given))
    monkeypatch.setattr("commands.project.check_stack", lambda _: None)
    monkeypatch.setattr(batch, "predict_all", predict_all)
    options = ["--output", str(tmp_path / output)] if output else []
    main(
        parse(["predict", "--config", "x.yaml", "--input", "in.csv", "--keep", "id,title", "--workers", "2", *options])
    )
    name, rows, _, runner = asked
    assert (name, rows.rows.model_dump()["path"], rows.keep, runner.workers) == ("news", "in.csv", ("id", "title"), 2)
    told = capsys.readouterr()
    assert told.out == ("" if output else '{"label": "sport"}\n')
    assert "version 0a1b (torch): 3 rows, 2 of them in this run (2 rows/s), 1 unusable →" in told.err
    assert "1 row: 'text' is blank" in told.err
    assert ("labels such as '=1+1'" in told.err) == (output is not None)


@pytest.mark.parametrize(
    ("output", "told"),
    [
        ("out.csv", "8,000 rows are done: they are kept, and the same command goes on from there\n"),
        (None, "8,000 rows are done: add --output, and they are kept\n"),
    ],
)
def test_ctrl_c_tells_how_many_rows_are_done_and_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], output: str | None, told: str
) -> None:
    def predict_all(*given: Any) -> BatchReport:
        given[-1](8_000)
        raise KeyboardInterrupt

    given = SimpleNamespace(model_name="news", source=FILES)
    monkeypatch.setattr("orchestration.served.load_served", lambda *_: SimpleNamespace(parameters=given))
    monkeypatch.setattr("commands.project.check_stack", lambda _: None)
    monkeypatch.setattr("orchestration.batch.predict_all", predict_all)
    options = ["--output", output] if output else []
    assert run_command(["predict", "--config", "x.yaml", "--input", "in.csv", *options]) == 130
    assert capsys.readouterr().err == f"{told}interrupted\n"


def test_ctrl_c_before_a_row_is_done_tells_of_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def predict_all(*_: Any) -> BatchReport:
        raise KeyboardInterrupt

    given = SimpleNamespace(model_name="news", source=FILES)
    monkeypatch.setattr("orchestration.served.load_served", lambda *_: SimpleNamespace(parameters=given))
    monkeypatch.setattr("commands.project.check_stack", lambda _: None)
    monkeypatch.setattr("orchestration.batch.predict_all", predict_all)
    assert run_command(["predict", "--config", "x.yaml", "--input", "in.csv", "--output", "out.csv"]) == 130
    assert capsys.readouterr().err == "no row is done yet: give the same command again\ninterrupted\n"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("no file in.csv; set source.path", "no file in.csv; give another --input"),
        ("column 'titel' missing from in.csv; set keep", "column 'titel' missing from in.csv; set --keep"),
        ("column 'a' missing; set source.columns, or keep", "column 'a' missing; set source.columns, or --keep"),
        ("/source.path/1.csv: rename it, or keep one alone", "/source.path/1.csv: rename it, or keep one alone"),
        ("out cannot be written: full; correct the output", "out cannot be written: full; correct --output"),
        ("set output.write: append, or name another output.table", "set --append, or name another --output"),
        ("labels keep to themselves", "labels keep to themselves"),
    ],
)
def test_a_mistake_names_what_was_typed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], said: str, told: str
) -> None:
    def predict_all(*_: Any) -> BatchReport:
        raise InputError(said)

    given = SimpleNamespace(model_name="news", source=FILES)
    monkeypatch.setattr("orchestration.served.load_served", lambda *_: SimpleNamespace(parameters=given))
    monkeypatch.setattr("commands.project.check_stack", lambda _: None)
    monkeypatch.setattr("orchestration.batch.predict_all", predict_all)
    assert run_command(["predict", "--config", "x.yaml", "--input", "in.csv", "--output", "out.csv"]) == 2
    assert capsys.readouterr().err == f"error: {told}\n"
