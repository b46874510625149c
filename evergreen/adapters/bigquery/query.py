"""The SQL that chooses rows; the window goes in as parameters, never as text.

SELECT `content`, `label`, `published` FROM `my-project`.`news`.`articles`
WHERE `published` >= @window_start AND `published` < @window_end
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from heapq import nlargest
from itertools import pairwise
from operator import attrgetter
from pathlib import Path

from evergreen.adapters.bigquery.settings import TableId, quoted_column
from evergreen.core.artifacts import ResolvedWindow
from evergreen.core.coverage import Coverage, intervals
from evergreen.core.errors import InputError
from evergreen.core.part import PartOfSource
from evergreen.core.window import Interval
from evergreen.data.columns import INGESTED

START, END = "window_start", "window_end"
UNTIL, MOMENT, ARRIVED, LAST = "until", "moment", "arrived_from", "last_partition"
TIME_TYPES = ("TIMESTAMP", "DATETIME", "DATE")
PARTITION = "_PARTITIONTIME"
"""When the partition of a row began, of tables that the time of ingestion partitions; none while a row is streamed."""
INGESTION_UNITS = {"HOUR": timedelta(hours=1), "DAY": timedelta(days=1)}
"""How long partitions are whose rows count as come once they end."""
MOST_STRETCHES = 1_000
"""Of event time that a query leaves out: two parameters each."""
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True)
class Query:
    """SQL and its parameters: type and value by name."""

    sql: str
    parameters: Mapping[str, tuple[str, datetime | date]]


def table_query(
    table: TableId,
    columns: Sequence[str],
    window: ResolvedWindow | None,
    moment: tuple[str, str] | None,
    unit: str | None = None,
) -> Query:
    """The query for `columns`; `moment` is the column that tells a row's time, and its type, where there is a window.

    A window is half-open; of a DATE column every day that it touches is chosen. `unit` is that of partitions by
    ingestion, where those tell when rows came: the end of their partition, which rows that are streamed have none of.

    Raises:
        InputError: the column's type tells no time.
    """
    chosen = f"SELECT {_selected(columns, unit)}\nFROM {table.quoted}"
    conditions = [f"{PARTITION} >= TIMESTAMP '1970-01-01'"] if unit else []
    if window is None or moment is None:
        return Query("\nWHERE ".join([chosen, *conditions]), {})
    column, kind = moment
    if kind not in TIME_TYPES:
        raise InputError(
            f"column '{column}' of {table} is {kind}, which tells no time (allowed: {', '.join(TIME_TYPES)}); "
            "set source.columns.timestamp, or convert it in a source.query_file"
        )
    conditions += [f"{quoted_column(column)} >= @{START}", f"{quoted_column(column)} < @{END}"]
    return Query(f"{chosen}\nWHERE {' AND '.join(conditions)}", _bounds(window, kind))


def new_rows_query(
    table: TableId,
    columns: Sequence[str],
    part: PartOfSource,
    times: Mapping[str, tuple[str, str]],
    unit: str | None = None,
) -> Query:
    """The query for `columns` of what may be new, of the table as it was at the moment that is the part's `revision`,
    or as it is.

    `times` are the columns `arrived`, unless there is a `unit` as `table_query` has it, and, where there is one,
    `timestamp`, each with its type. No new row is left out; what is covered after all, whoever reads can tell. Where
    rows are replayed, it is all that had arrived.

    Raises:
        InputError: the time of arrival is no TIMESTAMP.
    """
    if part.until is None:
        raise ValueError("a part without `until` is no part of new rows")
    parameters: dict[str, tuple[str, datetime | date]] = {}
    ahead = INGESTION_UNITS[unit] if unit else timedelta()
    if unit:
        name, or_never = PARTITION, []
        parameters[LAST] = ("TIMESTAMP", part.until - ahead)
        where = f"{name} <= @{LAST}"
    else:
        name = _arrival_column(table, *times["arrived"])
        or_never = [f"{name} IS NULL"]
        parameters[UNTIL] = ("TIMESTAMP", part.until)
        where = f"({name} <= @{UNTIL} OR {name} IS NULL)"
    since = part.since.until
    if since is not None and not part.replay_share and _tells_of(part.since, times):
        parameters[ARRIVED] = ("TIMESTAMP", since - ahead)
        maybe = [f"{name} >= @{ARRIVED}", *or_never]
        if "timestamp" in times:
            maybe += _not_looked_at(quoted_column(times["timestamp"][0]), part.since, parameters)
        where += f"\nAND ({' OR '.join(maybe)})"
    chosen = f"SELECT {_selected(columns, unit)}\nFROM {table.quoted}"
    if part.revision is not None:
        parameters[MOMENT] = ("TIMESTAMP", datetime.fromisoformat(part.revision))
        chosen += f" FOR SYSTEM_TIME AS OF @{MOMENT}"
    return Query(f"{chosen}\nWHERE {where}", parameters)


def _arrival_column(table: TableId, column: str, kind: str) -> str:
    """The column as SQL writes it. Raises InputError where it holds no moments."""
    if kind != "TIMESTAMP":
        raise InputError(
            f"column '{column}' of {table} is {kind}, and data: incremental needs the moment at which a row came "
            "(allowed: TIMESTAMP); set source.columns.arrived"
        )
    return quoted_column(column)


def _selected(columns: Sequence[str], unit: str | None) -> str:
    """What a SELECT names: the columns, and when rows came whose partitions tell it."""
    came = [f"TIMESTAMP_ADD({PARTITION}, INTERVAL 1 {unit}) AS {quoted_column(INGESTED)}"] if unit else []
    return ", ".join([*map(quoted_column, columns), *came])


def _tells_of(since: Coverage, times: Mapping[str, tuple[str, str]]) -> bool:
    """Whether a query can ask for event times as the coverage has them."""
    if "timestamp" in times:
        return times["timestamp"][1] == "TIMESTAMP"
    return any(span.start is None for span in since.spans)


def _not_looked_at(column: str, since: Coverage, parameters: dict[str, tuple[str, datetime | date]]) -> Iterator[str]:
    """Conditions on event times that a coverage lacks; their bounds go into `parameters`.

    Of many stretches that were looked at, the shortest are asked for once more: BigQuery takes 10,000 parameters.
    """
    looked = sorted(nlargest(MOST_STRETCHES, intervals(since), key=_length), key=attrgetter("start"))
    if all(span.start is not None for span in since.spans):
        yield f"{column} IS NULL"
    if not looked:
        yield f"{column} IS NOT NULL"
        return
    bounds = {"first": looked[0].start, "last": looked[-1].end}
    yield f"{column} < @first OR {column} > @last"
    for number, (before, after) in enumerate(pairwise(looked)):
        bounds |= {f"gap_{number}_start": before.end + _INSTANT, f"gap_{number}_end": after.start - _INSTANT}
        yield f"{column} BETWEEN @gap_{number}_start AND @gap_{number}_end"
    parameters.update({name: ("TIMESTAMP", moment) for name, moment in bounds.items()})


def _length(stretch: Interval) -> timedelta:
    return stretch.end - stretch.start


def file_query(path: Path, window: ResolvedWindow | None) -> Query:
    """The query in the file, with the window as TIMESTAMP parameters.

    Raises:
        InputError: no such file, or one that names the window's parameters where there is no window, or the reverse.
    """
    try:
        sql = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"query file '{path}' cannot be read: {error}; set source.query_file") from error
    named = {name for name in (START, END) if re.search(rf"@{name}\b", sql, re.IGNORECASE)}
    if window and len(named) < 2:
        missing = " and ".join(f"@{name}" for name in (START, END) if name not in named)
        raise InputError(f"{path} does not use {missing}, so a window cannot choose its rows; use both, or no window")
    if named and not window:
        listed = " and ".join(f"@{name}" for name in sorted(named))
        raise InputError(f"{path} uses {listed} and the run has no window; set `window`, such as {{length: 2d}}")
    return Query(sql, _bounds(window, "TIMESTAMP") if window else {})


def _bounds(window: ResolvedWindow, kind: str) -> dict[str, tuple[str, datetime | date]]:
    start: datetime | date = window.start
    end: datetime | date = window.end
    if kind == "DATETIME":
        start, end = window.start.replace(tzinfo=None), window.end.replace(tzinfo=None)
    if kind == "DATE":
        partial = window.end.timetz().replace(tzinfo=None) != time()
        start, end = window.start.date(), window.end.date() + timedelta(days=int(partial))
    return {START: (kind, start), END: (kind, end)}
