"""The source `bigquery`: its fields and the SQL that they make."""

from __future__ import annotations

from bisect import bisect
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from google.cloud import bigquery
from pydantic import TypeAdapter, ValidationError

from evergreen.adapters.bigquery.query import file_query, new_rows_query, table_query
from evergreen.adapters.bigquery.settings import BigQuerySettings, TableId
from evergreen.adapters.bigquery.warehouse import BigQueryWarehouse
from evergreen.adapters.kinds import AnySource
from evergreen.core.artifacts import ResolvedWindow
from evergreen.core.coverage import Coverage, Span
from evergreen.core.errors import InputError
from evergreen.core.members import source_of
from evergreen.core.part import PartOfSource

WINDOW = ResolvedWindow(start=datetime(2026, 1, 8, tzinfo=UTC), end=datetime(2026, 1, 10, 12, tzinfo=UTC))
TABLE = TableId("my-project", "news", "articles")


def test_a_configuration_becomes_the_source_by_its_kind() -> None:
    given = {"kind": "bigquery", "project": "my-project", "table": "news.articles", "label_names": {0: "World"}}
    source: Any = TypeAdapter(AnySource).validate_python(given)
    assert isinstance(source, BigQuerySettings)
    assert source.label_names == {"0": "World"}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"table": "news.articles", "query_file": "configs/sql/news.sql"},
        {"table": "articles"},
        {"table": "news.articles` WHERE true --"},
        {"table": "news.articles", "columns": {"text": "a`, (SELECT 1) AS `b"}},
        {"table": "news.articles", "job_labels": {"Team": "x"}},
        {"table": "news.articles", "maximum_bytes_billed": 0},
        {"table": "news.articles", "project": "My Project"},
    ],
)
def test_what_names_no_one_origin_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        BigQuerySettings.model_validate({"project": "my-project"} | fields)


def test_the_window_is_a_pair_of_parameters_and_names_are_quoted() -> None:
    query = table_query(TABLE, ["content", "label"], WINDOW, ("published", "TIMESTAMP"))
    assert query.sql == (
        "SELECT `content`, `label`\nFROM `my-project`.`news`.`articles`\n"
        "WHERE `published` >= @window_start AND `published` < @window_end"
    )
    assert query.parameters["window_start"] == ("TIMESTAMP", WINDOW.start)
    assert query.parameters["window_end"] == ("TIMESTAMP", WINDOW.end)


def test_a_window_over_days_chooses_every_day_that_it_touches() -> None:
    query = table_query(TABLE, ["text"], WINDOW, ("day", "DATE"))
    assert query.parameters == {
        "window_start": ("DATE", date(2026, 1, 8)),
        "window_end": ("DATE", date(2026, 1, 11)),
    }


def test_without_a_window_there_is_no_condition() -> None:
    query = table_query(TABLE, ["text"], None, ("published", "TIMESTAMP"))
    assert "WHERE" not in query.sql
    assert query.parameters == {}


def test_a_column_that_tells_no_time_is_refused() -> None:
    with pytest.raises(InputError, match=r"column 'day' .* is STRING, which tells no time"):
        table_query(TABLE, ["text"], WINDOW, ("day", "STRING"))


@pytest.mark.parametrize(
    ("sql", "window", "message"),
    [
        ("SELECT text FROM a.b WHERE t >= @window_start", WINDOW, "does not use @window_end"),
        ("SELECT text FROM a.b WHERE t >= @window_start", None, "uses @window_start and the run has no window"),
    ],
)
def test_a_query_file_and_the_run_agree_on_the_window(
    sql: str, window: ResolvedWindow | None, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "news.sql"
    path.write_text(sql, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        file_query(path, window)


@pytest.mark.parametrize("column", ["author.name", "a.b.c"])
def test_a_field_of_a_record_is_told_to_go_into_a_query(column: str) -> None:
    given = {"project": "my-project", "table": "news.articles", "columns": {"text": column}}
    with pytest.raises(ValidationError, match=f"'{column}' is a field of a record; .* in a source.query_file"):
        BigQuerySettings.model_validate(given)


class Shown:
    """A client that shows one table."""

    def __init__(self, **changed: Any) -> None:
        fields = [("text", "STRING"), ("label", "STRING"), ("author", "RECORD")]
        reference = {"projectId": "my-project", "datasetId": "news", "tableId": "articles"}
        shown = {"tableReference": reference, "etag": "1", "numRows": "5", "numBytes": "50", "lastModifiedTime": "1000"}
        schema = {"fields": [{"name": name, "type": kind} for name, kind in fields]}
        self.table = bigquery.Table.from_api_repr({**shown, "schema": schema, **changed})

    def get_table(self, *_: Any, **__: Any) -> bigquery.Table:
        return self.table


def marked(monkeypatch: pytest.MonkeyPatch, **changed: Any) -> tuple[str, ...]:
    monkeypatch.setattr(bigquery, "Client", lambda **_: Shown(**changed))
    return BigQueryWarehouse("my-project", "EU", {}, 1.0).state(TABLE).mark


def test_new_labels_are_no_new_rows_and_other_rows_or_columns_are(monkeypatch: pytest.MonkeyPatch) -> None:
    before = marked(monkeypatch)
    assert marked(monkeypatch, etag="2", labels={"team": "news"}, description="ours", expirationTime="9") == before
    assert marked(monkeypatch, numRows="6") != before
    assert marked(monkeypatch, numBytes="51") != before
    assert marked(monkeypatch, lastModifiedTime="2000") != before
    assert marked(monkeypatch, schema={"fields": [{"name": "text", "type": "STRING"}]}) != before


@pytest.mark.parametrize(
    ("column", "why"), [("_PARTITIONTIME", "is a pseudocolumn of BigQuery's"), ("author", "is a record")]
)
def test_a_column_that_only_sql_can_name_is_told_so(monkeypatch: pytest.MonkeyPatch, column: str, why: str) -> None:
    monkeypatch.setattr(bigquery, "Client", lambda **_: Shown())
    given = {"project": "my-project", "table": "news.articles", "columns": {"timestamp": column}}
    with pytest.raises(InputError, match=f"column '{column}' of my-project.news.articles {why}, .* source.query_file"):
        source_of(BigQuerySettings.model_validate(given)).identity(WINDOW)


def test_a_missing_query_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nope\.sql' cannot be read"):
        file_query(tmp_path / "nope.sql", None)


DAY = {day: datetime(2026, 1, day, tzinfo=UTC) for day in range(1, 13)}
MOMENT = DAY[12].isoformat()
LOOKED = Coverage(
    spans=(
        Span(start=DAY[1], end=DAY[3], until=DAY[10]),
        Span(start=DAY[5], end=DAY[6], until=DAY[9]),
    )
)
TIMES = {"arrived": ("came", "TIMESTAMP"), "timestamp": ("told", "TIMESTAMP")}
CHOSEN = """SELECT `id`, `came`
FROM `my-project`.`news`.`articles` FOR SYSTEM_TIME AS OF @moment
WHERE (`came` <= @until OR `came` IS NULL)"""


def test_the_query_for_new_rows_leaves_out_what_a_coverage_s_times_tell_and_nothing_else() -> None:
    query = new_rows_query(TABLE, ["id", "came"], PartOfSource(since=LOOKED, until=DAY[11], revision=MOMENT), TIMES)
    assert query.sql == (
        f"{CHOSEN}\nAND (`came` >= @arrived_from OR `came` IS NULL OR `told` IS NULL "
        "OR `told` < @first OR `told` > @last OR `told` BETWEEN @gap_0_start AND @gap_0_end)"
    )
    assert {name: value for name, (_, value) in query.parameters.items()} == {
        "moment": DAY[12],
        "until": DAY[11],
        "arrived_from": DAY[9],  # the earlier limit: no row of either stretch that arrived before is new
        "first": DAY[1],
        "last": DAY[6],
        "gap_0_start": datetime(2026, 1, 3, 0, 0, 0, 1, tzinfo=UTC),
        "gap_0_end": datetime(2026, 1, 4, 23, 59, 59, 999_999, tzinfo=UTC),
    }
    timeless = Coverage(spans=(Span(start=None, end=None, until=DAY[9]),))
    part = PartOfSource(since=timeless, until=DAY[12])
    query = new_rows_query(TABLE, ["id", "came"], part, {"arrived": TIMES["arrived"]})
    present = CHOSEN.replace(" FOR SYSTEM_TIME AS OF @moment", "")
    assert query.sql == f"{present}\nAND (`came` >= @arrived_from OR `came` IS NULL)"


def test_of_many_gaps_a_query_has_few_parameters_and_still_asks_for_every_one() -> None:
    hour = timedelta(hours=1)
    starts = [DAY[1] + 2 * number * hour for number in range(12_000)]
    spans = (
        Span(start=start, end=start + hour * (1 + number % 2) / 2, until=DAY[9]) for number, start in enumerate(starts)
    )
    query = new_rows_query(TABLE, ["id"], PartOfSource(since=Coverage(spans=tuple(spans)), until=DAY[12]), TIMES)
    assert len(query.parameters) < 10_000
    bounds: Any = {name: moment for name, (_, moment) in query.parameters.items()}
    asked = sorted((moment, bounds[name.replace("start", "end")]) for name, moment in bounds.items() if "start" in name)
    assert all(start <= end for start, end in asked)
    for gap in (start + hour * 1.5 for start in starts):
        _, end = asked[max(bisect(asked, (gap, bounds["last"])) - 1, 0)]
        assert gap <= end or not bounds["first"] <= gap <= bounds["last"]


@pytest.mark.parametrize(
    ("part", "times"),
    [
        (PartOfSource(until=DAY[12]), TIMES),
        (PartOfSource(since=LOOKED, until=DAY[12], replay_share=0.1), TIMES),
        (PartOfSource(since=LOOKED, until=DAY[12]), {"arrived": TIMES["arrived"]}),
        (PartOfSource(since=LOOKED, until=DAY[12]), TIMES | {"timestamp": ("told", "DATE")}),
    ],
)
def test_where_times_cannot_tell_what_is_new_all_that_had_arrived_is_read(part: PartOfSource, times: Any) -> None:
    part = part.model_copy(update={"revision": MOMENT})
    assert new_rows_query(TABLE, ["id", "came"], part, times).sql == CHOSEN


@pytest.mark.parametrize(("unit", "length"), [("HOUR", timedelta(hours=1)), ("DAY", timedelta(days=1))])
def test_of_partitions_by_ingestion_those_are_read_that_have_ended_and_rows_came_at_their_end(
    unit: str, length: timedelta
) -> None:
    timeless = Coverage(spans=(Span(start=None, end=None, until=DAY[9]),))
    query = new_rows_query(TABLE, ["id"], PartOfSource(since=timeless, until=DAY[11], revision=MOMENT), {}, unit)
    assert query.sql == (
        f"SELECT `id`, TIMESTAMP_ADD(_PARTITIONTIME, INTERVAL 1 {unit}) AS `__arrived__`\n"
        "FROM `my-project`.`news`.`articles` FOR SYSTEM_TIME AS OF @moment\n"
        "WHERE _PARTITIONTIME <= @last_partition\nAND (_PARTITIONTIME >= @arrived_from)"
    )
    moments = {name: moment for name, (_, moment) in query.parameters.items()}
    assert moments == {
        "moment": DAY[12],
        "last_partition": DAY[11] - length,
        "arrived_from": DAY[9] - length,
    }
    plain = table_query(TABLE, ["id"], WINDOW, ("told", "TIMESTAMP"), unit)
    assert plain.sql.endswith(
        "WHERE _PARTITIONTIME >= TIMESTAMP '1970-01-01' AND `told` >= @window_start AND `told` < @window_end"
    )


def test_the_pseudocolumn_is_no_column_that_tells_when_rows_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bigquery, "Client", lambda **_: Shown())
    given = {"project": "my-project", "table": "news.articles", "columns": {"arrived": "_PARTITIONTIME"}}
    with pytest.raises(InputError, match=r"set source\.arrived: ingestion, and remove source\.columns\.arrived"):
        source_of(BigQuerySettings.model_validate(given)).identity(None)


def test_new_rows_need_the_moment_of_their_arrival_and_a_table() -> None:
    with pytest.raises(InputError, match=r"column 'came' of my-project\.news\.articles is DATE, .* needs the moment"):
        new_rows_query(TABLE, ["id"], PartOfSource(until=DAY[12]), {"arrived": ("came", "DATE")})
    columns = {"id": "id", "arrived": "came"}
    with pytest.raises(InputError, match=r"source\.query_file does not name; set source\.table instead"):
        BigQuerySettings(project="my-project", query_file="a.sql", columns=columns).check_incremental()
    with pytest.raises(InputError, match=r"set source\.columns\.arrived and source\.columns\.id"):
        BigQuerySettings(project="my-project", table="news.articles").check_incremental()
    BigQuerySettings(project="my-project", table="news.articles", columns=columns).check_incremental()
