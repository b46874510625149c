"""A job made of what a person names: a model's directory, an input, an output.

asked = Asked(FilesSettings(path="new.csv"))
run(job_of("news", model, task, asked, FilesOutput(path="labelled.csv")), workers=2)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evergreen.batch.columns import FORMULA_SIGNS, Columns, taken_for_formulas
from evergreen.batch.job import SHARD_ROWS, Job
from evergreen.batch.settings import store_of
from evergreen.batch.work import Model, Work
from evergreen.core.artifacts import ResolvedWindow
from evergreen.core.errors import InputError
from evergreen.core.kinds import Settings
from evergreen.core.members import SourceSettings, TaskSettings, source_of
from evergreen.core.names import listed
from evergreen.data.row_fields import RowFields

MOST_LABELS = 3


@dataclass(frozen=True)
class Asked:
    """Which `rows` are predicted, and what is written of them: `column` is asked about instead of those that the input
    maps, `keep` columns are written beside predictions (None: all).
    """

    rows: SourceSettings
    window: ResolvedWindow | None = None
    column: str | None = None
    keep: Sequence[str] | None = None
    shard_rows: int = SHARD_ROWS


def job_of(name: str, model: Model, task: TaskSettings, asked: Asked, output: Settings) -> Job:
    """The job; the first rows are looked for.

    Raises:
        InputError: there is nothing to read, or it cannot be predicted.
        EvergreenError: what holds the rows does not answer.
    """
    columns, rows = columns_of(task, asked), asked.rows
    needed = None if columns.kept is None else tuple(dict.fromkeys((*columns.asked, *columns.kept)))
    table = source_of(rows).table(asked.window, needed)
    store = store_of(output).of_rows(dialect_of(rows), typed=table.schema is not None)
    if store.part_format == "parquet":
        columns = columns.with_bytes(task.encoded_answers)
    origin = " ".join(rows.read_from.values())
    formulas = [label for label in task.classes if label.startswith(FORMULA_SIGNS)] if store.is_delimited else []
    note = taken_for_formulas(f"labels such as {listed(formulas[:MOST_LABELS])}", "it") if formulas else None
    return Job(name, origin, table, Work(model, columns, store), asked.shard_rows, note)


def check_rows(asked: Asked) -> None:
    """Returns where there are rows, as far as looking costs nothing. Raises InputError, EvergreenError: why not."""
    if asked.rows.free_to_read:
        source_of(asked.rows).table(asked.window, None)


def check_output(asked: Asked, output: Settings) -> None:
    """Returns where an output on this machine can be written. Raises InputError: why not."""
    store = store_of(output).of_rows(dialect_of(asked.rows), typed=False)
    if store.is_local:
        store.check()


def dialect_of(rows: SourceSettings) -> dict[str, Any]:
    """How the rows' tables are written as text."""
    return rows.model_dump(include=set(rows.table_fields))


def columns_of(task: TaskSettings, asked: Asked) -> Columns:
    """The columns that the task is asked about. Raises InputError for rows without columns."""
    rows = asked.rows
    if not isinstance(rows, RowFields):
        raise InputError(f"rows of kind {rows.kind} cannot be predicted (allowed: bigquery, files); set source")
    mapped = rows.parts.get(task.input_field, (task.input_field,))
    names = (asked.column,) if asked.column else mapped
    return Columns(names, rows.text_separator, None if asked.keep is None else tuple(asked.keep))
