"""Configurations that cannot tell which rows are new, and stretches of time on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from evergreen.core.errors import InputError
from tests.dated_rows import COLUMNS

pytestmark = pytest.mark.usefixtures("zenml_home")


FILES = {"kind": "files", "path": "rows.csv"}
BIGQUERY = {"kind": "bigquery", "project": "news-production", "table": "news.articles"}


@pytest.mark.parametrize(
    ("source", "refresh", "window", "message"),
    [
        (
            FILES,
            {"data": "incremental"},
            None,
            r"needs a column that tells when a row came and one .* which row it is; set",
        ),
        (FILES | {"columns": {"id": "id"}}, {"data": "incremental"}, None, "set source.columns.arrived, or data: all"),
        (
            FILES | {"arrived": "ingestion"},
            {},
            None,
            "is for objects of a bucket .* and 'rows.csv' is none: the times",
        ),
        (
            FILES | {"path": "gs://news/loads", "arrived": "ingestion", "columns": COLUMNS},
            {},
            None,
            "columns.arrived and arrived both tell when a row came; remove one",
        ),
        (
            BIGQUERY | {"table": None, "query_file": "news.sql", "arrived": "ingestion"},
            {},
            None,
            "arrived: ingestion is for a table",
        ),
        (BIGQUERY | {"arrived": "ingestion"}, {"data": "incremental"}, None, "set source.columns.id, or data: all"),
        (
            {"kind": "huggingface", "name": "fancyzhx/ag_news", "arrived": "ingestion"},
            {},
            None,
            "arrived: ingestion is for sources of kind bigquery and files; set columns.arrived",
        ),
        (
            FILES,
            {"when": {"drift": {"k": 3, "of": 2}}},
            None,
            "refresh.when.drift.*k 3 of the last 2 windows can never",
        ),
        (FILES, {"when": {"drfit": {}}}, None, r"refresh\.when\.drfit.*drift"),
        (
            FILES | {"columns": COLUMNS},
            {"data": "incremental"},
            {"length": "2d"},
            "remove window, or set data: sliding",
        ),
        (FILES | {"columns": COLUMNS}, {"data": "all"}, {"length": "2d"}, "reads every row, and a window is set"),
        (FILES, {"data": "sliding"}, None, "needs the length of the window; set window"),
        (
            {"kind": "shapes"},
            {"data": "incremental"},
            None,
            "source of kind shapes does not tell which of its rows are new",
        ),
        (FILES, {}, {"length": "2d"}, "which no column gives; set source.columns.timestamp or no window"),
        ({"kind": "shapes"}, {}, {"length": "2d"}, "generated pictures have no time"),
        (FILES, {"data": "incremental", "replay": 1}, None, "replay_share"),
        (FILES, {"lag": "soon"}, None, "lag"),
    ],
)
def test_a_configuration_that_cannot_tell_what_is_new_is_refused(
    tmp_path: Path, source: dict[str, Any], refresh: dict[str, Any], window: Any, message: str
) -> None:
    from orchestration.configuration import CONFIGS_DIRECTORY, load
    from pipelines.training import training

    document = yaml.safe_load((CONFIGS_DIRECTORY / "local.yaml").read_text(encoding="utf-8"))
    document["parameters"] |= {"source": source, "refresh": refresh, "window": window}
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        load(path, training)


def test_a_backfill_needs_the_time_of_each_row_which_is_told_before_any_step(tmp_path: Path, rows: Path) -> None:
    from orchestration.configuration import CONFIGS_DIRECTORY, load
    from pipelines.training import training

    document = yaml.safe_load((CONFIGS_DIRECTORY / "local.yaml").read_text(encoding="utf-8"))
    path, stretch = tmp_path / "own.yaml", {"start": "2026-05-02T00:00:00Z", "end": "2026-05-03T00:00:00Z"}
    for columns in (COLUMNS, {name: column for name, column in COLUMNS.items() if name != "timestamp"}):
        document["parameters"]["source"] = {"kind": "files", "path": str(rows), "columns": columns}
        path.write_text(yaml.safe_dump(document), encoding="utf-8")
        if "timestamp" in columns:
            assert load(path, training, backfill=stretch).parameters.backfill
            continue
        assert load(path, training).parameters.backfill is None
        with pytest.raises(InputError, match=r"^--window 2\S+\.\.2\S+: a window .*set source.columns.timestamp"):
            load(path, training, backfill=stretch)


def test_a_stretch_that_ends_before_it_starts_is_told_of_the_command_line(tmp_path: Path) -> None:
    from orchestration.configuration import CONFIGS_DIRECTORY, load
    from pipelines.training import training

    document = yaml.safe_load((CONFIGS_DIRECTORY / "local.yaml").read_text(encoding="utf-8"))
    path, stretch = tmp_path / "own.yaml", {"start": "2026-05-03T00:00:00Z", "end": "2026-05-02T00:00:00Z"}
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    with pytest.raises(InputError, match=r"^--window 2\S+\.\.2\S+: end 2\S+ is not after start .*; give a later one$"):
        load(path, training, backfill=stretch)
    document["parameters"]["backfill"] = stretch
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    with pytest.raises(InputError, match=r"line \d+: parameters\.backfill: end "):
        load(path, training)


def test_the_command_line_takes_a_stretch_of_time_for_a_backfill(capsys: pytest.CaptureFixture[str]) -> None:
    from commands.parser import parse

    args = parse(["--config", "local.yaml", "--window", "2024-05-01..2024-05-08T06:00+02:00"])
    assert args.window == {"start": "2024-05-01T00:00:00+00:00", "end": "2024-05-08T06:00:00+02:00"}
    for wrong in ("2024-05-01", "yesterday..today", "a..b..c"):
        with pytest.raises(SystemExit):
            parse(["--config", "local.yaml", "--window", wrong])
    assert "is no START..END" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        parse(["--config", "local.yaml", "--scheduled", "--window", "2024-05-01..2024-05-08"])
