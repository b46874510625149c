"""Inputs and outputs as a command names them.

news.csv   gs://news/new/*.parquet   bq://my-project.news.articles
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evergreen.adapters.bigquery.output_settings import BigQueryOutput
from evergreen.adapters.bigquery.settings import BigQuerySettings
from evergreen.adapters.files.find import format_of
from evergreen.adapters.files.output_settings import FilesOutput
from evergreen.adapters.files.settings import FilesSettings
from evergreen.adapters.files.tables import TABLES
from evergreen.core.errors import InputError
from evergreen.core.kinds import Settings
from evergreen.core.members import SourceSettings

TABLE = "bq://"
_OF_TABLES = {"columns", "text_separator", "location", "maximum_bytes_billed", "job_labels"}


def source_at(place: str, source: SourceSettings) -> SourceSettings:
    """The rows at a place, read as the source reads its own.

    Raises:
        InputError: the place is none.
    """
    if place.startswith(TABLE):
        return BigQuerySettings.model_validate(_table(place, source))
    fields = source.model_dump(include=set(source.table_fields))
    readable = (None, "image_folders", *TABLES)
    if format_of(Path(place)) is not None or fields.get("format") not in readable:
        fields.pop("format", None)
    return FilesSettings.model_validate({**fields, "path": place})


def output_at(place: str, source: SourceSettings, *, append: bool) -> Settings:
    """Where predictions go. Raises InputError: rows cannot be added to files, or the place is none."""
    if place.startswith(TABLE):
        table = _table(place, source)
        fields = {name: table[name] for name in ("project", "table", "location", "job_labels") if name in table}
        return BigQueryOutput.model_validate({**fields, "write": "append" if append else "replace"})
    if append:
        raise InputError(f"--append adds to a table, and {place} is none; write {TABLE}project.dataset.table")
    return FilesOutput(path=place)


def _table(place: str, source: SourceSettings) -> dict[str, Any]:
    project, _, table = place.removeprefix(TABLE).partition(".")
    if not project or table.count(".") != 1:
        raise InputError(f"'{place}' names no BigQuery table; write {TABLE}project.dataset.table")
    return {**source.model_dump(include=_OF_TABLES), "project": project, "table": f"{project}.{table}"}
