"""Labels that came for requests, from any source of rows.

labels: {kind: files, path: labels.csv, columns: {trace_id: request, label: category, arrived: at}}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import islice
from typing import Any

import pyarrow as pa

from evergreen.core.errors import InputError
from evergreen.core.members import SourceSettings, source_of
from evergreen.core.names import listed
from evergreen.core.spelled import spelled
from evergreen.core.traces import INDEX, TRACE_ID
from evergreen.data.columns import match_columns
from evergreen.monitoring.labels import ARRIVED, KEY, LABEL, check_values

NAMES = (TRACE_ID, INDEX, KEY, LABEL, ARRIVED)
MOST_CHECKED = 10_000
"""So many labels are looked at before a run: there may be far more."""


def columns_of(settings: SourceSettings) -> dict[str, str]:
    """The labels' columns by what they are.

    Raises:
        InputError: none tells whose label one is, or the source has no such columns at all.
    """
    if "columns" not in type(settings).model_fields:
        raise InputError(
            f"a source of kind {settings.kind} has no labels of requests; take a source whose rows name the request "
            f"by columns.{TRACE_ID} or columns.{KEY}, of kind files, bigquery or huggingface"
        )
    columns = {name: column for name, column in settings.mapping.items() if name in NAMES}
    if LABEL not in columns or not columns.keys() & {TRACE_ID, KEY}:
        raise InputError(
            f"labels have columns.{LABEL} and columns.{TRACE_ID}, or columns.{KEY} with TRACE_ID/INDEX "
            f"(got: {listed(columns)}); name them"
        )
    return columns


def check_labels(settings: SourceSettings) -> None:
    """Returns when labels can be read and, where reading is free, the first of them are as they should be.

    Raises:
        InputError, EvergreenError: why not.
    """
    if settings.free_to_read:
        check_values(label_table(settings, MOST_CHECKED))
        return
    with spelled({"source": "labels"}):
        source_of(settings).table(None, tuple(columns_of(settings).values()))


def label_table(settings: SourceSettings, most: int | None = None) -> pa.Table:
    """All labels, or the first so many, as texts in the columns of NAMES that there are; memory grows with them.

    Raises:
        InputError: they cannot be read, or a column is missing.
    """
    with spelled({"source": "labels"}):
        return _table(settings, most)


def _table(settings: SourceSettings, most: int | None) -> pa.Table:
    columns = columns_of(settings)
    rows = islice(source_of(settings).table(None, tuple(columns.values())).rows, most)
    names: Mapping[str, str] = getattr(settings, "label_names", None) or {}
    values = _values(rows, columns)
    values[LABEL] = [None if label is None else names.get(label, label) for label in values[LABEL]]
    return pa.table({name: pa.array(given, pa.string()) for name, given in values.items()})


def _values(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> dict[str, list[str | None]]:
    values: dict[str, list[str | None]] = {name: [] for name in columns}
    present: dict[str, str] | None = None
    for row in rows:
        if present is None:
            present = match_columns(dict.fromkeys(columns.values(), "labels.columns"), list(row), "the labels")
        for name, column in columns.items():
            values[name].append(_text(row.get(present[column])))
    return values


def _text(value: Any) -> str | None:
    if value is None or value == "":
        return None
    return value.isoformat() if isinstance(value, datetime) else str(value)
