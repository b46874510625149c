"""The rows of a table with their predictions, to another table or the screen."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from commands.client import Client, Instance, batches, predict
from commands.garbage_collection import usual_garbage_collection
from commands.termination import Terminated
from evergreen.adapters.files.replacing import check_replaceable
from evergreen.adapters.files.rows import Row, read_rows, table_format
from evergreen.adapters.files.settings import FilesSettings
from evergreen.adapters.files.table_writers import json_line, table_writer
from evergreen.batch.columns import FORMULA_SIGNS, as_columns, beside, joined_item, taken_for_formulas
from evergreen.core.answers import Predictions
from evergreen.core.batch import ERROR, PREFIX, VERSION
from evergreen.core.counted import counted, counted_are
from evergreen.core.errors import EndpointError, InputError
from evergreen.core.members import SourceSettings
from evergreen.core.traces import INDEX, TRACE_ID
from evergreen.data.columns import match_columns

PROGRESS_EVERY_S = 2.0


def fields_of(source: SourceSettings, path: Path) -> FilesSettings:
    """How the table is read: as the source reads its files, or with no more than the columns of another source."""
    return FilesSettings(path=str(path), **source.model_dump(include=set(source.table_fields)))


class Tables:
    """Where rows come from and go to: `output` None is the screen, `columns` hold the items, `fields` the dialect."""

    def __init__(self, source: Path, output: Path | None, columns: str | Sequence[str], fields: FilesSettings) -> None:
        self.source, self.output, self.fields = source, output, fields
        self._wanted = dict.fromkeys([columns] if isinstance(columns, str) else columns, "--column")

    def item(self, row: Row) -> Any:
        """The item of a row; of several columns, their texts joined. Raises InputError when a column does not exist."""
        present = match_columns(self._wanted, list(row), str(self.source))
        return joined_item([row[column] for column in present.values()], self.fields.text_separator)

    @property
    def is_for_spreadsheets(self) -> bool:
        """Whether the output is delimited text, which spreadsheets open."""
        return self.output is not None and table_format(self.output, self.fields) == "csv"

    def check_replaceable(self) -> None:
        """Raises InputError where a file is there that was not predicted."""
        if (output := self.output) is not None:
            check_replaceable(str(output), self.fields, lambda: output.open("rb"))

    def writer(self) -> Any:
        """Context manager that gives the writer of the output."""
        if self.output is None:
            return nullcontext(_Screen())
        schema_of = self.source if table_format(self.source, self.fields) == "parquet" else None
        return table_writer(self.output, self.fields, schema_of, (ERROR, f"{PREFIX}{ERROR}"))


@usual_garbage_collection()
def predict_table(client: Client, tables: Tables, batch_size: int) -> None:
    """Every row with its prediction, a batch a request; the output file appears when all rows are in it.

    A batch has at most `batch_size` rows, and fewer where their items would fill more than one request.

    Raises:
        InputError: a row cannot be read or used; the message names it by its number, from 1.
    """
    tables.check_replaceable()
    progress, formulas = Progress(), 0
    kept = "none of them is written; the same command begins anew" if tables.output else "the same command begins anew"
    with progress.told_when_cut_off(kept), tables.writer() as writer:
        instance = partial(_instance_of_row, client, tables)
        read = read_rows(tables.source, tables.fields)
        for start, rows, instances in batches(read, instance, batch_size, client.max_bytes):
            answered = predict(client, instances, f"{tables.source} row", start)
            made = [ours for predictions in answered for ours in _added(predictions, str(tables.source))]
            writer.write([beside(row, ours) for row, ours in zip(rows, made, strict=True)])
            formulas += sum(str(ours.get("label", "")).startswith(FORMULA_SIGNS) for ours in made)
            progress.report(start + len(rows))
        if not progress.rows:
            raise InputError(f"{tables.source} holds no rows")
        tables.check_replaceable()  # somebody may have put it there meanwhile
    progress.end(str(tables.output or "the screen"))
    if formulas and tables.is_for_spreadsheets:
        verb = "begins" if formulas == 1 else "begin"
        print(taken_for_formulas(counted(formulas, "label"), str(tables.output), verb), file=sys.stderr)


def _added(predictions: Predictions, source: str) -> Iterator[Row]:
    """What is written beside the rows of a request: the columns of batch prediction, and what a label is joined by.

    Raises:
        EndpointError: the endpoint does not tell them.
    """
    if not (predictions.version and predictions.trace_id):
        raise EndpointError(
            f"the endpoint does not say which version predicted the rows of {source}, and under which trace id: its "
            "server is of an earlier release; run its configuration again, or leave --endpoint out"
        )
    for index, prediction in enumerate(predictions):
        request = {TRACE_ID: predictions.trace_id, INDEX: index}
        yield {**as_columns(prediction), **request, VERSION: predictions.version, ERROR: None}


def _instance_of_row(client: Client, tables: Tables, row: Row) -> Instance:
    return client.instance(tables.item(row))


class _Screen:
    """Rows as lines of JSON."""

    def write(self, rows: Sequence[Row]) -> None:
        for row in rows:
            print(json_line(row), end="")

    def close(self) -> None:
        sys.stdout.flush()


class Progress:
    """Rows so far on stderr, every two seconds, over itself on a terminal."""

    def __init__(self) -> None:
        self.began = self.reported = time.monotonic()
        self.rows = 0

    def report(self, rows: int) -> None:
        """Tells how many rows are done, where it is time."""
        self.rows = rows
        if time.monotonic() - self.reported >= PROGRESS_EVERY_S:
            self.reported = time.monotonic()
            end = "\r" if sys.stderr.isatty() else "\n"
            print(self._text(), end=end, file=sys.stderr, flush=True)

    def end(self, where: str) -> None:
        """Tells where all of them are."""
        print(f"{self._text()} → {where}", file=sys.stderr)

    @contextmanager
    def told_when_cut_off(self, what_next: str) -> Iterator[None]:
        """Tells on Ctrl-C and SIGTERM within the block how many rows are done, and what comes of them, if any."""
        try:
            yield
        except (KeyboardInterrupt, Terminated):
            done = f"{counted_are(self.rows, 'row')} done: {what_next}"
            print(done if self.rows else "no row is done yet: give the same command again", file=sys.stderr)
            raise

    def _text(self) -> str:
        seconds = max(time.monotonic() - self.began, 1e-9)
        return f"{counted(self.rows, 'row')} in {seconds:,.1f} s ({self.rows / seconds:,.0f} rows/s)"
